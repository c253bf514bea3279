import { expect, test } from 'vitest';
import type { Ledger } from '../../src/ledger/ledger.ts';
import type { FormerCopy } from '../../src/study.ts';
import { arrivalOf, claimed, concludeAll, newLedger, placing, proven } from './support.ts';

const study = '1.2.3';
const md5 = proven.kind === 'proven' ? proven.md5 : '';
const proofOf = (orthancId: string, content = md5) => ({ orthancId, md5: content, bytes: 100 });

function rebind(ledger: Ledger, backend: string, expectedEpoch: number, at: number): void {
  expect(ledger.rebind({ ...placing(backend, { at, kind: 'rebound' }), expectedEpoch })).not.toBeNull();
}

function only(rows: readonly FormerCopy[]): FormerCopy {
  const [row] = rows;
  if (row === undefined || rows.length > 1) throw new Error(`${rows.length} former copies, not one`);
  return row;
}

/** Two instances proven on b1 and gone from the front; then bound to b2, and a third one proven there. */
async function torn(): Promise<Ledger> {
  const { ledger } = await newLedger();
  ledger.received(arrivalOf(1), 10);
  ledger.received(arrivalOf(2), 10);
  ledger.decide(placing('b1', { at: 11 }));
  concludeAll(ledger, claimed(ledger, 'b1', 12), proven, 13);
  for (const { front, orthancIds } of ledger.beginRemoval(study, 20, 20))
    ledger.removed(front, orthancIds, 21);
  ledger.received(arrivalOf(3), 30);
  rebind(ledger, 'b2', 1, 40);
  expect(ledger.healable(41, 10)).toEqual([]); // not whole yet
  concludeAll(ledger, claimed(ledger, 'b2', 41), proven, 42);
  return ledger;
}

test('a torn study is put together: moved, proven, deleted where it was, and nothing is left over', async () => {
  const ledger = await torn();
  const row = only(ledger.healable(43, 10));
  expect(row).toMatchObject({
    studyUid: study,
    backend: 'b1',
    target: 'b2',
    state: 'waiting',
    reason: 'not looked at yet',
  });
  expect(ledger.provenOn(study, 'b1')).toEqual(
    new Map([
      ['instance-1', md5],
      ['instance-2', md5],
    ]),
  );
  expect(ledger.receiptsOf(study, 0)).toEqual(new Map([['instance-3', md5]]));
  ledger.formerMoving(row.id);
  expect(only(ledger.formerCopies({ backend: 'b1' }))).toMatchObject({ state: 'moving', reason: null });

  expect(ledger.beginFormerRemoval(row.id, ['instance-1'], 44)).toBe(false);
  // One that never came through here is moved as well.
  ledger.formerProven(
    row.id,
    [proofOf('instance-1'), proofOf('instance-2'), proofOf('stranger', 'other')],
    45,
  );
  expect(ledger.study(study)?.instances).toMatchObject({ received: 3, verified: 3, removed: 2 });
  expect(ledger.receiptsOf(study, 0).get('instance-1')).toBe(md5);
  expect(ledger.provenOn(study, 'b2').get('stranger')).toBe('other');
  expect(ledger.beginFormerRemoval(row.id, ['instance-1', 'instance-2', 'stranger', 'instance-4'], 46)).toBe(
    false,
  );
  // A current receipt is as good as a move.
  expect(ledger.beginFormerRemoval(row.id, ['instance-1', 'instance-2', 'stranger', 'instance-3'], 46)).toBe(
    true,
  );
  expect(only(ledger.formerCopies({ studyUid: study })).state).toBe('deleting');
  expect(ledger.queue()).toMatchObject({ formerCopies: 1, formerConflicts: 0 });

  ledger.formerGone(row.id, { instances: 3, bytes: 300 }, 47);
  ledger.formerGone(row.id, { instances: 3, bytes: 300 }, 48);
  expect(ledger.formerCopies()).toEqual([]);
  expect(ledger.events(study)).toEqual([
    {
      at: 47,
      kind: 'former-copy-gone',
      text: '3 instances of it left b1, each proven where the study is now',
    },
  ]);
  expect(ledger.study(study)?.state).toBe('verified');
  expect(ledger.beginRemoval(study, 50, 50)).toMatchObject([{ orthancIds: ['instance-3'] }]);
});

