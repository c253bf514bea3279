import { realTimers, type Timers } from '../backends/timers.ts';
import type { Logger } from '../log.ts';
import { type HeldFile, type Orthanc, OrthancError, type SystemInfo } from '../orthanc/orthanc.ts';

/** What is asked of an Orthanc to tell it from others. */
export type Recognisable = Pick<Orthanc, 'system' | 'anyInstance' | 'held'>;

/** Two names of one Orthanc. */
export interface Twin {
  readonly one: string;
  readonly other: string;
  /** By an image whose file is the same under both. False: only what they say of themselves is the same. */
  readonly sure: boolean;
}

export interface TwinsLook {
  readonly twins: readonly Twin[];
  /** Not all said what they were asked. */
  readonly silent: boolean;
}

/**
 * Which of these names lead to one Orthanc. Each is asked for one image it holds, and all of them which file they have of that: Orthanc gives
 * each file a UUID at random, so the same one is the same file. Where there is no image yet, what they say of themselves
 * must do; that can be the same for two, on a machine and its clone for one, and is a hint only. Never rejects because of an Orthanc.
 *
 * @param instances asked about as well
 */
export async function findTwins(
  orthancs: ReadonlyMap<string, Recognisable>,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  instances: readonly string[] = [],
): Promise<TwinsLook> {
  if (orthancs.size < 2) return { twins: [], silent: false };
  const samples = new Set(instances);
  const systems = new Map<string, string>();
  let silent = false;
  const each = async (ask: (name: string, orthanc: Recognisable) => Promise<void>): Promise<void> => {
    await Promise.all(
      [...orthancs].map(async ([name, orthanc]) => {
        try {
          await ask(name, orthanc);
        } catch (error) {
          if (!(error instanceof OrthancError)) throw error;
          silent = true;
        }
      }),
    );
  };
  await each(async (name, orthanc) => {
    const [system, sample] = await Promise.all([orthanc.system(options), orthanc.anyInstance(options)]);
    const says = identityOf(system);
    if (says !== null) systems.set(name, says);
    if (sample !== null) samples.add(sample);
  });
  const held = new Map<string, ReadonlyMap<string, HeldFile>>();
  await each(async (name, orthanc) => {
    held.set(name, await orthanc.held([...samples], options));
  });
  return { twins: compared([...orthancs.keys()], held, systems), silent };
}

function compared(
  names: readonly string[],
  held: ReadonlyMap<string, ReadonlyMap<string, HeldFile>>,
  systems: ReadonlyMap<string, string>,
): readonly Twin[] {
  const twins: Twin[] = [];
  for (const [index, one] of names.entries()) {
    const own = [...(held.get(one) ?? [])];
    for (const other of names.slice(index + 1)) {
      const theirs = held.get(other);
      if (theirs === undefined || !held.has(one)) continue;
      const sure = own.some(([id, { uuid }]) => uuid !== null && theirs.get(id)?.uuid === uuid);
      // Images that only one of them has, or each in a file of its own, say more than names and ports.
      const bare = own.length === 0 && theirs.size === 0;
      const alike = systems.has(one) && systems.get(one) === systems.get(other);
      if (sure || (bare && alike)) twins.push({ one, other, sure });
    }
  }
  return twins;
}

/** Null: it says too little of itself. Without the address it was asked under, which is what differs. */
function identityOf({ databaseId, name, dicomAet, dicomPort, version }: SystemInfo): string | null {
  return databaseId === null ? null : JSON.stringify([databaseId, name, dicomAet, dicomPort, version]);
}

/** For a person. */
export function twinSentence({ one, other, sure }: Twin): string {
  return sure
    ? `${one} and ${other} are one Orthanc under two names: a study bound from one to the other stays where it is; take one of them out of the topology`
    : `${one} and ${other} look like one Orthanc under two names: they say the same of themselves, and hold nothing yet that would tell them apart`;
}

export interface TwinsOptions {
  /** Always the same map; backends come and go in it. */
  readonly backends: ReadonlyMap<string, Recognisable>;
  /** Time limit of each question. */
  readonly timeoutMs: number;
  readonly log: Logger;
  readonly timers?: Timers;
}

