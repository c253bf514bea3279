import type { Logger } from 'winston';
import type { BackendPool } from '../backends/pool.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Metrics } from '../metrics.ts';
import type { Clock, ConsideredBackend, EpochMs } from '../study.ts';
import { decide, type Verdict } from './decide.ts';
import { createLineUp, type LineUpOptions } from './line-up.ts';
import {
  areReasonsAlike,
  areStatesAlike,
  isStale,
  type Outlook,
  outlookOf,
  silentButUp,
  upOf,
} from './outlook.ts';
import { place } from './place.ts';
import type { Candidate, Policy } from './policy.ts';
import { decideRound, studiesInARound, type Unplaced } from './round.ts';
import { type Pending, UnplacedQueue } from './unplaced-queue.ts';

export interface RoundsOptions extends LineUpOptions {
  readonly ledger: Pick<Ledger, 'unplacedStudy' | 'assignments' | 'decide' | 'addEvent'>;
  readonly pool: Pick<BackendPool, 'candidates'>;
  /** Asked for each round. */
  readonly policy: () => Policy;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics?: Pick<Metrics, 'decisionSeconds' | 'placementDelaySeconds'>;
  /** It is to be looked up once more; until then it is not placed, but keeps its place in the queue. */
  readonly lookAgain: (one: Pending) => void;
  readonly failed: (one: Pending, error: unknown) => void;
  /** Placed, or nothing of it is left to place. */
  readonly done: (one: Pending) => void;
  readonly onPlaced: (studyUid: string, backend: string) => void;
}

/** Decides what has been looked up, in rounds that give way to others every few milliseconds. */
export interface Rounds {
  /** It has been looked up. */
  ready(one: Pending): void;
  /** The ledger must be asked again about it: it goes out of the queue. */
  forget(one: Pending): void;
  /** Something has changed: a round over what waits may end otherwise. `soon`: without the rest after rounds that changed nothing. */
  want(soon?: boolean): void;
  /** Something is to be decided now, or after `restMs`. */
  readonly busy: boolean;
  readonly restMs: number;
  /** Decides for some milliseconds. @throws LedgerError when the figures cannot be read */
  slice(): void;
  /** Ends the round; what waits in the queue stays there. */
  drop(): void;
  /** The backends as this policy would see them for a study that waits; null: it is not waiting to be decided. Keeps nothing. */
  preview(one: Pending, policy: Policy): readonly ConsideredBackend[] | null;
}

/** The event loop is given back after so long: the hook is answered in time however many studies wait. */
const sliceMs = 3;
/** Studies that a policy with an order of its own may choose from; ordering them must not take longer than deciding the first of them. */
const orderedInARound = 1_000;
/** A study nobody could take, though somebody was there for others, is decided again after so long; a mere rewording is kept as rarely. */
const stuckMs = 30_000;
/** After a round that changed nothing and took long, so many times as long belongs to others. */
const rest = { factor: 4, leastMs: 1 };

interface Round {
  readonly generator: ReturnType<typeof decideRound>;
  readonly policy: Policy;
  readonly pendings: ReadonlyMap<Unplaced, Pending>;
  readonly up: ReadonlySet<string>;
  /** Lanes that are free still, of backends that are up. */
  freeLanes: number;
  /** Studies for whose waiting no reason was kept yet. */
  unsaid: number;
  tookMs: number;
  /** Studies that left the line. */
  left: number;
}

