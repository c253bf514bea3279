import type { FailureCode } from '../study.ts';
import type { Agenda } from './agenda.ts';

/**
 * The backends as they are, not as anybody takes them to be. The law they serve by is on purpose none that the estimator could fit:
 * each transfer costs something before its first image, transfers at the same time are in each other's way, the front's line is
 * shared, images differ, others use the backend too, and now and then it does nothing for a moment.
 */
export interface ModelledBackend {
  readonly name: string;
  readonly weight: number;
  readonly lanes: number;
  readonly secondsPerInstance: number;
  readonly secondsPerByte: number;
  /** What each transfer costs before its first image moves: a job, a connection, the proof. */
  readonly setupSeconds: number;
  /** k transfers at once run at 1 ÷ (1 + contention · (k − 1)) each; 0: as if alone; 1: together no faster than one. */
  readonly contention: number;
  /** What becomes of it over time, in order; before the first of them its speed is 1. */
  readonly conditions: readonly Condition[];
}

export interface Condition {
  /** Seconds from the beginning. */
  readonly at: number;
  /** 1: as its figures say; 0: nothing moves. */
  readonly speed: number;
  /** The same without the moments in which it does nothing: what somebody who knows the backend would reckon with. */
  readonly steady: number;
  /** False: it has crashed, and refuses connections and polls. */
  readonly answers: boolean;
}

/** What a transfer is to the world. */
export interface Load {
  readonly instances: number;
  readonly bytes: number;
  readonly largestBytes: number;
  /** Usual images that its images are worth, and the bytes of those. */
  readonly effort: number;
  readonly effortBytes: number;
}

export interface Carriage<L extends Load = Load> {
  readonly backend: number;
  /** What it was given to carry. */
  readonly load: L;
  readonly startedAt: number;
  /** Instances that are over, as the front counts them. */
  moved(): number;
  /** When something moved last, in seconds from the beginning. */
  movedAt(): number;
}

export interface WorldOptions<L extends Load = Load> {
  readonly agenda: Agenda;
  readonly backends: readonly ModelledBackend[];
  /** What all transfers share. */
  readonly frontBytesPerSecond: number;
  readonly stallSeconds: number;
  readonly timeout: { readonly baseSeconds: number; readonly bytesPerSecond: number };
  readonly onDone: (carriage: Carriage<L>) => void;
  readonly onFailed: (carriage: Carriage<L>, code: FailureCode) => void;
  /** Crashed, or back. */
  readonly onReach: (backend: number, answers: boolean) => void;
}

export interface World<L extends Load = Load> {
  carry(backend: number, load: L): Carriage<L>;
  /** The backend was found to be down: its transfers are called off, which takes a moment. */
  callOff(backend: number): void;
  answers(backend: number): boolean;
  condition(backend: number): Condition;
  /** Transfers in which nothing was seen to move at the last look; those that move are never asked. */
  quiet(
    backend: number,
  ): { readonly since: number; readonly instances: number; readonly bytes: number } | null;
  /** What it has worked so far, in seconds of all its lanes together. */
  busySeconds(backend: number): number;
}

const refusedAfterSeconds = 0.02;
const resetAfterSeconds = 0.2;
/** A front is told to end a job, and ends it after the image it is at. */
const calledOffAfterSeconds = 1.5;
/** The service looks at jobs this often. */
const lookSeconds = 2;
/** Orthanc counts a job's progress in hundredths. */
const mostSteps = 100;

interface Moving<L extends Load> extends Carriage<L> {
  readonly work: number;
  /** Bytes a second of it at rate 1. */
  readonly bytesPerSecond: number;
  readonly steps: number;
  readonly deadline: number;
  /** Work done when its rate was set last, by the front's clock. */
  done: number;
  asOf: number;
  rate: number;
  /** Grows with each change of the rate: an end that was planned before is no more. */
  version: number;
  lastStepAt: number;
  isOver: boolean;
  isWatched: boolean;
}

interface Site<L extends Load> {
  readonly backend: ModelledBackend;
  /** The oldest first. No set: it would be rebuilt after every few transfers, and each one left behind keeps the next alive. */
  readonly active: Moving<L>[];
  condition: Condition;
  busy: number;
  busyAsOf: number;
}

const asGiven: Condition = { at: 0, speed: 1, steady: 1, answers: true };

