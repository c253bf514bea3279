import BetterSqlite3 from 'better-sqlite3';
import { expect, test } from 'vitest';
import { prior } from '../../src/backends/model/service.ts';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { migrate, migrations } from '../../src/ledger/migrations.ts';
import { openLedger } from '../../src/ledger/open.ts';
import { arrivalOf, claimed, concludeAll, ledgerFile, placing, proven } from './support.ts';

const model = {
  backend: 'b1',
  secondsPerTransfer: 0.02,
  secondsPerInstance: 0.004,
  secondsPerByte: 1e-8,
  covariance: [0.5, -0.1, 0.25, 0.03, -0.02, 0.125] as const,
  logEfficiency: -0.3,
  logBaseline: 0.01,
  samples: 7,
  sampledAt: 123,
};

test('what was learnt is there after the ledger was opened anew, in place of what was kept before', async () => {
  const file = await ledgerFile();
  const first = openLedger(file);
  first.keepServiceModels([model, { ...model, backend: 'b2', sampledAt: null }]);
  first.keepServiceModels([{ ...model, samples: 8 }]);
  await first.close();
  const again = openLedger(file);
  try {
    expect(again.serviceModels()).toEqual([
      { ...model, samples: 8 },
      { ...model, backend: 'b2', sampledAt: null },
    ]);
  } finally {
    await again.close();
  }
});

test('what an earlier release had learnt is kept, and a transfer costs what is assumed of a backend nobody measured', async () => {
  const file = await ledgerFile();
  const old = new BetterSqlite3(file);
  migrate(old, migrations.slice(0, 4));
  old.exec(`INSERT INTO service_models VALUES ('b1', 0.004, 1e-8, 0.5, -0.1, 0.25, -0.3, 0.01, 7, 123)`);
  old.close();
  const ledger = openLedger(file);
  try {
    expect(ledger.serviceModels()).toEqual([
      {
        ...model,
        secondsPerTransfer: prior.secondsPerTransfer,
        covariance: [0.5, -0.1, 0.25, 0, 0, prior.covariance[5]],
      },
    ]);
  } finally {
    await ledger.close();
  }
});

test('what is no number is refused, and the rest with it', async () => {
  const ledger = openLedger(await ledgerFile());
  try {
    const bad = { ...model, backend: 'b2', logEfficiency: Number.NaN };
    expect(() => ledger.keepServiceModels([model, bad])).toThrow(LedgerError);
    expect(ledger.serviceModels()).toEqual([]);
  } finally {
    await ledger.close();
  }
});

test('news says what a study has grown to and where it is bound; finished studies come the latest last', async () => {
  const ledger = openLedger(await ledgerFile());
  try {
    const studies = ['1.1', '1.1', '1.2', '1.3'];
    for (const [index, studyUid] of studies.entries()) {
      ledger.received(arrivalOf(index, { studyUid }), 10 * (index + 1));
    }
    for (const studyUid of ['1.1', '1.3']) ledger.decide(placing('b1', { studyUid }));
    const [first, second] = ledger.news(20, 30);
    expect(first).toMatchObject({
      studyUid: '1.1',
      instances: 2,
      firstSeenAt: 10,
      lastNewsAt: 20,
      backends: ['b1'],
    });
    expect(second).toMatchObject({ studyUid: '1.2', instances: 1, backends: [] });
    expect(ledger.news(31, 39)).toEqual([]);
    expect(ledger.studySoFar('1.3')).toMatchObject({ backends: ['b1'] });
    expect(ledger.studySoFar('1.4')).toBeNull();

    concludeAll(ledger, claimed(ledger, 'b1', 45), proven, 50);
    expect(ledger.finished(10)).toEqual([]);
    for (const uid of ['1.3', '1.1']) {
      for (const { front, orthancIds } of ledger.beginRemoval(uid, 100, 100))
        ledger.removed(front, orthancIds, 101);
    }
    expect(ledger.finished(10).map((study) => [study.studyUid, study.instances])).toEqual([
      ['1.1', 2],
      ['1.3', 1],
    ]);
    expect(ledger.finished(1).map((study) => study.studyUid)).toEqual(['1.3']);
  } finally {
    await ledger.close();
  }
});
