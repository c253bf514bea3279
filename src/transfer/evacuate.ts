import type { BackendPool } from '../backends/pool.ts';
import { realTimers, type Timers } from '../backends/timers.ts';
import { troubleOf } from '../backends/trouble.ts';
import type { Policy } from '../decision/policy.ts';
import { type Ledger, LedgerError } from '../ledger/ledger.ts';
import type { Logger } from '../log.ts';
import { type Orthanc, OrthancError } from '../orthanc/orthanc.ts';
import type { Clock, EpochMs, Evacuation, FormerCopy } from '../study.ts';
import type { Expected } from './choose-anew.ts';
import { type Evacuator, FailoverError } from './failover.ts';
import { rebindByHand } from './rebind-by-hand.ts';

export interface EvacuatorDeps {
  readonly ledger: Ledger;
  readonly pool: BackendPool;
  readonly backends: ReadonlyMap<string, Pick<Orthanc, 'studyUids'>>;
  readonly policy: () => Policy;
  readonly expected: Expected;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onRebound: (studyUid: string, backend: string) => void;
  /** Another name of this backend's Orthanc, where one is known. Absent: none is. */
  readonly twinOf?: (backend: string) => string | null;
  readonly timers?: Timers;
}

const tickMs = 500;
/**
 * Studies bound elsewhere and not copied yet, at most. More would tear many studies apart at once for as long as an evacuation
 * takes; fewer would leave the healer idle between two ticks.
 */
const ahead = 8;
/** A backend is listed at most this often, and this often while there is nothing left but what a person must decide about. */
const listedMs = 1000;
const conflictMs = 30_000;

/** What a backend was found to hold. */
interface Listing {
  readonly at: EpochMs;
  readonly found: number;
  /** What was not looked at yet. */
  readonly queue: string[];
}

/**
 * Empties backends, study by study: binds each elsewhere and leaves the moving to the healer, which proves before it deletes. What there
 * is to do is found on the backend itself, again after every round, so nothing has to be remembered but that it is to be emptied.
 */