export function createRounds(options: RoundsOptions): Rounds {
  const { ledger, pool, clock, log } = options;
  const queue = new UnplacedQueue();
  const lines = createLineUp(options);
  /** Those that some backend holds: they go there whatever else waits, and whether a lane is free or not. */
  const followers: Pending[] = [];
  let round: Round | null = null;
  let wanted = false;
  let restUntil = 0;
  let outlook: Outlook | null = null;
  let lastReason: string | null = null;

  function inARound(policy: Policy): number {
    return policy.order === undefined ? studiesInARound : orderedInARound;
  }

  function begin(): void {
    if (queue.length + queue.stuck === 0) {
      wanted = false;
      return;
    }
    const now = clock();
    const candidates = pool.candidates();
    const up = upOf(candidates);
    recall(outlookOf(candidates), up, now);
    wanted = false;
    if (queue.length === 0) return;
    const policy = options.policy();
    const { pendings, gone } = lines.lineUp(queue.first(inARound(policy)), now);
    for (const one of gone) end(one);
    // Whoever has heard already that no lane is free need not hear it again.
    const mustHear = (one: Unplaced): boolean =>
      pendings.get(one)?.keptReason !== policy.lateBinding?.noneFree;
    const generator = decideRound(policy, [...pendings.keys()], candidates, now, mustHear);
    const freeLanes = candidates.reduce(
      (sum, { health, lanes, busyLanes }) => sum + (health === 'up' ? Math.max(0, lanes - busyLanes) : 0),
      0,
    );
    let unsaid = 0;
    for (const one of pendings.values()) if (isUnsaid(one)) unsaid++;
    round = { generator, policy, pendings, up, freeLanes, unsaid, tookMs: 0, left: 0 };
  }

  /**
   * A policy that lets a study wait does so for a free lane. Where there is none the rest would wait as well, and a thousand backends
   * need not be compared for each of them to learn that; once for each, so that it can say why it waits.
   */
  function isInVain({ freeLanes, unsaid }: Round, { kind, waitsFor }: Verdict): boolean {
    return kind === 'waiting' && waitsFor !== null && freeLanes <= 0 && unsaid <= 0;
  }

  /** Brings those that nobody could take back into line, where that may have changed. */
  function recall(seen: Outlook, up: ReadonlySet<string>, now: EpochMs): void {
    const before = outlook;
    const changed = before === null || !areStatesAlike(before, seen);
    const worthSaying = seen.anyEligible || before === null || !areReasonsAlike(before, seen);
    if (!changed && !worthSaying) return;
    const back = queue.recall(changed ? Number.POSITIVE_INFINITY : now - stuckMs);
    // Until those that were decided lately have had their turn, their words are not the newest.
    if (changed || queue.stuck === 0) outlook = seen;
    for (const one of back) {
      if (one.lookup !== null && silentButUp(one.lookup, up)) options.lookAgain(one);
    }
  }

  function finish(ended: Round): void {
    round = null;
    if (ended.left > 0) {
      // Others moved up.
      if (queue.length > 0 && ended.pendings.size >= studiesInARound) wanted = true;
      return;
    }
    restAfter(ended.tookMs);
  }

  function restAfter(tookMs: number): void {
    if (tookMs >= rest.leastMs) restUntil = performance.now() + rest.factor * tookMs;
  }

  function end(one: Pending): void {
    queue.remove(one);
    if (round !== null) round.left++;
    options.done(one);
  }

  function handle(
    current: Round,
    one: Pending,
    verdict: Verdict,
    lookup: NonNullable<Pending['lookup']>,
  ): void {
    const now = clock();
    if (verdict.backend === null) {
      keepWaiting(one, verdict, lookup, current.policy, now);
      return;
    }
    // Its place in this round is kept for it meanwhile.
    if (one.lookingSince !== null) return;
    if (isStale(lookup, current.up, now)) options.lookAgain(one);
    else settle(one, verdict, lookup, current.policy, now);
  }

  /** The reason is kept once, and the study stands aside if nobody at all could take it. */
  function keepWaiting(
    one: Pending,
    verdict: Verdict,
    lookup: NonNullable<Pending['lookup']>,
    policy: Policy,
    now: EpochMs,
  ): void {
    if (one.keptReason !== verdict.reason) {
      if (place(ledger, policy.name, one, verdict, lookup, now).kind === 'gone') {
        end(one);
        return;
      }
      one.keptReason = verdict.reason;
    }
    if (verdict.anyEligible) {
      one.stuckAt = null;
      return;
    }
    queue.setAside(one, now);
    if (round !== null) round.left++;
    sayWaiting(verdict.reason);
  }

  function settle(
    one: Pending,
    verdict: Verdict,
    lookup: NonNullable<Pending['lookup']>,
    policy: Policy,
    now: EpochMs,
  ): void {
    const outcome = place(ledger, policy.name, one, verdict, lookup, now);
    // It must not go there just now; it is decided again with the next round.
    if (outcome.kind === 'waiting') return;
    end(one);
    if (outcome.kind === 'gone') return;
    lastReason = null;
    const { kind } = verdict;
    options.metrics?.placementDelaySeconds.observe({ kind }, Math.max(0, now - one.firstSeenAt) / 1000);
    log.info('study placed', { study: one.studyUid, backend: outcome.backend, reason: verdict.reason });
    tell(one.studyUid, outcome.backend);
  }

  function tell(studyUid: string, backend: string): void {
    try {
      options.onPlaced(studyUid, backend);
    } catch (error) {
      // The assignment is kept: whoever should have heard finds its deliveries in the ledger.
      const detail = error instanceof Error ? error.message : String(error);
      log.error('placement could not be announced', { study: studyUid, backend, detail });
    }
  }

  /** One line for all that wait for the same reason; each study's own stands in the ledger. */
  function sayWaiting(reason: string): void {
    if (reason === lastReason) return;
    lastReason = reason;
    log.warn('studies wait', { reason });
  }

  function follow(ends: number): void {
    let candidates: readonly Candidate[] | null = null;
    while (followers.length > 0 && performance.now() < ends) {
      candidates ??= pool.candidates();
      const one = followers.shift();
      if (one?.lookup == null) continue;
      const now = clock();
      try {
        const unplaced = lines.unplacedOf(one, now);
        if (unplaced === null) {
          end(one);
          continue;
        }
        const { study, holdings, taken } = unplaced;
        const policy = options.policy();
        const verdict = decide(policy, study, candidates, now, holdings, taken);
        if (verdict.kind === 'followed') settle(one, verdict, one.lookup, policy, now);
        // Who holds it has another copy of it: then it is a study like all others.
        else if (queue.add(one) < inARound(policy)) wanted = true;
      } catch (error) {
        failed(one, error);
      }
    }
  }

  function failed(one: Pending, error: unknown): void {
    queue.remove(one);
    options.failed(one, error);
  }

  return {
    ready(one) {
      one.lookingSince = null;
      if ([...(one.lookup?.held.values() ?? [])].some((instances) => instances > 0)) {
        queue.remove(one);
        followers.push(one);
        return;
      }
      if (queue.has(one) || queue.add(one) < inARound(options.policy())) wanted = true;
    },
    forget(one) {
      queue.remove(one);
    },
    want(soon = false) {
      if (soon) restUntil = 0;
      if (queue.length + queue.stuck > 0) wanted = true;
    },
    get busy() {
      return followers.length > 0 || round !== null || wanted;
    },
    get restMs() {
      if (followers.length > 0 || round !== null) return 0;
      return Math.max(0, restUntil - performance.now());
    },
    slice() {
      const began = performance.now();
      const ends = began + sliceMs;
      follow(ends);
      if (round === null && wanted && performance.now() >= restUntil) begin();
      const current = round;
      if (current === null) {
        restAfter(performance.now() - began);
        return;
      }
      let isOver = false;
      while (!isOver && performance.now() < ends && round === current) {
        const at = performance.now();
        const next = current.generator.next();
        if (next.done === true) {
          isOver = true;
          break;
        }
        const { one: unplaced, verdict } = next.value;
        const one = current.pendings.get(unplaced);
        if (one?.lookup == null || !queue.has(one)) continue;
        if (isUnsaid(one)) current.unsaid--;
        try {
          handle(current, one, verdict, one.lookup);
          if (verdict.kind === 'placed') current.freeLanes--;
          isOver = isInVain(current, verdict);
        } catch (error) {
          failed(one, error);
          round = null;
        }
        options.metrics?.decisionSeconds.observe((performance.now() - at) / 1000);
      }
      current.tookMs += performance.now() - began;
      if (isOver) finish(current);
    },
    drop() {
      round = null;
    },
    preview(one, policy) {
      const now = clock();
      const candidates = pool.candidates();
      const { pendings } = lines.lineUp(queue.first(inARound(policy)), now);
      const [own] = [...pendings].find(([, other]) => other === one) ?? [lines.unplacedOf(one, now)];
      if (own === null) return null;
      for (const decided of decideRound(policy, [...pendings.keys()], candidates, now)) {
        if (decided.one === own) return decided.verdict.considered;
      }
      return decide(policy, own.study, candidates, now, own.holdings, own.taken).considered;
    },
  };
}

/** Nobody knows yet what it waits for: nothing was said of it, or that nobody could take it. */
function isUnsaid({ keptReason, stuckAt }: Pending): boolean {
  return keptReason === null || stuckAt !== null;
}
