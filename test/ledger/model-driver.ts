import { expect } from 'vitest';
import type { Ledger } from '../../src/ledger/ledger.ts';
import type { DeliveryOutcome, FormerCopy, Transfer } from '../../src/study.ts';
import { arrivalOf, placing, wide } from './driving.ts';
import type { Eye } from './model-eye.ts';
import { type Step, studies } from './model-steps.ts';
import { backends, md5Of, orthancId, uid, World } from './model-world.ts';

const fronts = ['front1', 'front2'];
const frontOf = (number: number): string => fronts[number % fronts.length] ?? '';
const backendOf = (number: number): string => backends[number] ?? '';

/** Drives one ledger, remembering what a service, its fronts and its backends would. */
export class Driver {
  now = 1000;
  readonly world = new World();
  readonly transfers: Transfer[] = [];
  readonly received = new Set<number>();
  removals = 0;
  rebinds = 0;
  readonly ledger: Ledger;
  readonly eye: Eye;
  constructor(ledger: Ledger, eye: Eye) {
    this.ledger = ledger;
    this.eye = eye;
  }

  take(step: Step): void {
    this.now += 1;
    const { ledger, world, now } = this;
    switch (step.do) {
      case 'receive':
        this.received.add(step.instance);
        ledger.received(
          arrivalOf(step.instance, { front: frontOf(step.instance), studyUid: uid(step.instance % 2) }),
          now,
        );
        return;
      case 'decide':
        return this.#decide(step);
      case 'claim':
        return this.#claim(step.backend, step.instances);
      case 'conclude':
        return this.#conclude(step.transfer, step.outcomes, step.again);
      case 'absent':
        return this.#byFront(step.instances, (front, ids) => ledger.absent(front, ids, now));
      case 'remove':
        return this.#remove(uid(step.study), now - step.wait, step.end);
      case 'answerRemoval':
        return this.#byFront(step.instances, (front, ids) =>
          step.removed ? ledger.removed(front, ids, now) : ledger.removalFailed(front, ids, now),
        );
      case 'deliver':
        return this.deliver();
      case 'recover':
        return this.#recover();
      case 'rebind':
        return this.#bindAnew(uid(step.study), step.copy, backendOf(step.backend), step.late, step.asked);
      case 'quarantineRefused':
        if (ledger.study(uid(step.study)) !== null) ledger.quarantineRefused(uid(step.study), 'nobody', now);
        return;
      case 'find':
        // Only what is there can be found.
        if (world.of(uid(step.study), backendOf(step.backend)).length > 0)
          ledger.noteFormer(uid(step.study), backendOf(step.backend), 'found there', now);
        return;
      case 'heal': {
        const rows = ledger.healable(now, 10);
        const row = rows[step.row % Math.max(1, rows.length)];
        if (row === undefined) return;
        if (step.meanwhile !== null) this.#bindAnew(row.studyUid, row.copy, backendOf(step.meanwhile));
        world.heal(ledger, row, step.upTo, now);
        return;
      }
      case 'formerLater':
        return this.#former(step.row, (row) => {
          // A deletion that is on its way is not forgotten.
          const state = row.state === 'deleting' ? 'deleting' : step.state;
          ledger.formerLater(row.id, { state, reason: 'later', notBefore: now + 2 });
        });
      case 'settleConflict':
        return this.#former(step.row, ({ id }) => ledger.settleFormerConflict(id, now));
      case 'doubt':
        ledger.doubt(uid(step.study), step.instances.map(orthancId), 'one of them', now);
        return;
      case 'requeue':
        ledger.requeue(uid(step.study), step.instance === null ? null : orthancId(step.instance), now);
        return;
      case 'release':
        return this.#release(step.instance, backendOf(step.backend));
      case 'discard':
        ledger.discarded(frontOf(step.instance), orthancId(step.instance), {
          at: now,
          who: 'somebody',
          action: 'quarantine-discard',
          target: orthancId(step.instance),
          detail: 'for a test',
        });
        return;
      case 'letGo':
        ledger.letGo(frontOf(step.instance), orthancId(step.instance), now);
    }
  }

  /** All that can end by itself ends: delivered, let go of, and put together again. */
  finish(): void {
    this.#recover();
    for (const transfer of this.world.open) this.#arriveAll(transfer);
    for (let round = 0; round < 20; round += 1) {
      const rest = `SELECT (SELECT count(*) FROM studies WHERE held > 0) + (SELECT count(*) FROM former_copies) AS n`;
      if (round > 0 && this.eye.count(rest) === 0) return;
      this.now += 10_000;
      for (const { studyUid, copy } of this.ledger.unplaced(10)) {
        for (const backend of backends)
          this.ledger.decide(placing(backend, { studyUid, copy, at: this.now }));
      }
      this.deliver();
      for (let study = 0; study < studies; study += 1) this.#remove(uid(study), this.now, 'removed');
      for (const { id, state } of this.ledger.formerCopies()) {
        if (state === 'conflict') this.ledger.settleFormerConflict(id, this.now);
      }
      for (const row of this.ledger.healable(this.now, 10))
        this.world.heal(this.ledger, row, 'gone', this.now);
    }
  }

  deliver(): void {
    for (const backend of backends) {
      let transfer = this.ledger.claim(backend, wide, this.now);
      for (; transfer !== null; transfer = this.ledger.claim(backend, wide, this.now))
        this.#arriveAll(transfer);
    }
  }

  #arriveAll(transfer: Transfer): void {
    this.world.open.add(transfer);
    this.#end(transfer, new Map(transfer.deliveries.map((one) => [one.id, provenOf(one.orthancId)])));
  }

  #byFront(numbers: readonly number[], act: (front: string, ids: readonly string[]) => void): void {
    for (const front of fronts) {
      act(front, numbers.filter((number) => frontOf(number) === front).map(orthancId));
    }
  }

  #former(number: number, act: (row: FormerCopy) => void): void {
    const rows = this.ledger.formerCopies();
    const row = rows[number % Math.max(1, rows.length)];
    if (row !== undefined) act(row);
  }

  #isClean(studyUid: string, backend: string, asked: boolean): boolean {
    return asked && this.world.of(studyUid, backend).length === 0;
  }

  #decide(step: Extract<Step, { do: 'decide' }>): void {
    const { ledger, now } = this;
    const studyUid = uid(step.study);
    const { copy } = step;
    if (ledger.study(studyUid) === null) return;
    const before = ledger.assignments(studyUid).find((assignment) => assignment.copy === copy);
    const backend = step.backend === null ? null : backendOf(step.backend);
    const deleting = ledger
      .formerCopies({ studyUid })
      .some((former) => former.backend === backend && former.state === 'deleting');
    const after = ledger.decide(
      backend === null
        ? placing('', { studyUid, copy, at: now, kind: 'waiting', backend, reason: 'nobody is up' })
        : placing(backend, {
            studyUid,
            copy,
            at: now,
            clean: this.#isClean(studyUid, backend, step.asked),
          }),
    );
    if (before !== undefined) expect(after).toEqual(before);
    else expect(after?.backend ?? null).toBe(deleting ? null : backend);
  }

  #claim(number: number, most: number): void {
    const limits = { instances: most, bytes: 1000 };
    const transfer = [0, 1, 2]
      .map((next) => backendOf((number + next) % backends.length))
      .reduce<Transfer | null>(
        (found, backend) => found ?? this.ledger.claim(backend, limits, this.now),
        null,
      );
    if (transfer === null) return;
    const { deliveries, backend, front } = transfer;
    expect(deliveries.length).toBeGreaterThan(0);
    expect(new Set(deliveries.map((delivery) => delivery.front))).toEqual(new Set([front]));
    for (const { ours, orthancId: id } of deliveries) {
      if (ours) expect(this.world.cameOtherwise.has(`${backend} ${id}`), `${id} on ${backend}`).toBe(false);
    }
    this.world.open.add(transfer);
    this.transfers.push(transfer);
  }

  #conclude(number: number, kinds: readonly number[], again: boolean): void {
    const place = number % Math.max(1, this.transfers.length);
    const transfer = this.transfers[place];
    if (transfer === undefined) return;
    const { now } = this;
    const outcomes = new Map<number, DeliveryOutcome>();
    for (const [index, { id, orthancId: of }] of transfer.deliveries.entries()) {
      const kind = kinds[index] ?? 0;
      if (kind <= 5) outcomes.set(id, provenOf(of));
      else if (kind === 6)
        outcomes.set(id, { kind: 'retry', code: 'send-failed', detail: 'no', notBefore: now + 3 });
      else if (kind === 7)
        outcomes.set(id, { kind: 'quarantine', code: 'conflict', detail: 'other content' });
      else if (kind === 8) outcomes.set(id, { kind: 'absent' });
      else if (kind === 9) outcomes.set(id, { kind: 'refused', detail: 'will not' });
      // 10: forgotten by the caller
    }
    this.#end(transfer, outcomes);
    const rows = this.eye.rows();
    this.#end(transfer, outcomes);
    expect(this.eye.rows()).toEqual(rows);
    // Kept sometimes, so that its answer comes a third time, much later.
    if (!again) this.transfers.splice(place, 1);
  }

  /** What a transfer proves has really arrived, also when the ledger does not care any more. */
  #end(transfer: Transfer, outcomes: ReadonlyMap<number, DeliveryOutcome>): void {
    if (this.world.open.delete(transfer)) {
      for (const { id, orthancId: of } of transfer.deliveries) {
        if (outcomes.get(id)?.kind === 'proven') this.world.arrive(transfer.backend, of);
      }
    }
    const end = { at: this.now, code: 'done', detail: '', bytesSent: 1, instancesSent: 1 };
    this.ledger.conclude(transfer.id, end, outcomes);
  }

  #bindAnew(studyUid: string, copy: number, backend: string, late = false, asked = false): void {
    const { ledger, now } = this;
    const before = ledger.assignments(studyUid);
    const current = before.find((assignment) => assignment.copy === copy);
    if (current === undefined) return;
    const formers = ledger.formerCopies({ studyUid });
    const possible =
      !late &&
      before.every((assignment) => assignment.backend !== backend) &&
      !formers.some((former) => former.backend === backend && former.state === 'deleting');
    const expectedEpoch = late ? current.epoch - 1 : current.epoch;
    const clean = this.#isClean(studyUid, backend, asked);
    const after = ledger.rebind({
      ...placing(backend, { studyUid, copy, at: now, kind: 'rebound', clean }),
      expectedEpoch,
    });
    expect(after !== null).toBe(possible);
    if (after === null) {
      expect(ledger.assignments(studyUid)).toEqual(before);
      return;
    }
    this.rebinds += 1;
    expect(after).toMatchObject({ backend, copy, epoch: current.epoch + 1 });
    const left = ledger.formerCopies({ studyUid }).map((former) => former.backend);
    expect(left).not.toContain(backend);
    if (before.every((one) => one === current || one.backend !== current.backend))
      expect(left).toContain(current.backend);
  }

  #release(number: number, backend: string): void {
    const id = orthancId(number);
    if (this.ledger.quarantinedInstance(frontOf(number), id) === null) return;
    this.world.arrive(backend, id);
    this.world.cameOtherwise.add(`${backend} ${id}`);
    this.ledger.released(frontOf(number), id, { backend, md5: md5Of(id) }, this.now);
  }

  #recover(): void {
    this.ledger.recover(this.now);
    expect(this.eye.count(`SELECT count(*) n FROM instances i WHERE state = 'held' AND proven = 1`)).toBe(0);
    expect(this.eye.count(`SELECT count(*) n FROM transfers WHERE ended_at IS NULL`)).toBe(0);
    expect(this.eye.count(`SELECT count(*) n FROM former_copies WHERE state = 'moving'`)).toBe(0);
  }

  #remove(studyUid: string, before: number, end: Extract<Step, { do: 'remove' }>['end']): void {
    const { ledger, now } = this;
    const study = ledger.study(studyUid);
    const settled = ledger.settled(before, 10).includes(studyUid);
    const fit = this.eye.fit(studyUid);
    const taken = ledger.beginRemoval(studyUid, before, now);
    expect(taken.length > 0).toBe(settled);
    this.removals += taken.length;
    if (settled) {
      expect(study?.lastNewsAt).toBeLessThanOrEqual(before);
      expect(new Set(taken.flatMap((part) => part.orthancIds))).toEqual(new Set(fit));
    }
    for (const { front, orthancIds } of taken) {
      if (end === 'removed') ledger.removed(front, orthancIds, now);
      if (end === 'rebound') for (const backend of backends) this.#bindAnew(studyUid, 0, backend);
      if (end === 'failed' || end === 'rebound') ledger.removalFailed(front, orthancIds, now);
    }
  }
}

function provenOf(id: string): DeliveryOutcome {
  return { kind: 'proven', md5: md5Of(id), bytes: null };
}
