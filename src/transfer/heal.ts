import type { BackendPool, BackendStatus } from '../backends/pool.ts';
import { realTimers, type Timers } from '../backends/timers.ts';
import { troubleOf } from '../backends/trouble.ts';
import { LedgerError } from '../ledger/ledger.ts';
import { OrthancError } from '../orthanc/orthanc.ts';
import type { FormerCopy } from '../study.ts';
import { FailoverError, type Healer } from './failover.ts';
import { type HealOneDeps, healOne, type Look, type Memory } from './heal-one.ts';
import { nextTry } from './outcome.ts';
import { Pace } from './relay.ts';

export interface HealerDeps extends Omit<HealOneDeps, 'paceOf'> {
  readonly pool: Pick<BackendPool, 'statuses'>;
  readonly random: () => number;
  /** Two names were found to lead to one Orthanc, by this instance. */
  readonly onOneOrthanc?: (one: string, other: string, orthancId: string) => void;
  readonly timers?: Timers;
}

const tickMs = 1000;
/** More former copies than there are in any farm that is looked after. */
const everything = 100_000;
/** Former copies on one backend that are worked on together. */
const perBackend = 2;
/** While there is nothing but what waits for a backend, and much of it, it is listed this seldom. */
const idleMs = 5000;
const many = 200;

/**
 * Works off former copies, backend by backend, so that one that hangs holds up nobody's but its own. What waits for a backend to
 * be up again is not backed off from: it is looked at as soon as that is.
 */
