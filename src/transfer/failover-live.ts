import { setImmediate } from 'node:timers/promises';
import { Stop, Stopped } from '../backends/bounded.ts';
import type { BackendPool } from '../backends/pool.ts';
import { realTimers, type Timers } from '../backends/timers.ts';
import { splitEligible } from '../decision/eligible.ts';
import { createLookup } from '../decision/lookup.ts';
import type { Candidate, Policy } from '../decision/policy.ts';
import { type Ledger, LedgerError } from '../ledger/ledger.ts';
import type { Logger } from '../log.ts';
import type { Orthanc } from '../orthanc/orthanc.ts';
import type { Assignment, BoundStudy, Clock } from '../study.ts';
import { chooseAnew, type Expected, type Move, obstaclesTo, withHolding } from './choose-anew.ts';
import { type Failover, FailoverError } from './failover.ts';
import { rebindByHand } from './rebind-by-hand.ts';

export interface FailoverDeps {
  readonly ledger: Ledger;
  readonly pool: BackendPool;
  readonly backends: ReadonlyMap<string, Pick<Orthanc, 'studyInstances'>>;
  /** Asked for each study. */
  readonly policy: () => Policy;
  readonly expected: Expected;
  /** Null: never. */
  readonly rebindAfterMs: number | null;
  readonly healAfterMs: number | null;
  /** How long the new backend is given to say that it holds nothing of a study, which spares asking for each instance. */
  readonly lookupTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** The study has a new assignment: its transfers may begin, and its former copy may be looked at. */
  readonly onRebound: (studyUid: string, backend: string) => void;
  readonly timers?: Timers;
}

const tickMs = 1000;
/** Studies bound anew at the same time, each waiting for a word of its new backend. */
const atOnce = 16;
/** The event loop is given back after this long: the hook is answered in time however many studies move. */
const sliceMs = 3;
/** The backends' figures are read anew after this long; in between what was bound is added to them. */
const figuresMs = 100;

/**
 * Watches for backends that are out and for instances that were refused, and binds their studies anew. Nothing is kept here: who is out
 * is the pool's knowledge, what is bound the ledger's, and a rebind is one transaction that happens only while the assignment is
 * still the one that was looked at. So dying anywhere costs a repetition.
 */