test('while a former copy is being deleted nothing is bound to its backend, by hand, by policy or by a restart', async () => {
  const ledger = await torn();
  const row = only(ledger.healable(43, 10));
  ledger.formerProven(row.id, [proofOf('instance-1'), proofOf('instance-2')], 44);
  expect(ledger.beginFormerRemoval(row.id, ['instance-1', 'instance-2'], 45)).toBe(true);
  ledger.recover(46);
  expect(only(ledger.formerCopies()).state).toBe('deleting');
  expect(ledger.rebind({ ...placing('b1', { at: 47, kind: 'rebound' }), expectedEpoch: 2 })).toBeNull();
  expect(ledger.decide(placing('b1', { copy: 1, at: 47 }))).toBeNull();
  expect(ledger.decisions(study).map(({ copy, backend }) => [copy, backend])).toEqual([
    [0, 'b1'],
    [0, 'b2'],
  ]);
  // Also not when the study goes on to a third: what was asked for is on its way still.
  rebind(ledger, 'b3', 2, 48);
  expect(ledger.formerCopies({ backend: 'b1' })).toMatchObject([{ state: 'deleting', target: 'b3' }]);
  expect(ledger.rebind({ ...placing('b1', { at: 49, kind: 'rebound' }), expectedEpoch: 3 })).toBeNull();
});

test('what was seen before the study was bound anew changes nothing afterwards', async () => {
  const ledger = await torn();
  const seen = only(ledger.healable(43, 10));
  ledger.formerMoving(seen.id);
  ledger.formerProven(seen.id, [proofOf('instance-1'), proofOf('instance-2')], 44);
  rebind(ledger, 'b3', 2, 50);
  concludeAll(ledger, claimed(ledger, 'b3', 51), proven, 52);

  // Proven on b2, which is not where the study is now: b1 must keep it.
  ledger.formerProven(seen.id, [proofOf('instance-1'), proofOf('instance-2')], 53);
  expect(ledger.receiptsOf(study, 0)).toEqual(new Map([['instance-3', md5]]));
  expect(ledger.study(study)?.instances.verified).toBe(1);
  expect(ledger.beginFormerRemoval(seen.id, ['instance-1', 'instance-2'], 54)).toBe(false);
  ledger.formerLater(seen.id, { state: 'conflict', reason: 'x', notBefore: 0 });
  ledger.formerGone(seen.id, { instances: 2, bytes: 200 }, 55);
  expect(ledger.healable(56, 10)).toMatchObject([
    { backend: 'b1', target: 'b3', state: 'waiting', reason: 'the study was bound anew' },
    { backend: 'b2', target: 'b3', state: 'waiting', reason: 'not looked at yet' },
  ]);
  const [anew] = ledger.formerCopies({ backend: 'b1' });
  expect(ledger.beginFormerRemoval(anew?.id ?? 0, ['instance-1', 'instance-2'], 57)).toBe(false);
});

test('a proof for a former copy that has ended proves nothing of what is found there later', async () => {
  const ledger = await torn();
  const row = only(ledger.healable(43, 10));
  ledger.formerProven(row.id, [proofOf('stranger', 'content')], 44);
  ledger.formerGone(row.id, { instances: 0, bytes: 0 }, 45);
  ledger.noteFormer(study, 'b1', 'found there', 46);
  const found = only(ledger.formerCopies());
  expect(found.reason).toBe('found there');
  ledger.noteFormer(study, 'b1', 'found there once more', 47);
  ledger.noteFormer(study, 'b2', 'that is where it is bound', 47);
  expect(only(ledger.formerCopies())).toEqual(found);
  expect(ledger.beginFormerRemoval(found.id, ['stranger'], 48)).toBe(false);
});

