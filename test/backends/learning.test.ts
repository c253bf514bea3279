import { expect, onTestFinished, test } from 'vitest';
import { createLearning, type Learning } from '../../src/backends/learning.ts';
import { prior } from '../../src/backends/model/service.ts';
import { type Ledger, LedgerError } from '../../src/ledger/ledger.ts';
import { silentLogger } from '../../src/log.ts';
import { newLedger } from '../ledger/support.ts';
import { type ManualTime, manualTime } from './rig.ts';

/** Slow for each instance: 40 ms, and 1 MB of it at 100 MB/s. */
function teach(learning: Learning, backend: string, times = 20): void {
  for (let time = 1; time <= times; time++) {
    const instances = 1 + (time % 10) * 5;
    learning.learnt(backend, {
      instances,
      bytes: instances * 1e6,
      seconds: instances * 0.05,
      endedAt: 1_000 * time,
    });
  }
}

function learningOn(ledger: Pick<Ledger, 'serviceModels' | 'keepServiceModels'>, time: ManualTime): Learning {
  const learning = createLearning({ backends: ['a', 'b'], ledger, log: silentLogger(), timers: time });
  learning.start();
  onTestFinished(() => learning.stop());
  return learning;
}

test('before its first transfer a backend is as the prior says, and so is one that is not in the topology', async () => {
  const { ledger } = await newLedger();
  const learning = learningOn(ledger, manualTime());
  teach(learning, 'stranger');
  expect(['a', 'b', 'stranger'].map((name) => learning.model(name))).toEqual([prior, prior, prior]);
  learning.stop();
  expect(ledger.serviceModels()).toEqual([]);
});

test('what was learnt is kept every five seconds, and is there after a death without a stop', async () => {
  const { ledger } = await newLedger();
  const time = manualTime();
  const first = learningOn(ledger, time);
  teach(first, 'a');
  expect(ledger.serviceModels()).toEqual([]);
  time.advance(5_000);
  const again = learningOn(ledger, manualTime());
  expect(again.model('a')).toEqual(first.model('a'));
  expect(again.model('a').samples).toBe(20);
  expect(again.model('b')).toEqual(prior);
});

test('a ledger that is full loses nothing that is learnt: it is kept when there is room', async () => {
  const { ledger } = await newLedger();
  let full = true;
  let writes = 0;
  const failing: Pick<Ledger, 'serviceModels' | 'keepServiceModels'> = {
    serviceModels: () => ledger.serviceModels(),
    keepServiceModels(models) {
      writes++;
      if (full) throw new LedgerError('full', 'no space left');
      ledger.keepServiceModels(models);
    },
  };
  const time = manualTime();
  const learning = learningOn(failing, time);
  teach(learning, 'a');
  time.advance(5_000);
  full = false;
  time.advance(5_000);
  expect(ledger.serviceModels()).toMatchObject([{ backend: 'a', samples: 20 }]);
  // Nothing new: nothing is written.
  time.advance(60_000);
  expect(writes).toBe(2);
});

test('figures that are no use are learnt anew instead of believed', async () => {
  const { ledger } = await newLedger();
  ledger.keepServiceModels([
    { backend: 'a', ...prior, secondsPerByte: 0 },
    { backend: 'b', ...prior, logEfficiency: 1e308, samples: 3 },
    { backend: 'gone', ...prior },
  ]);
  const learning = learningOn(ledger, manualTime());
  expect(learning.model('a')).toEqual(prior);
  expect(Number.isFinite(Math.exp(-learning.model('b').logEfficiency))).toBe(true);
});

test('backends come and go: what was learnt of one is kept when it leaves, and is there when it comes again', async () => {
  const { ledger } = await newLedger();
  const learning = learningOn(ledger, manualTime());
  teach(learning, 'b');
  const learnt = learning.model('b');
  learning.follow(['a', 'c']);
  expect([learning.model('b'), learning.model('c')]).toEqual([prior, prior]);
  teach(learning, 'c', 1);
  expect(learning.model('c')).not.toEqual(prior);
  learning.follow(['a', 'b']);
  expect(learning.model('b')).toEqual(learnt);
});