/** Knows which backends of the topology lead to one Orthanc. */
export interface Twins {
  /** Another name of this backend's Orthanc, when that is sure. */
  twinOf(backend: string): string | null;
  /** Found elsewhere: the file of this instance is the same under both names. */
  found(one: string, other: string, orthancId: string): void;
  /** What a person should know; null: nothing. */
  notice(): string | null;
  /** Other backends, or other addresses, are there now: looks at once. */
  follow(): void;
  /** Looks now; resolves when all have answered or were given up. Never rejects. */
  look(): Promise<void>;
  start(): void;
  stop(): Promise<void>;
}

/** While some have not answered, or two are known to be one, which somebody may just be mending. */
const againMs = 60_000;
/** Kept of those that showed it. */
const mostInstances = 16;

interface Known extends Twin {
  /** Of these two, which a change of the topology replaces. */
  readonly clients: readonly [Recognisable | undefined, Recognisable | undefined];
}

/**
 * Looks at the start and after each change of the topology. A name that comes to mean another machine later is found when something
 * is to be deleted: that is asked for each image, and does not rely on what is known here.
 */
export function createTwins({ backends, timeoutMs, log, timers = realTimers }: TwinsOptions): Twins {
  /** By both names. */
  let known = new Map<string, Known>();
  /** Instances that once showed it. */
  const instances = new Set<string>();
  const abort = new AbortController();
  let underWay: Promise<void> | null = null;
  let isComplete = false;
  let endTimer: (() => void) | null = null;

  const keyOf = (one: string, other: string): string => [one, other].toSorted().join('\n');
  const isStill = ({ one, other, clients }: Known): boolean =>
    backends.get(one) === clients[0] && backends.get(other) === clients[1];
  const standing = (): Known[] => [...known.values()].filter(isStill);

  function note(twin: Twin, into: Map<string, Known>): void {
    const { one, other, sure } = twin;
    const key = keyOf(one, other);
    const before = known.get(key);
    into.set(key, { ...twin, clients: [backends.get(one), backends.get(other)] });
    if (before !== undefined && before.sure === sure && isStill(before)) return;
    log.warn(sure ? 'two backends are one Orthanc' : 'two backends look like one Orthanc', { one, other });
  }

  async function lookOnce(): Promise<void> {
    const asked = new Map(backends);
    const signal = abort.signal;
    const { twins, silent } = await findTwins(asked, { timeoutMs, signal }, [...instances]);
    if (signal.aborted) return;
    // What changed while they were asked is looked at by whoever changed it.
    const isSame =
      asked.size === backends.size && [...asked].every(([name, one]) => backends.get(name) === one);
    if (!isSame) return;
    isComplete = !silent;
    const next = new Map<string, Known>();
    for (const twin of twins) note(twin, next);
    // Somebody who did not answer has not shown that it is another.
    if (silent)
      for (const one of standing())
        next.set(keyOf(one.one, one.other), next.get(keyOf(one.one, one.other)) ?? one);
    known = next;
    if (next.size === 0) instances.clear();
  }

  async function look(): Promise<void> {
    // One that was under way may have asked those of before.
    await underWay;
    underWay ??= lookOnce()
      .catch((error: unknown) => {
        log.error('backends could not be told apart', { detail: String(error) });
      })
      .finally(() => {
        underWay = null;
      });
    await underWay;
  }

  return {
    twinOf(backend) {
      const twin = standing().find(({ one, other, sure }) => sure && (one === backend || other === backend));
      if (twin === undefined) return null;
      return twin.one === backend ? twin.other : twin.one;
    },
    found(one, other, orthancId) {
      const [oldest] = instances;
      if (oldest !== undefined && instances.size >= mostInstances) instances.delete(oldest);
      instances.add(orthancId);
      note({ one, other, sure: true }, known);
    },
    notice() {
      const sentences = standing().map(twinSentence);
      return sentences.length === 0 ? null : `${sentences.join('. ')}.`;
    },
    follow() {
      isComplete = false;
      if (!abort.signal.aborted) void look();
    },
    look,
    start() {
      endTimer ??= timers.every(againMs, () => {
        if (!isComplete || known.size > 0) void look();
      });
      void look();
    },
    async stop() {
      endTimer?.();
      endTimer = null;
      abort.abort();
      await underWay;
    },
  };
}