export function createHealer(deps: HealerDeps): Healer {
  const { ledger, clock, log } = deps;
  const timers = deps.timers ?? realTimers;
  const groups = new Map<string, Promise<void>>();
  const memories = new Map<number, Memory>();
  const paces = new Map<string, Pace>();
  const abort = new AbortController();
  const release: (() => void)[] = [];
  let idleUntil = 0;

  /** An evacuation may be slowed down; healing after a failure is as fast as it goes. */
  function paceOf(backend: string): Pace | null {
    const evacuation = ledger.evacuation(backend);
    if (evacuation?.state !== 'running' || evacuation.bytesPerSecond === null) return null;
    const known = paces.get(backend);
    if (known?.bytesPerSecond === evacuation.bytesPerSecond) return known;
    const pace = new Pace(evacuation.bytesPerSecond);
    paces.set(backend, pace);
    return pace;
  }

  function pump(): void {
    if (abort.signal.aborted) return;
    const rows = ledger.healable(clock(), everything);
    const statuses = new Map(deps.pool.statuses().map((status) => [status.name, status]));
    const ready = new Map<string, FormerCopy[]>();
    let blocked = 0;
    for (const row of rows) {
      if (groups.has(row.backend)) continue;
      const obstacle = obstacleTo(row, statuses);
      if (obstacle === null) {
        const group = ready.get(row.backend) ?? [];
        group.push(row);
        ready.set(row.backend, group);
      } else {
        blocked++;
        if (row.reason !== obstacle && blocked <= many) {
          const state = row.state === 'deleting' ? 'deleting' : 'waiting';
          ledger.formerLater(row.id, { state, reason: obstacle, notBefore: clock() });
        }
      }
    }
    idleUntil = ready.size === 0 && blocked > many ? clock() + idleMs : 0;
    for (const [backend, group] of ready) {
      const done = work(group)
        .catch((error: unknown) => {
          log.error('healing failed', {
            backend,
            detail: error instanceof Error ? error.message : String(error),
          });
        })
        .finally(() => groups.delete(backend));
      groups.set(backend, done);
    }
  }

  async function work(rows: readonly FormerCopy[]): Promise<void> {
    const next = rows.values();
    const worker = async (): Promise<void> => {
      for (const row of next) {
        if (abort.signal.aborted) return;
        await look(row);
      }
    };
    await Promise.all(Array.from({ length: perBackend }, worker));
  }

  async function look(row: FormerCopy): Promise<void> {
    const memory = memories.get(row.id) ?? { emptySince: null, askedAt: null, instances: 0, bytes: 0 };
    memories.set(row.id, memory);
    try {
      ledger.formerMoving(row.id);
      const found = await healOne({ ...deps, paceOf }, row, memory, abort.signal).catch(
        (error: unknown): Look => failed(row, memory, error),
      );
      if (!abort.signal.aborted) conclude(row, memory, found);
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      log.error('former copy not looked at for now', {
        study: row.studyUid,
        code: error.code,
        detail: error.message,
      });
    }
  }

  function failed(row: FormerCopy, memory: Memory, error: unknown): Look {
    if (!(error instanceof OrthancError)) throw error;
    // Also what was asked for in this very look may still be on its way.
    const state = row.state === 'deleting' || memory.askedAt !== null ? 'deleting' : 'waiting';
    return { kind: 'later', state, reason: `${error.orthanc}: ${troubleOf(error)}`, waitMs: null };
  }

  function conclude(row: FormerCopy, memory: Memory, found: Look): void {
    const now = clock();
    if (found.kind === 'gone') {
      ledger.formerGone(row.id, { instances: memory.instances, bytes: memory.bytes }, now);
      memories.delete(row.id);
      log.info('former copy gone', {
        study: row.studyUid,
        former: row.backend,
        backend: row.target,
        instances: memory.instances,
        bytes: memory.bytes,
      });
      return;
    }
    if (found.kind === 'shared') {
      const { other, orthancId } = found;
      ledger.formerIsShared(row.id, other, now);
      memories.delete(row.id);
      log.warn('former copy is no copy of its own; it was left alone', {
        study: row.studyUid,
        former: row.backend,
        backend: other,
        instance: orthancId,
      });
      deps.onOneOrthanc?.(row.backend, other, orthancId);
      return;
    }
    const { state, reason, waitMs } = found;
    const notBefore = waitMs === null ? nextTry(row.attempts, now, deps.random) : now + waitMs;
    ledger.formerLater(row.id, { state, reason, notBefore });
    log.debug('former copy waits', { study: row.studyUid, former: row.backend, reason });
  }

  function pumpSafely(): void {
    try {
      pump();
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      log.error('ledger failed; nothing is healed', { code: error.code, detail: error.message });
    }
  }

  return {
    async sweep() {
      pumpSafely();
      await Promise.all(groups.values());
    },
    acceptCurrent(studyUid, backend, who) {
      const row = ledger.formerCopies({ studyUid }).find((one) => one.backend === backend);
      if (row?.state !== 'conflict') {
        const what = row === undefined ? 'has no former copy of it' : 'is not in conflict over it';
        throw new FailoverError('not-in-conflict', `Study ${studyUid}: ${backend} ${what}.`);
      }
      const now = clock();
      ledger.audit({
        at: now,
        who,
        action: 'accept-current',
        target: studyUid,
        detail: `what ${row.target} has stands; ${backend} may delete its own`,
      });
      ledger.settleFormerConflict(row.id, now);
    },
    start() {
      release.push(
        timers.every(tickMs, () => {
          if (clock() >= idleUntil) pumpSafely();
        }),
      );
    },
    async stop() {
      for (const end of release.splice(0)) end();
      abort.abort();
      await Promise.all(groups.values());
    },
  };
}

/** Why neither end may be asked now; null: both may. */
function obstacleTo(
  { backend, target }: FormerCopy,
  statuses: ReadonlyMap<string, BackendStatus>,
): string | null {
  if (target === '') return 'the study is not bound to a backend';
  for (const name of [backend, target]) {
    const status = statuses.get(name);
    if (status === undefined) return `${name} is not in the topology any more`;
    if (status.operator === 'maint') return `waits until ${name} is out of maint`;
    if (status.health !== 'up') return `waits until ${name} answers`;
  }
  return null;
}