export function createEvacuator(deps: EvacuatorDeps): Evacuator {
  const { ledger, pool, clock, log } = deps;
  const timers = deps.timers ?? realTimers;
  const listings = new Map<string, Listing>();
  const release: (() => void)[] = [];
  const abort = new AbortController();
  let running: Promise<void> | null = null;

  function current(backend: string): Evacuation {
    const evacuation = ledger.evacuation(backend);
    if (evacuation === null) throw new FailoverError('unknown-backend', `${backend} is not being evacuated.`);
    return evacuation;
  }

  async function turnOnce(): Promise<void> {
    for (const evacuation of ledger.evacuations()) {
      if (evacuation.state !== 'running') listings.delete(evacuation.backend);
      else await step(evacuation);
      if (abort.signal.aborted) return;
    }
  }

  async function step(evacuation: Evacuation): Promise<void> {
    const { backend } = evacuation;
    const wait = (waiting: string | null): void => {
      if (waiting !== evacuation.waiting) ledger.noteEvacuation(backend, { waiting }, clock());
    };
    const obstacle = obstacleTo(evacuation);
    if (obstacle !== null) return wait(obstacle);
    try {
      const listing = listings.get(backend) ?? (await list(evacuation));
      // Meanwhile it may have been stopped.
      if (abort.signal.aborted || ledger.evacuation(backend)?.state !== 'running') return;
      const formers = ledger.formerCopies({ backend });
      if (listing.queue.length === 0) return roundEnds(evacuation, listing, formers, wait);
      const busy = formers.filter((one) => one.state === 'waiting' || one.state === 'moving').length;
      const trouble = begin(evacuation, listing.queue, ahead - busy);
      wait(trouble ?? (busy >= ahead ? reasonOf(formers) : null));
    } catch (error) {
      if (!(error instanceof OrthancError)) throw error;
      wait(`${error.orthanc}: ${troubleOf(error)}`);
    }
  }

  /** What keeps it from going on at all. */
  function obstacleTo({ backend, target }: Evacuation): string | null {
    for (const name of target === null ? [backend] : [backend, target]) {
      const status = pool.status(name);
      if (status === null) return `${name} is not in the topology any more`;
      if (status.operator === 'maint') return `${name} is in maint`;
      if (status.health !== 'up') return `${name}: ${status.healthReason ?? status.health}`;
    }
    // What leaves it for the other name stays on it, and would be found on it again for ever.
    const twin = deps.twinOf?.(backend) ?? null;
    if (twin !== null)
      return `${backend} and ${twin} are one Orthanc: it cannot be emptied until the topology has one of them only`;
    return null;
  }

  /** All studies on the backend, and those that are bound to it and still on their way there. */
  async function list(evacuation: Evacuation): Promise<Listing> {
    const { backend } = evacuation;
    const at = clock();
    const found = new Set(ledger.bound(backend).map((study) => study.studyUid));
    const orthanc = deps.backends.get(backend);
    if (orthanc === undefined) {
      throw new OrthancError(backend, 'unreachable', `${backend} is not in the topology any more`);
    }
    for await (const some of orthanc.studyUids({ signal: abort.signal })) {
      for (const studyUid of some) found.add(studyUid);
    }
    const studies = Math.max(evacuation.studies, evacuation.moved + found.size);
    if (studies !== evacuation.studies) ledger.noteEvacuation(backend, { studies }, clock());
    const listing = { at, found: found.size, queue: [...found] };
    listings.set(backend, listing);
    return listing;
  }

  /** Binds as many as there is room for elsewhere. Returns why it could not go on; null: it could. */
  function begin(evacuation: Evacuation, queue: string[], room: number): string | null {
    const began = performance.now();
    let left = room;
    // What turns out to need nothing takes no room, but time of the event loop.
    while (left > 0 && performance.now() - began < 5) {
      const [studyUid] = queue;
      if (studyUid === undefined) return null;
      try {
        if (leave(evacuation, studyUid)) left--;
      } catch (error) {
        if (!(error instanceof FailoverError)) throw error;
        // Where this one cannot go the next may: it comes again with the next listing.
        if (error.code !== 'no-other-backend')
          log.debug('study not evacuated for now', { study: studyUid, reason: error.message });
        else return error.message;
      }
      queue.shift();
    }
    return null;
  }

  /** Sees to it that the study leaves the backend. False: that was seen to already. */
  function leave({ backend, target }: Evacuation, studyUid: string): boolean {
    const now = clock();
    const known = ledger.assignments(studyUid);
    const assignments = known.length > 0 ? known : [ledger.adopt(studyUid, backend, now)];
    const here = assignments.find((assignment) => assignment.backend === backend);
    if (here !== undefined) {
      const reason = `${backend} is being evacuated`;
      const assignment = rebindByHand(deps, { current: here, backend: target, reason, now });
      log.info('study bound anew', { study: studyUid, from: backend, backend: assignment.backend, reason });
      deps.onRebound(studyUid, assignment.backend);
      return true;
    }
    // A row that stands is left alone: noting it again would forget what a person decided about it.
    const noted = ledger.formerCopies({ studyUid }).some((one) => one.backend === backend);
    if (!noted) ledger.noteFormer(studyUid, backend, `${backend} is being evacuated`, now);
    return !noted;
  }

  /** Everything listed was seen to: it is listed again when that has been moved. A listing that shows nothing is the end. */
  function roundEnds(
    { backend }: Evacuation,
    listing: Listing,
    formers: readonly FormerCopy[],
    wait: (reason: string | null) => void,
  ): void {
    const conflicts = formers.filter((one) => one.state === 'conflict').length;
    if (formers.length > conflicts) return wait(reasonOf(formers));
    const sinceMs = clock() - listing.at;
    if (conflicts > 0) {
      if (sinceMs >= conflictMs) listings.delete(backend);
      const studies = conflicts === 1 ? 'one study' : `${conflicts} studies`;
      return wait(`${studies} with other content here than where they are now: a person decides`);
    }
    if (listing.found > 0) {
      if (sinceMs >= listedMs) listings.delete(backend);
      return;
    }
    listings.delete(backend);
    ledger.endEvacuation(backend, 'done', clock());
    log.info('evacuation done', { backend });
  }

  function turn(): Promise<void> {
    running ??= turnOnce()
      .catch((error: unknown) => {
        log.error('evacuation stands still for now', {
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
    evacuate({ backend, target, bytesPerSecond, who }) {
      const names = pool.names();
      for (const name of target === null ? [backend] : [backend, target]) {
        if (!names.includes(name))
          throw new FailoverError('unknown-backend', `There is no backend ${name} in the topology.`);
      }
      if (target === backend)
        throw new FailoverError('already-there', `It is ${backend} that is to be emptied.`);
      if (names.length < 2) throw new FailoverError('no-other-backend', `${backend} is the only backend.`);
      const now = clock();
      const where = target === null ? '' : ` to ${target}`;
      const pace = bytesPerSecond === null ? '' : `, ${bytesPerSecond} bytes a second at most`;
      ledger.audit({ at: now, who, action: 'evacuate', target: backend, detail: `all of it${where}${pace}` });
      // Before it begins, so that nothing new goes there; whoever set it to maint wants more than that.
      if (pool.status(backend)?.operator === 'ready') pool.setOperator(backend, { state: 'drain' }, now);
      const evacuation = ledger.startEvacuation({ backend, target, bytesPerSecond }, now);
      log.info('evacuation begins', { backend, target, bytesPerSecond });
      return evacuation;
    },
    cancel(backend, who) {
      if (ledger.evacuation(backend)?.state !== 'running') {
        throw new FailoverError('unknown-backend', `${backend} is not being evacuated.`);
      }
      const now = clock();
      const detail = 'stopped; what was bound elsewhere stays so, and the backend stays in drain';
      ledger.audit({ at: now, who, action: 'evacuate-cancel', target: backend, detail });
      ledger.endEvacuation(backend, 'stopped', now);
      log.info('evacuation stopped', { backend });
      return current(backend);
    },
    start() {
      release.push(timers.every(tickMs, () => void turn()));
    },
    async stop() {
      for (const end of release.splice(0)) end();
      abort.abort();
      await running;
    },
  };
}

/** What the first of them waits for. */
function reasonOf(formers: readonly FormerCopy[]): string | null {
  return formers.find((one) => one.state !== 'conflict' && one.reason !== null)?.reason ?? null;
}
