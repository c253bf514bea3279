import { expect, test } from 'vitest';
import type { Ledger } from '../../src/ledger/ledger.ts';
import type { DeliveryOutcome } from '../../src/study.ts';
import { arrivalOf, claimed, concludeAll, newLedger, placing, proven, wide } from './support.ts';

const study = '1.2.3';

/** A study of so many instances, bound to b1. */
function placed(ledger: Ledger, count: number, clean = false): void {
  for (let number = 0; number < count; number += 1) ledger.received(arrivalOf(number), 10);
  ledger.decide(placing('b1', { at: 11, clean }));
}

function rebound(ledger: Ledger, backend: string, expectedEpoch: number, at = 100, clean = false) {
  return ledger.rebind({ ...placing(backend, { at, kind: 'rebound', clean }), expectedEpoch });
}

function deliver(ledger: Ledger, backend: string, now: number): void {
  for (let next = ledger.claim(backend, wide, now); next !== null; next = ledger.claim(backend, wide, now))
    concludeAll(ledger, next, proven, now);
}

function remove(ledger: Ledger, now: number): void {
  for (const { front, orthancIds } of ledger.beginRemoval(study, now, now))
    ledger.removed(front, orthancIds, now);
}

test('a study is bound anew whole: what was proven, sent or delayed is all queued to the next backend', async () => {
  const { ledger } = await newLedger();
  placed(ledger, 4);
  concludeAll(ledger, claimed(ledger, 'b1', 12, { instances: 1, bytes: 1e6 }), proven, 13);
  const late = { kind: 'retry', code: 'backend-error', detail: '500', notBefore: 9000 } as const;
  concludeAll(ledger, claimed(ledger, 'b1', 14, { instances: 1, bytes: 1e6 }), late, 15);
  const open = claimed(ledger, 'b1', 16, { instances: 1, bytes: 1e6 });
  expect(ledger.bound('b1')).toEqual([
    {
      studyUid: study,
      copy: 0,
      epoch: 1,
      backend: 'b1',
      torn: false,
      unproven: 3,
      waitingSince: 10,
      refusedBy: [],
    },
  ]);

  expect(rebound(ledger, 'b2', 7)).toBeNull();
  expect(rebound(ledger, 'b1', 1)).toBeNull();
  const next = rebound(ledger, 'b2', 1);
  expect(next).toMatchObject({ backend: 'b2', epoch: 2, copy: 0 });
  expect(rebound(ledger, 'b2', 1)).toBeNull();
  expect(ledger.bound('b1')).toEqual([]);
  expect(ledger.loads()).toMatchObject([{ backend: 'b2', studies: 1, instances: 4 }]);
  expect(ledger.study(study)).toMatchObject({
    state: 'assigned',
    assignments: [next],
    instances: { received: 4, verified: 0 },
    formerCopies: [{ backend: 'b1', target: 'b2', state: 'waiting', since: 100, fronts: ['front'] }],
  });
  expect(ledger.totals().decisions).toMatchObject({ placed: 1, rebound: 1 });

  // What was under way then ends, however it ends: it says nothing of the new deliveries.
  for (const outcome of [
    proven,
    { kind: 'quarantine', code: 'conflict', detail: 'x' },
    { kind: 'refused', detail: 'x' },
    { kind: 'absent' },
  ] as const)
    concludeAll(ledger, open, outcome, 110);
  const deliveries = claimed(ledger, 'b2', 111).deliveries;
  expect(deliveries).toHaveLength(4);
  expect(deliveries.every(({ attempts, askFirst, epoch }) => attempts === 0 && askFirst && epoch === 2)).toBe(
    true,
  );
  expect(ledger.refusedStudies()).toEqual([]);
});

test.each<DeliveryOutcome>([
  proven,
  { kind: 'quarantine', code: 'conflict', detail: 'x' },
  { kind: 'refused', detail: 'x' },
  { kind: 'absent' },
])(
  'a transfer of the ended assignment that ends as $kind leaves the new deliveries alone',
  async (outcome) => {
    const { ledger } = await newLedger();
    placed(ledger, 2);
    const open = claimed(ledger, 'b1', 12);
    rebound(ledger, 'b2', 1);
    // Numbers of deliveries are given anew: the new ones are under way too, to make it worse.
    const anew = claimed(ledger, 'b2', 101);
    concludeAll(ledger, open, outcome, 102);
    expect(ledger.study(study)).toMatchObject({
      state: 'sending',
      instances: { verified: 0, quarantined: 0, vanished: 0 },
    });
    concludeAll(ledger, anew, proven, 103);
    expect(ledger.study(study)).toMatchObject({ state: 'verified', instances: { verified: 2 } });
  },
);

