import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault, Only } from '../../test/support/proxy.ts';
import { type ChaosFarm, type Component, minFreeBytes } from './farm.ts';
import { faultName, type PlannedFault, type WayFault } from './schedule.ts';

export interface InflictedFault {
  readonly name: string;
  readonly component: string;
  /** Milliseconds since the round began. */
  readonly beganAt: number;
  readonly endedAt: number;
  /** Why it was not done; null when it was. */
  readonly skipped: string | null;
}

/** Waits for its time, does it, waits for its end, and undoes it. `began`: when the round did, by `performance.now()`. */
export async function inflict(
  chaos: ChaosFarm,
  planned: PlannedFault,
  began: number,
): Promise<InflictedFault> {
  const { fault } = planned;
  const component = chaos.components.get(fault.kind === 'clock' ? 'service' : planned.component);
  if (component === undefined) throw new Error(`there is no ${planned.component}`);
  const name = faultName(component.group, fault);
  await sleep(Math.max(0, planned.atMs - (performance.now() - began)));
  const beganAt = performance.now() - began;
  const skipped = await doAndUndo(chaos, component, planned);
  return { name, component: planned.component, beganAt, endedAt: performance.now() - began, skipped };
}

async function doAndUndo(
  chaos: ChaosFarm,
  component: Component,
  { fault, forMs }: PlannedFault,
): Promise<string | null> {
  switch (fault.kind) {
    case 'kill':
      await whileHeld(component, async () => {
        await component.process.kill('SIGKILL');
        await sleep(forMs);
        await component.start();
      });
      return null;
    case 'freeze':
      await whileHeld(component, async () => {
        await component.process.kill('SIGSTOP');
        await sleep(forMs);
        await component.process.kill('SIGCONT');
      });
      return null;
    case 'restart':
      await whileHeld(component, async () => {
        await terminate(component);
        await component.start();
      });
      return null;
    case 'full-disk':
      return await fillDisk(component, forMs);
    case 'clock':
      chaos.setClock(fault.shiftMs);
      await sleep(forMs);
      chaos.setClock(0);
      return null;
    case 'way':
      await component.way.set(proxyFault(fault.way));
      await sleep(forMs);
      await component.way.set({ kind: 'pass' });
      return null;
    default:
      return fault satisfies never;
  }
}

/** What the fault began is finished by the supervision when it does not succeed. */
async function whileHeld(component: Component, work: () => Promise<void>): Promise<void> {
  component.held = true;
  try {
    await work();
  } catch (error) {
    // It may not come up while something else is wrong. Whether it does in the end is what the round waits for.
    if (component.process.running) throw error;
  } finally {
    component.held = false;
  }
}

const patienceMs = 30_000;

async function terminate({ process }: Component): Promise<void> {
  const impatience = setTimeout(() => {
    // Its end is awaited below.
    process.kill('SIGKILL').catch(() => undefined);
  }, patienceMs);
  try {
    await process.kill('SIGTERM');
  } finally {
    clearTimeout(impatience);
  }
}

/** In two steps, as disks get full in life: first below a front's mark, then, when it has had time to see it, to the last page. */
async function fillDisk({ disk, group }: Component, forMs: number): Promise<string | null> {
  if (disk === null) return 'no small disks here';
  try {
    if (group === 'front') {
      disk.fill(minFreeBytes * 0.8);
      await sleep(2500);
    }
    disk.fill();
    await sleep(forMs);
  } finally {
    disk.free();
  }
  return null;
}

const changes: Only = ({ method }) => method !== 'GET';

function proxyFault(way: WayFault): Fault {
  switch (way.kind) {
    case 'refuse':
    case 'stall':
    case 'throttle':
      return way;
    case 'cut-request':
      return { kind: 'cut-request', afterBytes: way.afterBytes, only: each(way.every) };
    case 'cut-answer':
      return { kind: 'cut', afterBytes: way.afterBytes, only: each(way.every) };
    case 'status-500':
      return { kind: 'respond', status: 500, body: '{}', only: each(way.every, way.changesOnly) };
    case 'not-delivered':
      return { kind: 'respond', status: 200, body: '{}', only: each(way.every, way.changesOnly) };
    case 'answer-lost':
      return { kind: 'lose', only: each(way.every) };
    case 'flip-request':
      return { kind: 'flip-request', fromEnd: way.fromEnd, only: each(way.every) };
    case 'flip-answer':
      return { kind: 'flip-answer', at: way.at, only: each(way.every) };
    case 'duplicate':
      return { kind: 'duplicate', afterMs: way.afterMs, only: each(way.every, true) };
    default:
      return way satisfies never;
  }
}

/** Each so-manieth request, of all or of those that change something. */
function each(every: number, changesOnly = false): Only {
  let seen = 0;
  return (request) => (!changesOnly || changes(request)) && seen++ % every === 0;
}