test('other content waits for a person; once accepted the current one stands, until the study is bound anew', async () => {
  const ledger = await torn();
  const { id } = only(ledger.healable(43, 10));
  ledger.formerProven(id, [proofOf('instance-1')], 44);
  ledger.formerLater(id, { state: 'conflict', reason: 'other content', notBefore: 45 });
  expect(ledger.healable(1e9, 10)).toEqual([]);
  expect(ledger.queue()).toMatchObject({ formerCopies: 1, formerConflicts: 1 });
  expect(ledger.formerConflictSettled(id)).toBe(false);
  ledger.settleFormerConflict(id, 46);
  expect(ledger.formerConflictSettled(id)).toBe(true);
  expect(only(ledger.healable(47, 10)).state).toBe('waiting');
  ledger.formerProven(id, [proofOf('instance-2', 'the content of b2')], 48);
  expect(ledger.study(study)?.instances.verified).toBe(3);
  expect(ledger.beginFormerRemoval(id, ['instance-1', 'instance-2'], 49)).toBe(true);
  ledger.formerLater(id, { state: 'waiting', reason: 'nothing is on its way', notBefore: 0 });
  rebind(ledger, 'b3', 2, 50);
  const [anew] = ledger.formerCopies({ backend: 'b1' });
  expect(ledger.formerConflictSettled(anew?.id ?? 0)).toBe(false);
});

test('content that was never proven on the way through here gives no receipt, and a copy that waits is left alone until its time', async () => {
  const ledger = await torn();
  const { id } = only(ledger.healable(43, 10));
  ledger.formerProven(id, [proofOf('instance-1', 'changed on b1')], 44);
  expect(ledger.study(study)?.instances.verified).toBe(1);
  ledger.formerLater(id, { state: 'waiting', reason: 'b1 does not answer', notBefore: 500 });
  expect(ledger.healable(499, 10)).toEqual([]);
  expect(only(ledger.healable(500, 10))).toMatchObject({ attempts: 1, reason: 'b1 does not answer' });
  ledger.formerMoving(id);
  ledger.recover(501);
  // Everything that stands on the front is proven anew after a start: until then the study is not whole.
  expect(ledger.healable(502, 10)).toEqual([]);
  concludeAll(ledger, claimed(ledger, 'b2', 502), proven, 503);
  expect(only(ledger.healable(504, 10)).state).toBe('waiting');
});

test('an evacuation counts what it set in motion, also after it was stopped, and begins anew at nothing', async () => {
  const ledger = await torn();
  expect(ledger.evacuation('b1')).toBeNull();
  expect(ledger.startEvacuation({ backend: 'b2', target: null, bytesPerSecond: 1000 }, 60)).toMatchObject({
    backend: 'b2',
    state: 'running',
    target: null,
    bytesPerSecond: 1000,
    startedAt: 60,
    endedAt: null,
    studies: 0,
    waiting: null,
  });
  ledger.noteEvacuation('b2', { studies: 2 }, 61);
  ledger.noteEvacuation('b2', { waiting: 'b3 is down' }, 61);
  rebind(ledger, 'b3', 2, 62);
  ledger.recover(63);
  ledger.startEvacuation({ backend: 'b2', target: 'b3', bytesPerSecond: null }, 64);
  expect(ledger.evacuation('b2')).toMatchObject({
    state: 'running',
    startedAt: 60,
    studies: 2,
    target: 'b3',
    bytesPerSecond: null,
  });
  ledger.endEvacuation('b2', 'stopped', 65);
  ledger.endEvacuation('b2', 'done', 66);
  const [row] = ledger.formerCopies({ backend: 'b2' });
  ledger.formerGone(row?.id ?? 0, { instances: 3, bytes: 300 }, 67);
  expect(ledger.evacuations()).toMatchObject([
    {
      backend: 'b2',
      state: 'stopped',
      endedAt: 65,
      moved: 1,
      movedInstances: 3,
      movedBytes: 300,
      waiting: null,
    },
  ]);
  ledger.noteFormer(study, 'b2', 'found there', 68);
  ledger.formerGone(ledger.formerCopies({ backend: 'b2' })[0]?.id ?? 0, { instances: 1, bytes: 1 }, 69);
  expect(ledger.evacuation('b2')?.moved).toBe(1);
  ledger.startEvacuation({ backend: 'b2', target: null, bytesPerSecond: null }, 70);
  expect(ledger.evacuation('b2')).toMatchObject({
    state: 'running',
    startedAt: 70,
    endedAt: null,
    studies: 0,
    moved: 0,
    movedBytes: 0,
  });
});
