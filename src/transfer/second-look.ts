import { realTimers, type Timers } from '../backends/timers.ts';
import { type Ledger, LedgerError, type QuarantinedInstance } from '../ledger/ledger.ts';
import { type Logger, studiesIn } from '../log.ts';
import type { Clock, EpochMs, QuarantineCode } from '../study.ts';

export interface SecondLookDeps {
  readonly ledger: Pick<Ledger, 'quarantined'>;
  /** Puts it back into the queue. False: somebody is deciding about it just now, or it is in quarantine no more. */
  readonly again: (instance: QuarantinedInstance) => boolean;
  readonly clock: Clock;
  readonly log: Logger;
  readonly timers?: Timers;
}

export interface SecondLook {
  /** Has everything looked at whose time has come. Returns how many. */
  look(): number;
  start(): void;
  stop(): void;
}

const tickMs = 5000;
/** The first look comes this long after an instance went into quarantine; each further one after twice the time. */
const firstMs = 20_000;
const lastMs = 6 * 3_600_000;
/** At a time: what is looked at again is in the queue with everything else. */
const atOnce = 50;
const pageSize = 200;

/**
 * These rest on what an Orthanc said of its files, which a bad network, a disk that was full or a mount that was away may have made it
 * say, and on what somebody may have mended since. That every backend refuses an instance is no such thing.
 */
const passing: ReadonlySet<QuarantineCode> = new Set(['conflict', 'unreadable']);

interface Looks {
  readonly since: EpochMs;
  readonly times: number;
}

/**
 * Instances in quarantine are tried again by themselves, ever more rarely: where the reason has gone, nobody has to be told; where it has
 * not, they are back within a second. Counted in memory: after a restart they are looked at a few times more.
 */
export function createSecondLook(deps: SecondLookDeps): SecondLook {
  const { ledger, clock, log } = deps;
  const timers = deps.timers ?? realTimers;
  let known = new Map<string, Looks>();
  let release: (() => void) | null = null;

  function look(): number {
    const now = clock();
    const seen = new Map<string, Looks>();
    const looked: QuarantinedInstance[] = [];
    for (const instance of standing()) {
      const key = `${instance.front} ${instance.orthancId}`;
      const before = known.get(key) ?? { since: now, times: 0 };
      const due = before.since + Math.min(lastMs, firstMs * 2 ** before.times) <= now;
      const tried = due && looked.length < atOnce && deps.again(instance);
      if (tried) looked.push(instance);
      seen.set(key, tried ? { since: now, times: before.times + 1 } : before);
    }
    // One that was put back is not in quarantine for a while: it is forgotten when it does not come again.
    for (const [key, looks] of known) {
      if (!seen.has(key) && now - looks.since < 2 * lastMs) seen.set(key, looks);
    }
    known = seen;
    if (looked.length > 0) {
      log.info('quarantine: looked at again', { ...studiesIn(looked), instances: looked.length });
    }
    return looked.length;
  }

  /** A copy of all there are: putting them back changes the pages. */
  function standing(): QuarantinedInstance[] {
    const all: QuarantinedInstance[] = [];
    let cursor: string | null = null;
    do {
      const page = ledger.quarantined({ limit: pageSize, ...(cursor === null ? {} : { cursor }) });
      all.push(...page.items.filter(({ code }) => passing.has(code)));
      cursor = page.next;
    } while (cursor !== null);
    return all;
  }

  function tick(): void {
    try {
      look();
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      log.error('ledger failed; quarantine is looked at later', { code: error.code, detail: error.message });
    }
  }

  return {
    look,
    start() {
      release ??= timers.every(tickMs, tick);
    },
    stop() {
      release?.();
      release = null;
    },
  };
}