export function createWorld<L extends Load>(options: WorldOptions<L>): World<L> {
  const { agenda, frontBytesPerSecond, stallSeconds, timeout } = options;
  const sites = options.backends.map(
    (backend): Site<L> => ({ backend, active: [], condition: asGiven, busy: 0, busyAsOf: 0 }),
  );
  /** Bytes a second that all transfers would move were the front's line endless. */
  let demand = 0;

  for (const [index, site] of sites.entries()) planCondition(index, site, 0);

  function siteOf(backend: number): Site<L> {
    const site = sites[backend];
    if (site === undefined) throw new RangeError(`there is no backend number ${backend}`);
    return site;
  }

  function planCondition(index: number, site: Site<L>, next: number): void {
    const condition = site.backend.conditions[next];
    if (condition === undefined) return;
    agenda.at(condition.at, () => {
      const { answers } = site.condition;
      site.condition = condition;
      setRates(site);
      planCondition(index, site, next + 1);
      if (answers === condition.answers) return;
      if (!condition.answers) for (const one of site.active) failSoon(one, 'send-failed', resetAfterSeconds);
      options.onReach(index, condition.answers);
    });
  }

  function doneOf(one: Moving<L>): number {
    return Math.min(one.work, one.done + one.rate * (agenda.frontNow - one.asOf));
  }

  function stepsOf(one: Moving<L>, done: number): number {
    return Math.floor((done / one.work) * one.steps + 1e-9);
  }

  function demandOf(one: Moving<L>): number {
    return one.bytesPerSecond * one.rate;
  }

  function setRates(site: Site<L>): void {
    const { backend, active, condition } = site;
    const rate = condition.speed / (1 + backend.contention * Math.max(0, active.length - 1));
    for (const one of active) {
      const done = doneOf(one);
      noteStep(one, done);
      demand -= demandOf(one);
      one.done = done;
      one.asOf = agenda.frontNow;
      one.rate = rate;
      demand += demandOf(one);
      one.version++;
      planEnd(one);
      watch(one);
    }
    setPace();
  }

  function setPace(): void {
    agenda.setPace(demand > frontBytesPerSecond ? frontBytesPerSecond / demand : 1);
  }

  function planEnd(one: Moving<L>): void {
    if (one.rate <= 0) return;
    const { version } = one;
    agenda.atFront(one.asOf + (one.work - one.done) / one.rate, () => {
      if (one.isOver || one.version !== version) return;
      end(one);
      options.onDone(one);
    });
  }

  /** Before the rate changes: when the last step was made is read from the rate there was. */
  function noteStep(one: Moving<L>, done: number): void {
    const steps = stepsOf(one, done);
    if (steps > stepsOf(one, one.done) && one.rate > 0) {
      const since = (done - (steps / one.steps) * one.work) / one.rate;
      one.lastStepAt = Math.max(one.lastStepAt, agenda.now - Math.max(0, since));
    }
  }

  function end(one: Moving<L>): void {
    const site = siteOf(one.backend);
    countBusy(site);
    one.isOver = true;
    demand = Math.max(0, demand - demandOf(one));
    site.active.splice(site.active.indexOf(one), 1);
    if (site.active.length > 0) setRates(site);
    else setPace();
  }

  function countBusy(site: Site<L>): void {
    site.busy += site.active.length * (agenda.now - site.busyAsOf);
    site.busyAsOf = agenda.now;
  }

  function fail(one: Moving<L>, code: FailureCode): void {
    if (one.isOver) return;
    end(one);
    options.onFailed(one, code);
  }

  function failSoon(one: Moving<L>, code: FailureCode, seconds: number): void {
    agenda.at(agenda.now + seconds, () => fail(one, code));
  }

  /** Only what is so slow that somebody would see it stand still, or that its time may run out. */
  function watch(one: Moving<L>): void {
    if (one.isWatched || one.isOver) return;
    const left = one.rate > 0 ? (one.work - one.done) / one.rate : Number.POSITIVE_INFINITY;
    if (Math.min(left, one.work / one.steps / one.rate) < lookSeconds && left < timeout.baseSeconds / 2)
      return;
    one.isWatched = true;
    const look = (): void => {
      if (one.isOver) return;
      const done = doneOf(one);
      noteStep(one, done);
      one.done = done;
      one.asOf = agenda.frontNow;
      const stepBytes = Math.max(one.load.largestBytes, one.load.bytes / mostSteps);
      const limit = stallSeconds + stepBytes / timeout.bytesPerSecond;
      if (agenda.now - one.lastStepAt >= limit) failSoon(one, 'stalled', calledOffAfterSeconds);
      else if (agenda.now >= one.deadline) failSoon(one, 'send-timeout', calledOffAfterSeconds);
      else agenda.at(agenda.now + lookSeconds, look);
    };
    agenda.at(agenda.now + lookSeconds, look);
  }

  return {
    carry(backend, load) {
      const site = siteOf(backend);
      const { setupSeconds, secondsPerInstance, secondsPerByte } = site.backend;
      const work = setupSeconds + load.effort * secondsPerInstance + load.effortBytes * secondsPerByte;
      const one: Moving<L> = {
        backend,
        load,
        startedAt: agenda.now,
        work,
        bytesPerSecond: load.bytes / work,
        steps: Math.min(mostSteps, load.instances),
        deadline: agenda.now + timeout.baseSeconds + load.bytes / timeout.bytesPerSecond,
        done: 0,
        asOf: agenda.frontNow,
        rate: 0,
        version: 0,
        lastStepAt: agenda.now,
        isOver: false,
        isWatched: false,
        moved: () => Math.floor((doneOf(one) / one.work) * load.instances + 1e-9),
        movedAt() {
          noteStep(one, doneOf(one));
          return one.lastStepAt;
        },
      };
      countBusy(site);
      site.active.push(one);
      setRates(site);
      if (!site.condition.answers) failSoon(one, 'backend-unreachable', refusedAfterSeconds);
      return one;
    },
    callOff(backend) {
      for (const one of siteOf(backend).active) failSoon(one, 'send-failed', calledOffAfterSeconds);
    },
    answers: (backend) => siteOf(backend).condition.answers,
    condition: (backend) => siteOf(backend).condition,
    quiet(backend) {
      const { active } = siteOf(backend);
      let oldest: Moving<L> | null = null;
      let since = Number.NEGATIVE_INFINITY;
      for (const one of active) {
        if (!one.isWatched) return null;
        since = Math.max(since, one.movedAt());
        if (oldest === null || one.startedAt < oldest.startedAt) oldest = one;
      }
      if (oldest === null || agenda.now - since < lookSeconds) return null;
      return { since, instances: oldest.load.instances, bytes: oldest.load.bytes };
    },
    busySeconds(backend) {
      const site = siteOf(backend);
      countBusy(site);
      return site.busy;
    },
  };
}
