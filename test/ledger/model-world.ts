import { expect } from 'vitest';
import type { Ledger } from '../../src/ledger/ledger.ts';
import type { FormerCopy, Transfer } from '../../src/study.ts';
import type { HealStage } from './model-steps.ts';

export const backends = ['b1', 'b2', 'b3'];
export const uid = (number: number): string => `1.2.${number}`;
export const orthancId = (number: number): string => `instance-${number}`;
export const studyOf = (id: string): string => uid(Number(id.split('-')[1]) % 2);
/** The content of an instance never changes in these histories; what the backends hold does. */
export const md5Of = (id: string): string => `md5 of ${id}`;

/** What the backends really hold, and what is on its way to them: the truth that the ledger's rows are compared with. */
export class World {
  readonly #holds = new Map(backends.map((name) => [name, new Set<string>()]));
  /** Not answered yet: something of them may still arrive. */
  readonly open = new Set<Transfer>();
  /** `backend id` that came another way than by a transfer of its study's assignment. */
  readonly cameOtherwise = new Set<string>();
  healed = 0;

  holds(backend: string, id: string): boolean {
    return this.#holds.get(backend)?.has(id) ?? false;
  }
  somewhere(id: string): boolean {
    return backends.some((backend) => this.holds(backend, id));
  }
  of(studyUid: string, backend: string): string[] {
    return [...(this.#holds.get(backend) ?? [])].filter((id) => studyOf(id) === studyUid);
  }
  arrive(backend: string, id: string): void {
    this.#holds.get(backend)?.add(id);
  }
  #delete(backend: string, id: string): void {
    this.#holds.get(backend)?.delete(id);
    this.cameOtherwise.delete(`${backend} ${id}`);
  }
  isSending(studyUid: string, backend: string): boolean {
    return [...this.open].some(
      (transfer) =>
        transfer.backend === backend && transfer.deliveries.some((one) => one.studyUid === studyUid),
    );
  }

  /** What the healer does with a row that it saw, now or long ago, up to where it is called away. */
  heal(ledger: Ledger, row: FormerCopy, upTo: HealStage, now: number): void {
    const { id, studyUid, backend, target } = row;
    if (this.isSending(studyUid, backend)) return;
    ledger.formerMoving(id);
    if (upTo === 'moving') return;
    const there = this.of(studyUid, backend);
    for (const one of there) {
      if (!this.holds(target, one)) this.cameOtherwise.add(`${target} ${one}`);
      this.arrive(target, one);
    }
    if (upTo === 'copied') return;
    ledger.formerProven(
      id,
      there.map((one) => ({ orthancId: one, md5: md5Of(one), bytes: 1 })),
      now,
    );
    if (upTo === 'proven') return;
    if (there.length > 0) {
      if (!ledger.beginFormerRemoval(id, there, now)) return;
      // Nobody may be bound to a backend that is being asked to delete.
      const bound = ledger.assignments(studyUid).map((assignment) => assignment.backend);
      expect(bound).not.toContain(backend);
      expect(bound).toContain(target);
      if (upTo === 'begun') return;
      for (const one of there) this.#delete(backend, one);
      this.healed += 1;
    }
    if (upTo !== 'gone') return;
    ledger.formerGone(id, { instances: there.length, bytes: there.length }, now);
  }
}
