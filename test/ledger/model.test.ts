import BetterSqlite3, { type Database } from 'better-sqlite3';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { provenNow, provenOnce } from '../../src/ledger/assignments.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { openLedger } from '../../src/ledger/open.ts';
import type { DeliveryOutcome, Transfer } from '../../src/study.ts';
import { tempDir } from '../support/temp.ts';
import { never } from './invariants.ts';
import { arrivalOf, concludeAll, placing, proven, wide } from './support.ts';

const fronts = ['front1', 'front2'];
const backends = ['b1', 'b2', 'b3'];

type Step =
  | { readonly do: 'receive'; readonly instance: number }
  | { readonly do: 'decide'; readonly study: number; readonly copy: number; readonly backend: number | null }
  | { readonly do: 'claim'; readonly backend: number; readonly instances: number }
  | {
      readonly do: 'conclude';
      readonly transfer: number;
      readonly outcomes: readonly number[];
      readonly again: boolean;
    }
  | { readonly do: 'absent'; readonly instances: readonly number[] }
  | {
      readonly do: 'remove';
      readonly study: number;
      readonly wait: number;
      readonly end: 'removed' | 'failed' | 'dies';
    }
  | { readonly do: 'answerRemoval'; readonly instances: readonly number[]; readonly removed: boolean }
  /** Everything that may be sent is sent and proven, so that walks get as far as removals. */
  | { readonly do: 'deliver' }
  | { readonly do: 'recover' };

const instanceNumber = fc.nat(6);
const studyNumber = fc.nat(1);
const anyOutcome = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(9) });
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('receive' as const), instance: instanceNumber }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('decide' as const),
      study: studyNumber,
      copy: fc.constantFrom(0, 0, 0, 0, 0, 0, 1),
      backend: fc.constantFrom(0, 1, 2, null),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('claim' as const),
      backend: fc.nat(2),
      instances: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('conclude' as const),
      transfer: fc.nat(5),
      outcomes: fc.array(anyOutcome, { minLength: 6, maxLength: 6 }),
      again: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('absent' as const),
      instances: fc.array(instanceNumber, { maxLength: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('remove' as const),
      study: studyNumber,
      wait: fc.nat(3),
      end: fc.constantFrom('removed' as const, 'failed' as const, 'dies' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('answerRemoval' as const),
      instances: fc.array(instanceNumber, { maxLength: 4 }),
      removed: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('deliver' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('recover' as const) }) },
);

const uid = (number: number): string => `1.2.${number}`;
const frontOf = (number: number): string => fronts[number % fronts.length] ?? '';
const backendOf = (number: number): string => backends[number] ?? '';
const orthancId = (number: number): string => `instance-${number}`;

/** Drives one ledger, remembering what a service would. */
class Driver {
  now = 1000;
  readonly transfers: Transfer[] = [];
  readonly received = new Set<number>();
  removals = 0;
  readonly ledger: Ledger;
  readonly eye: Database;
  constructor(ledger: Ledger, eye: Database) {
    this.ledger = ledger;
    this.eye = eye;
  }