test('what is being removed while the study is bound anew counts as gone, and is queued again if the front says no', async () => {
  const { ledger } = await newLedger();
  placed(ledger, 2);
  deliver(ledger, 'b1', 12);
  expect(ledger.beginRemoval(study, 20, 20)).toHaveLength(1);
  rebound(ledger, 'b2', 1);
  expect(ledger.loads()).toEqual([]);
  ledger.removed('front', ['instance-0'], 101);
  ledger.removalFailed('front', ['instance-1'], 102);
  expect(ledger.bound('b2')).toMatchObject([{ torn: true, unproven: 1 }]);
  expect(ledger.study(study)?.instances).toMatchObject({ removed: 1, vanished: 0, verified: 0 });
  // Nothing may leave on the strength of the former proof.
  expect(ledger.beginRemoval(study, 200, 200)).toEqual([]);
  deliver(ledger, 'b2', 103);
  expect(ledger.beginRemoval(study, 200, 200)).toMatchObject([{ orthancIds: ['instance-1'] }]);
});

test('a refused removal that names an instance twice queues it once', async () => {
  const { ledger } = await newLedger();
  placed(ledger, 1);
  deliver(ledger, 'b1', 12);
  expect(ledger.beginRemoval(study, 20, 20)).toHaveLength(1);
  rebound(ledger, 'b2', 1);
  ledger.removalFailed('front', ['instance-0', 'instance-0'], 102);
  expect(claimed(ledger, 'b2', 103).deliveries).toMatchObject([{ orthancId: 'instance-0' }]);
});

test('gone from the front after it was proven on the former backend is not vanished, as long as that one was not found empty', async () => {
  const { ledger } = await newLedger();
  placed(ledger, 3);
  deliver(ledger, 'b1', 12);
  rebound(ledger, 'b2', 1);
  expect(ledger.absent('front', ['instance-0'], 101)).toMatchObject({ removed: 1, vanished: 0 });
  concludeAll(ledger, claimed(ledger, 'b2', 102, { instances: 1, bytes: 1e6 }), { kind: 'absent' }, 103);
  expect(ledger.study(study)?.instances).toMatchObject({ removed: 2, vanished: 0, verified: 0 });
  deliver(ledger, 'b2', 104);
  remove(ledger, 105);
  expect(ledger.study(study)).toMatchObject({ state: 'healing', instances: { removed: 3, verified: 1 } });

  // The former backend turns out to have nothing: two of them are nowhere, and that is said.
  const [former] = ledger.healable(106, 10);
  ledger.formerGone(former?.id ?? 0, { instances: 0, bytes: 0 }, 107);
  expect(ledger.study(study)).toMatchObject({
    state: 'quarantined',
    instances: { removed: 1, verified: 1, vanished: 2 },
  });
  expect(ledger.events(study).at(-1)).toMatchObject({
    kind: 'vanished',
    text: '2 instances no longer on b1, and proven nowhere else',
  });
  // Bound to it once more, what was proven there before says nothing of what is there now.
  ledger.received(arrivalOf(9), 108);
  rebound(ledger, 'b1', 2, 109);
  ledger.received(arrivalOf(0), 110);
  expect(ledger.absent('front', ['instance-0'], 111)).toMatchObject({ vanished: 1 });
});

test('a refused instance waits with its reason; its study may go elsewhere, once, or into quarantine', async () => {
  const { ledger } = await newLedger();
  placed(ledger, 2);
  const [first] = claimed(ledger, 'b1', 12, { instances: 1, bytes: 1e6 }).deliveries;
  ledger.conclude(
    1,
    { at: 13, code: 'refused', detail: '', bytesSent: 0, instancesSent: 0 },
    new Map([[first?.id ?? 0, { kind: 'refused', detail: 'will not take it' }]]),
  );
  expect(ledger.study(study)).toMatchObject({ state: 'assigned', waiting: 'refused: will not take it' });
  expect(claimed(ledger, 'b1', 14).deliveries.map(({ orthancId }) => orthancId)).toEqual(['instance-1']);
  expect(ledger.claim('b1', wide, 14)).toBeNull();
  expect(ledger.refusedStudies()).toMatchObject([
    { studyUid: study, backend: 'b1', refusedBy: ['b1'], torn: false },
  ]);

  rebound(ledger, 'b2', 1);
  expect(ledger.refusedStudies()).toEqual([]);
  expect(ledger.bound('b2')).toMatchObject([{ unproven: 2, refusedBy: ['b1'] }]);
  const again = claimed(ledger, 'b2', 101);
  concludeAll(ledger, again, { kind: 'refused', detail: 'neither will this one' }, 102);
  expect(ledger.refusedStudies()).toMatchObject([{ backend: 'b2', refusedBy: ['b1', 'b2'] }]);
  // A person sends it to the first one after all: tried there again, and not turned away at once.
  rebound(ledger, 'b1', 2, 103);
  expect(ledger.refusedStudies()).toEqual([]);
  expect(ledger.bound('b1')).toMatchObject([{ refusedBy: ['b2'] }]);
  const third = claimed(ledger, 'b1', 104).deliveries;
  expect(third).toHaveLength(2);
  ledger.conclude(
    4,
    { at: 105, code: 'done', detail: '', bytesSent: 0, instancesSent: 0 },
    new Map(
      third.map(({ id, orthancId }) => [
        id,
        orthancId === 'instance-0' ? { kind: 'refused', detail: 'no' } : proven,
      ]),
    ),
  );
  expect(ledger.quarantineRefused(study, 'refused by b1, b2', 106)).toBe(1);
  expect(ledger.quarantineRefused(study, 'refused by b1, b2', 106)).toBe(0);
  expect(ledger.quarantinedInstance('front', 'instance-0')).toMatchObject({
    code: 'refused',
    detail: 'refused by b1, b2',
    since: 106,
  });
  expect(ledger.study(study)?.instances).toMatchObject({ verified: 1, quarantined: 1 });

  // A person has it tried again: what was refused before is forgotten.
  expect(ledger.requeue(study, 'instance-0', 107)).toBe(1);
  expect(ledger.bound('b1')).toMatchObject([{ unproven: 1, refusedBy: ['b2'] }]);
  deliver(ledger, 'b1', 108);
  expect(ledger.bound('b1')).toMatchObject([{ unproven: 0 }]);
});