export function createFailover(deps: FailoverDeps): Failover {
  const { ledger, pool, clock, log } = deps;
  const timers = deps.timers ?? realTimers;
  // One lookup for each backend: only the chosen one is asked, and one that hangs costs the full time once in a while.
  const lookups = new Map<string, { readonly of: unknown; readonly ask: ReturnType<typeof createLookup> }>();
  const stopping = new Stop();
  const release: (() => void)[] = [];
  let running: Promise<void> | null = null;
  let again = false;
  let lastSaid: string | null = null;
  /** Kept between the studies of one look: they would all herd to the backend that had least to do before. */
  let seen: { candidates: readonly Candidate[]; until: number } = { candidates: [], until: 0 };

  async function checkOnce(): Promise<void> {
    seen = { candidates: [], until: 0 };
    const moves: Move[] = refusals();
    // One picture for all that are out: with every one of many backends away each would be looked at once for each of them.
    let candidates: readonly Candidate[] | null = null;
    const picture = (): readonly Candidate[] => {
      candidates ??= pool.candidates();
      return candidates;
    };
    const stuck = new Map<string, string>();
    for (const name of namesToWatch()) {
      const out = pool.outSince(name);
      if (out === null) continue;
      const since = new Date(out.since).toISOString();
      const reason = `rebound from ${name}, out since ${since}: ${out.reason}`;
      if (mayBeDue(out.since)) {
        const obstacles = obstaclesForAll(name, picture());
        if (obstacles === null) {
          for (const study of ledger.bound(name)) if (isDue(study, out.since)) moves.push({ study, reason });
        } else stuck.set(name, obstacles);
      }
      await setImmediate();
    }
    const [first] = stuck.values();
    // One line for all: with many of them out, a line for each would fill the log every second.
    if (first !== undefined)
      say(`studies of ${[...stuck.keys()].join(', ')} wait: no other backend can take them (${first})`);
    const next = moves.values();
    let sliceEnds = performance.now() + sliceMs;
    // One for all workers: a pause each would only make them take turns without one.
    let breath: Promise<void> | null = null;
    const breathe = async (): Promise<void> => {
      await setImmediate();
      breath = null;
      sliceEnds = performance.now() + sliceMs;
    };
    const worker = async (): Promise<void> => {
      for (const move of next) {
        if (stopping.stopped) return;
        await bindAnew(move);
        if (performance.now() < sliceEnds) continue;
        breath ??= breathe();
        await breath;
      }
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, moves.length) }, worker));
  }

  /** Backends of the topology, and those that left it with something bound to them. */
  function namesToWatch(): readonly string[] {
    return [...new Set([...pool.names(), ...ledger.lastPlacements().keys()])];
  }

  /** Spares the list of thousands of studies every second while the time of none of them has come. */
  function mayBeDue(since: number): boolean {
    return clock() - since >= Math.min(deps.rebindAfterMs ?? Infinity, deps.healAfterMs ?? Infinity);
  }

  /** Why no other backend could take studies of this one; null: one can. */
  function obstaclesForAll(name: string, candidates: readonly Candidate[]): string | null {
    const { eligible, passedOver } = splitEligible(candidates, obstaclesTo(pool, name));
    if (eligible.length > 0) return null;
    return passedOver.map((one) => `${one.candidate.backend}: ${one.reason}`).join(' | ');
  }

  function isDue(study: BoundStudy, outSince: number): boolean {
    if (!study.torn) return deps.rebindAfterMs !== null && clock() - outSince >= deps.rebindAfterMs;
    // Everything of it that is here is proven there: nothing waits.
    if (deps.healAfterMs === null || study.waitingSince === null) return false;
    return clock() - Math.max(outSince, study.waitingSince) >= deps.healAfterMs;
  }

  /** What is to be done about studies with refused instances; those nobody is left for are put into quarantine here. */
  function refusals(): Move[] {
    return ledger.refusedStudies().flatMap((study): Move[] => {
      const refusedBy = study.refusedBy.join(', ');
      const reason = `rebound from ${study.backend}, which refuses an instance of it`;
      const move = { study, reason };
      if (study.torn) {
        quarantine(study, `refused by ${refusedBy}, which has the rest of the study`);
        return [];
      }
      const refused = new Set([...study.refusedBy, study.backend]);
      const others = pool
        .candidates()
        .filter(
          ({ backend, operator, weight }) => !refused.has(backend) && operator === 'ready' && weight > 0,
        );
      if (others.length > 0) return [move];
      quarantine(study, `refused by ${refusedBy}`);
      return [];
    });
  }

  function quarantine(study: BoundStudy, detail: string): void {
    const instances = ledger.quarantineRefused(study.studyUid, detail, clock());
    log.warn('refused instances in quarantine', { study: study.studyUid, instances, detail });
  }

  /** Never throws for one study's trouble: the others go on, and it is looked at again at the next tick. */
  async function bindAnew(move: Move): Promise<void> {
    const { study } = move;
    try {
      const chosen = chooseNow(move);
      if (chosen === null) return;
      const { backend, request } = chosen;
      const answer = await lookupOn(backend)?.(study.studyUid, stopping);
      // It left meanwhile, and would have to be left again.
      if (pool.health(backend) === null) return;
      const assignment = ledger.rebind(withHolding(request, answer?.held.get(backend)));
      // Null: bound anew, or finished, meanwhile.
      if (assignment !== null) told(assignment, study.backend, request.reason);
    } catch (error) {
      if (error instanceof Stopped) return;
      if (!(error instanceof LedgerError)) throw error;
      log.error('study not bound anew for now', {
        study: study.studyUid,
        code: error.code,
        detail: error.message,
      });
    }
  }

  /** Backends come and go, and one at another address is asked by another client. */
  function lookupOn(name: string): ReturnType<typeof createLookup> | null {
    const backend = deps.backends.get(name);
    if (backend === undefined) return null;
    const known = lookups.get(name);
    if (known?.of === backend) return known.ask;
    const ask = createLookup({
      backends: new Map([[name, backend]]),
      timeoutMs: deps.lookupTimeoutMs,
      clock,
    });
    lookups.set(name, { of: backend, ask });
    return ask;
  }

  function chooseNow(move: Move) {
    if (performance.now() >= seen.until) {
      seen = { candidates: pool.candidates(), until: performance.now() + figuresMs };
    }
    const context = { ledger, pool, policy: deps.policy(), expected: deps.expected, now: clock() };
    const chosen = chooseAnew(context, move, seen.candidates);
    if (chosen.kind === 'waits') {
      say(
        `study ${move.study.studyUid} stays bound to ${move.study.backend}: ${chosen.reason}`,
        move.study.studyUid,
      );
      return null;
    }
    seen = { ...seen, candidates: chosen.candidates };
    return chosen;
  }

  function told(assignment: Assignment, from: string, reason: string): void {
    const { studyUid, backend, epoch } = assignment;
    lastSaid = null;
    log.info('study bound anew', { study: studyUid, from, backend, epoch, reason });
    deps.onRebound(studyUid, backend);
  }

  /** One line for all that wait for the same reason. */
  function say(what: string, study?: string): void {
    if (what === lastSaid) return;
    lastSaid = what;
    log.warn('rebind waits', { study, reason: what });
  }

  function check(): Promise<void> {
    if (running !== null) {
      again = true;
      return running;
    }
    running = (async () => {
      do {
        again = false;
        await checkOnce();
      } while (again && !stopping.stopped);
    })()
      .catch((error: unknown) => {
        log.error('failover could not look at the backends', {
          code: error instanceof LedgerError ? error.code : 'failed',
          detail: error instanceof Error ? error.message : String(error),
        });
      })
      .finally(() => {
        running = null;
      });
    return running;
  }

  return {
    check,
    rebind({ studyUid, copy, backend, who }) {
      const at = clock();
      const current = ledger.assignments(studyUid).find((assignment) => assignment.copy === copy);
      if (current === undefined) {
        if (ledger.study(studyUid) === null)
          throw new FailoverError('unknown-study', `Study ${studyUid} is not known here.`);
        throw new FailoverError(
          'not-placed',
          `Copy ${copy} of study ${studyUid} is not bound to a backend yet.`,
        );
      }
      const reason = `${who} bound it anew, away from ${current.backend}`;
      const assignment = rebindByHand(deps, {
        current,
        backend,
        reason,
        now: at,
        entryOf: (made) => ({
          at,
          who,
          action: 'rebind',
          target: studyUid,
          detail: `from ${current.backend} to ${made.backend}, epoch ${made.epoch}`,
        }),
      });
      told(assignment, current.backend, reason);
      return assignment;
    },
    start() {
      const run = (): void => void check();
      const changed = (name: string): void => {
        // Each transfer's end is a change too.
        if (pool.outSince(name) !== null) run();
      };
      release.push(timers.every(tickMs, run), pool.onChange(changed));
      run();
    },
    async stop() {
      for (const end of release.splice(0)) end();
      stopping.stop();
      await running;
    },
  };
}