  take(step: Step): void {
    this.now += 1;
    const { ledger, now } = this;
    switch (step.do) {
      case 'receive':
        this.received.add(step.instance);
        ledger.received(
          arrivalOf(step.instance, { front: frontOf(step.instance), studyUid: uid(step.instance % 2) }),
          now,
        );
        return;
      case 'decide':
        return this.#decide(step.study, step.copy, step.backend);
      case 'claim': {
        const limits = { instances: step.instances, bytes: 1000 };
        const transfer = [0, 1, 2]
          .map((next) => backendOf((step.backend + next) % backends.length))
          .reduce<Transfer | null>((found, backend) => found ?? ledger.claim(backend, limits, now), null);
        if (transfer === null) return;
        expect(transfer.deliveries.length).toBeGreaterThan(0);
        expect(new Set(transfer.deliveries.map((delivery) => delivery.front))).toEqual(
          new Set([transfer.front]),
        );
        this.transfers.push(transfer);
        return;
      }
      case 'conclude':
        return this.#conclude(step.transfer, step.outcomes, step.again);
      case 'absent':
        for (const front of fronts) {
          ledger.absent(
            front,
            step.instances.filter((number) => frontOf(number) === front).map(orthancId),
            now,
          );
        }
        return;
      case 'remove':
        return this.#remove(uid(step.study), now - step.wait, step.end);
      case 'answerRemoval':
        for (const front of fronts) {
          const ids = step.instances.filter((number) => frontOf(number) === front).map(orthancId);
          if (step.removed) ledger.removed(front, ids, now);
          else ledger.removalFailed(front, ids, now);
        }
        return;
      case 'deliver':
        for (const backend of backends) {
          let transfer = ledger.claim(backend, wide, now);
          for (; transfer !== null; transfer = ledger.claim(backend, wide, now)) {
            concludeAll(ledger, transfer, proven, now);
          }
        }
        return;
      case 'recover':
        ledger.recover(now);
        expect(this.#count(`SELECT count(*) n FROM instances i WHERE state = 'held' AND proven = 1`)).toBe(0);
        expect(this.#count(`SELECT count(*) n FROM transfers WHERE ended_at IS NULL`)).toBe(0);
    }
  }

  #decide(number: number, copy: number, backend: number | null): void {
    const { ledger, now } = this;
    if (ledger.study(uid(number)) === null) return;
    const before = ledger.assignments(uid(number)).find((assignment) => assignment.copy === copy);
    const decision =
      backend === null
        ? placing('', {
            studyUid: uid(number),
            copy,
            at: now,
            kind: 'waiting',
            backend: null,
            reason: 'nobody is up',
          })
        : placing(backendOf(backend), { studyUid: uid(number), copy, at: now });
    const after = ledger.decide(decision);
    if (before !== undefined) expect(after).toEqual(before);
    else expect(after?.backend ?? null).toBe(decision.backend);
  }

  #conclude(number: number, kinds: readonly number[], again: boolean): void {
    const place = number % Math.max(1, this.transfers.length);
    const transfer = this.transfers[place];
    if (transfer === undefined) return;
    const { now } = this;
    const outcomes = new Map<number, DeliveryOutcome>();
    for (const [index, { id }] of transfer.deliveries.entries()) {
      const kind = kinds[index] ?? 0;
      if (kind <= 5) outcomes.set(id, { kind: 'proven', md5: `md5-${kind}`, bytes: 90 + kind });
      else if (kind === 6)
        outcomes.set(id, { kind: 'retry', code: 'send-failed', detail: 'no', notBefore: now + 3 });
      else if (kind === 7)
        outcomes.set(id, { kind: 'quarantine', code: 'conflict', detail: 'other content' });
      else if (kind === 8) outcomes.set(id, { kind: 'absent' });
      // 9: forgotten by the caller
    }
    const end = { at: now, code: 'done', detail: '', bytesSent: 1, instancesSent: 1 };
    this.ledger.conclude(transfer.id, end, outcomes);
    const rows = this.#rows();
    this.ledger.conclude(transfer.id, end, outcomes);
    expect(this.#rows()).toEqual(rows);
    // Kept sometimes, so that its answer comes a third time, much later.
    if (!again) this.transfers.splice(place, 1);
  }

  #remove(studyUid: string, before: number, end: 'removed' | 'failed' | 'dies'): void {
    const { ledger, now } = this;
    const study = ledger.study(studyUid);
    const settled = ledger.settled(before, 10).includes(studyUid);
    const fit = new Set(
      this.eye
        .prepare<unknown[], { orthanc_id: string }>(
          `SELECT orthanc_id FROM instances i JOIN studies s ON s.id = i.study WHERE s.uid = ? AND i.state = 'held' AND ${provenNow}`,
        )
        .all(studyUid)
        .map((row) => row.orthanc_id),
    );
    const taken = ledger.beginRemoval(studyUid, before, now);
    expect(taken.length > 0).toBe(settled);
    this.removals += taken.length;
    if (settled) {
      expect(study?.lastNewsAt).toBeLessThanOrEqual(before);
      expect(new Set(taken.flatMap((part) => part.orthancIds))).toEqual(fit);
    }
    for (const { front, orthancIds } of taken) {
      if (end === 'removed') ledger.removed(front, orthancIds, now);
      if (end === 'failed') ledger.removalFailed(front, orthancIds, now);
    }
  }

  check(): void {
    for (const [what, sql] of Object.entries(never)) expect(this.#count(sql), what).toBe(0);
    const { ledger } = this;
    for (const studyUid of ledger.settled(this.now, 10)) {
      expect(
        this.#count(
          `SELECT count(*) n FROM deliveries d JOIN studies s ON s.id = d.study WHERE s.uid = '${studyUid}'`,
        ),
      ).toBe(0);
    }
    const queue = ledger.queue();
    expect(
      queue.backends.map(({ backend, studies, instances, bytes, oldestAt }) => ({
        backend,
        studies,
        instances,
        bytes,
        oldestAt,
      })),
    ).toEqual(ledger.loads());
    expect(this.#count('SELECT count(*) n FROM instances')).toBe(this.received.size);
    // Removed, and no receipt: only possible for a copy that was asked for after the removal began.
    expect(
      this.#count(`SELECT count(*) n FROM instances i WHERE state = 'removed' AND NOT ${provenOnce} AND NOT EXISTS (
        SELECT 1 FROM assignments a WHERE a.study = i.study AND a.copy > 0)`),
    ).toBe(0);
  }

  #count(sql: string): number {
    return this.eye.prepare<unknown[], { n: number }>(sql).get()?.n ?? -1;
  }

  #rows(): unknown[] {
    return ['instances', 'deliveries', 'receipts', 'transfers', 'studies'].map((table) =>
      this.eye.prepare(`SELECT * FROM ${table}`).all(),
    );
  }
}

test('whatever comes in whatever order, what must hold holds', async () => {
  await using folder = await tempDir('model');
  let run = 0;
  let removals = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 20, maxLength: 80, size: 'max' }), async (steps) => {
      run += 1;
      const file = `${folder.path}/${run}.db`;
      const ledger = openLedger(file);
      const eye = new BetterSqlite3(file, { readonly: true });
      try {
        const driver = new Driver(ledger, eye);
        for (const next of steps) {
          driver.take(next);
          driver.check();
        }
        removals += driver.removals;
      } finally {
        eye.close();
        await ledger.close();
      }
    }),
    { numRuns: 60, endOnFailure: false },
  );
  // A random walk that never gets as far as a removal would show nothing.
  expect(removals).toBeGreaterThan(20);
});
