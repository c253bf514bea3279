import { setTimeout as sleep } from 'node:timers/promises';
import { countInstances } from '../../test/support/farm.ts';
import type { ChaosFarm } from './farm.ts';

/** Where everything stands; null where nobody answered. */
export interface FarmState {
  readonly fronts: Readonly<Record<string, number | null>>;
  readonly queue: Queue | null;
}

interface Queue {
  readonly instances: number;
  readonly quarantined: number;
  readonly unplacedStudies: number;
  readonly settling: number;
  readonly formerCopies: number;
  readonly formerConflicts: number;
}

export interface Recovery {
  /** Milliseconds until everything that stood on a front was proven on a backend; null: it never was. */
  readonly provenMs: number | null;
  /** Until besides the fronts were empty and every study was on one backend; null: within the time it was not. */
  readonly wholeMs: number | null;
  readonly last: FarmState;
}

/** Ends every fault that is still at work, and waits for every process. */
export async function heal(chaos: ChaosFarm): Promise<void> {
  chaos.setClock(0);
  for (const component of chaos.components.values()) {
    component.disk?.free();
    await component.way.set({ kind: 'pass' });
    await component.process.kill('SIGCONT');
  }
}

/** `conflicts`: so many instances were sent with two contents, about which a person decides. */
export async function recovered(chaos: ChaosFarm, timeoutMs: number, conflicts: number): Promise<Recovery> {
  const began = performance.now();
  let provenMs: number | null = null;
  for (;;) {
    const last = await look(chaos);
    const nowMs = performance.now() - began;
    if (isProven(last, conflicts)) provenMs ??= nowMs;
    else provenMs = null;
    if (isWhole(last, conflicts)) return { provenMs, wholeMs: nowMs, last };
    if (nowMs > timeoutMs) return { provenMs, wholeMs: null, last };
    await sleep(100);
  }
}

async function look(chaos: ChaosFarm): Promise<FarmState> {
  const fronts: Record<string, number | null> = {};
  for (const front of chaos.farm.fronts) fronts[front.name] = await orNull(countInstances(front));
  return { fronts, queue: await orNull(chaos.farm.service.get<Queue>('/api/v1/queue')) };
}

/** Somebody who does not answer yet is one of the things that are waited for. */
async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch {
    return null;
  }
}

function isProven({ fronts, queue }: FarmState, conflicts: number): boolean {
  if (queue === null) return false;
  if (Object.values(fronts).some((count) => count === null)) return false;
  return (
    queue.instances === 0 &&
    queue.unplacedStudies === 0 &&
    queue.quarantined <= conflicts &&
    standing(fronts) <= queue.settling + queue.quarantined
  );
}

function isWhole(state: FarmState, conflicts: number): boolean {
  const { fronts, queue } = state;
  return (
    isProven(state, conflicts) &&
    queue !== null &&
    standing(fronts) <= conflicts &&
    queue.settling === 0 &&
    queue.formerConflicts <= conflicts &&
    queue.formerCopies === queue.formerConflicts
  );
}

function standing(fronts: FarmState['fronts']): number {
  return Object.values(fronts).reduce<number>((sum, count) => sum + (count ?? 0), 0);
}