test('content is ours only where nothing of it can have come another way', async () => {
  const { ledger } = await newLedger();
  placed(ledger, 2, true);
  expect(claimed(ledger, 'b1', 12).deliveries.map(({ ours }) => ours)).toEqual([true, true]);
  ledger.recover(13);
  deliver(ledger, 'b1', 14);
  // Sent again: what the backend has was proven.
  ledger.received(arrivalOf(0), 15);
  ledger.received(arrivalOf(2), 15);
  const late = claimed(ledger, 'b1', 16, { instances: 50, bytes: 1e9 }).deliveries;
  expect(Object.fromEntries(late.map(({ orthancId, ours }) => [orthancId, ours]))).toEqual({
    'instance-0': false,
    'instance-2': true,
  });
  ledger.recover(17);
  deliver(ledger, 'b1', 18);
  remove(ledger, 19);

  // Moved from backend to backend: proven there, though never by a transfer from a front.
  rebound(ledger, 'b2', 1, 100, true);
  const [former] = ledger.healable(101, 10);
  ledger.formerProven(former?.id ?? 0, [{ orthancId: 'instance-5', md5: 'm5', bytes: 5 }], 102);
  ledger.received(arrivalOf(5), 103);
  ledger.received(arrivalOf(7), 104);
  const anew = claimed(ledger, 'b2', 105).deliveries;
  expect(Object.fromEntries(anew.map(({ orthancId, ours }) => [orthancId, ours]))).toEqual({
    'instance-5': false,
    'instance-7': true,
  });
  // A backend that had a former copy is not clean, whatever it said.
  rebound(ledger, 'b1', 2, 106, true);
  expect(claimed(ledger, 'b1', 107).deliveries.every(({ ours, askFirst }) => !ours && askFirst)).toBe(true);
});

test('two copies are never bound to one backend, and only what nobody is bound to is a former copy', async () => {
  const { ledger } = await newLedger();
  placed(ledger, 1);
  ledger.decide(placing('b2', { copy: 1, at: 12 }));
  expect(rebound(ledger, 'b2', 1)).toBeNull();
  ledger.rebind({ ...placing('b3', { copy: 1, at: 100, kind: 'rebound' }), expectedEpoch: 1 });
  expect(ledger.formerCopies()).toMatchObject([{ copy: 1, backend: 'b2', target: 'b3' }]);
  // Where one copy left something the other one goes: that is no former copy any more.
  rebound(ledger, 'b2', 1, 101);
  expect(ledger.formerCopies().map(({ backend }) => backend)).toEqual(['b1']);
});

test('a study that no front ever saw is adopted, once, and can be bound anew', async () => {
  const { ledger } = await newLedger();
  const adopted = ledger.adopt('9.9', 'b1', 10);
  expect(adopted).toMatchObject({ backend: 'b1', epoch: 1, copy: 0 });
  expect(ledger.adopt('9.9', 'b2', 11)).toEqual(adopted);
  expect(ledger.study('9.9')).toMatchObject({ state: 'removed', instances: { received: 0 } });
  const next = ledger.rebind({
    ...placing('b2', { studyUid: '9.9', at: 12, kind: 'rebound' }),
    expectedEpoch: 1,
  });
  expect(next?.backend).toBe('b2');
  expect(ledger.study('9.9')).toMatchObject({
    state: 'healing',
    waiting: 'a part is on b1 still: not looked at yet',
  });
  expect(ledger.healable(13, 10)).toMatchObject([
    { studyUid: '9.9', backend: 'b1', target: 'b2', fronts: [] },
  ]);
});
