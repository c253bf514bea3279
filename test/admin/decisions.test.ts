import { expect, test } from 'vitest';
import { presentDecisions } from '../../src/admin/present-decisions.ts';
import { decisionsAnswer } from '../../src/admin/schemas.ts';
import type { ConsideredBackend } from '../../src/study.ts';
import { arrival } from '../backends/rig.ts';
import { claimed, concludeAll, placing, proven } from '../ledger/driving.ts';
import { type AdminRig, adminRig } from './rig.ts';

const considered: readonly ConsideredBackend[] = [
  {
    backend: 'orthanc1',
    score: 6.5,
    passedOver: null,
    inputs: { instances: 40.4, bytes: 20_000_000, seconds: 6.5, efficiency: 1 },
  },
  { backend: 'orthanc2', score: null, passedOver: 'drain: takes no new studies', inputs: {} },
];

function receive(rig: AdminRig, images: number): void {
  for (let image = 0; image < images; image++)
    rig.ledger.received(arrival('1.2.3', { bytes: 500_000 }), rig.time.clock());
}

function deliver(rig: AdminRig): void {
  const transfer = claimed(rig.ledger, 'orthanc1', rig.time.clock());
  rig.time.advance(4_000);
  concludeAll(rig.ledger, transfer, proven, rig.time.clock());
}

const answerOf = (rig: AdminRig) => rig.get('/studies/1.2.3/decisions', decisionsAnswer);

test('what was predicted stands beside what happened, once everything is proven', async () => {
  const rig = await adminRig();
  receive(rig, 1);
  rig.time.advance(1_000);
  const decision = placing('orthanc1', { policy: 'expected-completion', considered, at: rig.time.clock() });
  rig.ledger.decide(decision);

  rig.time.advance(2_000);
  receive(rig, 2);
  const before = await answerOf(rig);
  expect(before.waits).toBeNull();
  expect(before.items[0]?.considered).toEqual(considered);
  expect(before.outcomes).toMatchObject([
    {
      copy: 0,
      backend: 'orthanc1',
      predicted: { instances: 40, bytes: 20_000_000, seconds: 6.5 },
      happened: { instances: 3, bytes: 1_500_000, proven: 0, availableAt: null, seconds: null },
    },
  ]);

  deliver(rig);
  const after = await answerOf(rig);
  expect(after.outcomes[0]?.happened).toMatchObject({
    proven: 3,
    availableAt: new Date(rig.time.clock()).toISOString(),
    seconds: 6,
    secondsAfterLastImage: 4,
  });

  // A late image: not available any more, until it is there too.
  receive(rig, 1);
  expect((await answerOf(rig)).outcomes[0]?.happened).toMatchObject({ proven: 3, availableAt: null });
});

test('a policy that predicts nothing says nothing', async () => {
  const rig = await adminRig();
  receive(rig, 1);
  rig.ledger.decide(placing('orthanc1'));
  expect((await answerOf(rig)).outcomes[0]?.predicted).toBeNull();
});

test('figures that are none are not taken for a prediction', async () => {
  const rig = await adminRig();
  receive(rig, 1);
  const odd = { instances: Number.NaN, bytes: Number.POSITIVE_INFINITY, seconds: -1 };
  rig.ledger.decide(
    placing('orthanc1', {
      considered: [{ backend: 'orthanc1', score: Number.POSITIVE_INFINITY, passedOver: null, inputs: odd }],
    }),
  );
  const { items, outcomes } = await answerOf(rig);
  expect(outcomes[0]?.predicted).toBeNull();
  expect(items[0]?.considered[0]?.score).toBeNull();
});

test('a study that waits says why, since when, and how the backends are now', async () => {
  const rig = await adminRig();
  receive(rig, 1);
  const since = new Date(rig.time.clock()).toISOString();
  const reason = 'waits for a free lane of orthanc1';
  rig.ledger.decide(placing('orthanc1', { kind: 'waiting', backend: null, reason }));
  expect(await answerOf(rig)).toMatchObject({ outcomes: [], waits: { reason, since, now: null } });

  const study = rig.ledger.study('1.2.3');
  if (study === null) throw new Error('the study is not there');
  expect(presentDecisions(rig.ledger, study, () => considered).waits?.now).toEqual(considered);
});
