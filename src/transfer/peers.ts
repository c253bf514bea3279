import { createHmac, randomBytes } from 'node:crypto';
import { realTimers, type Timers } from '../backends/timers.ts';
import { troubleOf } from '../backends/trouble.ts';
import type { Logger } from '../log.ts';
import { OrthancError } from '../orthanc/orthanc.ts';
import type { KnownPeer, NewPeer, PeerBook } from '../orthanc/peer-book.ts';
import { madeByUs, peerUrl } from '../topology/peer.ts';
import type { BackendConfig } from '../topology/topology.ts';

export interface PeersOptions {
  readonly fronts: ReadonlyMap<string, PeerBook>;
  readonly backends: readonly BackendConfig[];
  /** Time limit the peers get for one instance. */
  readonly timeoutSeconds: number;
  /** The peers that a backend itself has. Absent: nobody asks. @throws OrthancError */
  readonly peersOf?: (backend: BackendConfig) => Promise<ReadonlyMap<string, KnownPeer>>;
  readonly log: Logger;
  readonly timers?: Timers;
  /** Milliseconds that only grow. */
  readonly now?: () => number;
}

/** Whether a front can send to a backend as the topology has it. */
export interface PeerState {
  readonly front: string;
  readonly ok: boolean;
  /** What is wrong; null: nothing is. */
  readonly detail: string | null;
}

/** Keeps the peers of running fronts as the topology has its backends. */
export interface Peers {
  /**
   * Before a front is told to send: null when its peer of this name leads where the topology says, and that is no front; else why
   * nothing may be sent. @throws OrthancError of a front that does not answer
   */
  misled(front: string, backend: string): Promise<string | null>;
  /** Whether a backend is one of the fronts under another address, as far as it lets anybody see. */
  isFront(backend: string): Promise<boolean>;
  /** The topology has these backends now. Compares every front at once. */
  follow(backends: readonly BackendConfig[]): void;
  /** Compares every front; resolves when each has answered or was given up. Never rejects. */
  compareAll(): Promise<void>;
  /** By the last comparison. */
  states(backend: string): readonly PeerState[];
  start(): void;
  /** Ends when what is under way has ended. */
  stop(): Promise<void>;
}

/** A front that was started anew has the peers of its configuration, which may be an old one; it is not up again in less than this. */
const trustedMs = 500;
const everyMs = 5_000;
/** An address may come to mean another machine. */
const strangerMs = 10_000;

interface Comparison {
  readonly wishes: ReadonlyMap<string, NewPeer>;
  readonly at: number;
  /** What is wrong with a front's peer, by its name. */
  readonly faults: ReadonlyMap<string, string>;
}

/**
 * The truth is the topology: fronts are compared with it again and again, and nothing has to be remembered, so dying between any two
 * steps of a change costs nothing. A front that was started anew comes up with the peers of its configuration file; those carry our
 * signature too (`madeByKey`), without which a peer is its operator's: it is left alone as long as it leads to the right address, for it
 * may have a certificate of its own, and is never deleted.
 *
 * Passwords are not shown by an Orthanc. So what is put there is signed with a fingerprint of all settings, under a key that ends with
 * this process: after each start every peer of ours is written once, and a fingerprint that somebody copies tells nothing.
 *
 * By those fingerprints a front is known under whatever address it is reached. As a backend it would prove to itself what it is then
 * told to remove: nothing is sent to a backend that has peers of ours.
 */
export function createPeers(options: PeersOptions): Peers {
  const { fronts, timeoutSeconds, log } = options;
  const timers = options.timers ?? realTimers;
  const now = options.now ?? ((): number => performance.now());
  const key = randomBytes(32);
  /** Backends whose password was changed: what an operator wrote by hand has the old one. */
  const changed = new Set<string>();
  const done = new Map<string, Comparison>();
  const underWay = new Map<string, { wishes: ReadonlyMap<string, NewPeer>; ended: Promise<void> }>();
  const said = new Map<string, string>();
  /** What a backend was found to be, for this wish. */
  const looks = new Map<string, { wish: NewPeer; at: number; written: number; isFront: Promise<boolean> }>();
  /** Peers put on fronts so far. Whoever had none of them before may have one since. */
  let written = 0;
  let configs = options.backends;
  let wishes = wishesOf(configs);
  let endTimer: (() => void) | null = null;
  let stopped = false;

  function wishesOf(backends: readonly BackendConfig[]): ReadonlyMap<string, NewPeer> {
    return new Map(
      backends.map((backend) => {
        const { name, username, password } = backend;
        const setting = { url: peerUrl(backend), username, password, timeoutSeconds };
        const print = createHmac('sha256', key).update(JSON.stringify(setting)).digest('base64url');
        return [name, { ...setting, madeBy: `${madeByUs} ${print.slice(0, 22)}` }];
      }),
    );
  }

  /** One at a time for each front; a change meanwhile makes another necessary. @throws OrthancError */
  async function compare(front: string): Promise<void> {
    const running = underWay.get(front);
    if (running !== undefined) {
      if (running.wishes === wishes) return await running.ended;
      // However that ended: it was about other wishes.
      await running.ended.catch(() => undefined);
      return await compare(front);
    }
    const book = fronts.get(front);
    if (book === undefined) throw new OrthancError(front, 'unreachable', `${front} is not in the topology`);
    const ended = compareOnce(book, wishes).finally(() => underWay.delete(front));
    underWay.set(front, { wishes, ended });
    await ended;
  }

  async function compareOnce(book: PeerBook, wanted: ReadonlyMap<string, NewPeer>): Promise<void> {
    const at = now();
    const faults = new Map<string, string>();
    let peers: ReadonlyMap<string, KnownPeer>;
    try {
      peers = await book.all();
    } catch (error) {
      // It may have been started anew: what it had says nothing any more.
      done.delete(book.front);
      throw error;
    }
    for (const [name, wish] of wanted) {
      if (stopped || wanted !== wishes) return;
      const fault = faultOf(peers.get(name), wish, changed.has(name));
      if (fault === null) continue;
      const trouble = await attempt(book.put(name, wish));
      if (trouble === null) {
        written++;
        log.info('peer of a front put right', { front: book.front, backend: name, was: fault.text });
      } else if (fault.misleads) {
        faults.set(
          name,
          `${book.front}: its peer ${name} ${fault.text}, and it refuses another (${trouble})`,
        );
      }
      sayOnce(book.front, name, trouble);
    }
    for (const [name, { madeBy }] of peers) {
      if (stopped || wanted !== wishes) return;
      if (wanted.has(name) || !isOurs(madeBy)) continue;
      const trouble = await attempt(book.remove(name));
      if (trouble === null) log.info('peer of a front removed', { front: book.front, backend: name });
      sayOnce(book.front, name, trouble);
    }
    done.set(book.front, { wishes: wanted, at, faults });
  }

  /** A backend that does not say what peers it has is believed to be none: it may well not let us ask. */
  async function isFront(backend: string): Promise<boolean> {
    const wish = wishes.get(backend);
    const config = configs.find(({ name }) => name === backend);
    if (wish === undefined || config === undefined || options.peersOf === undefined) return false;
    const known = looks.get(backend);
    const isFresh = known?.wish === wish && known.written === written && now() - known.at < strangerMs;
    if (isFresh) return await known.isFront;
    const ours = new Set([...wishes.values()].map(({ madeBy }) => madeBy));
    const asked = options.peersOf(config).then(
      (peers) => [...peers.values()].some(({ madeBy }) => madeBy !== null && ours.has(madeBy)),
      (error: unknown) => {
        if (error instanceof OrthancError) return false;
        throw error;
      },
    );
    looks.set(backend, { wish, at: now(), written, isFront: asked });
    return await asked;
  }

  /** Again and again the same would fill the log. */
  function sayOnce(front: string, backend: string, trouble: string | null): void {
    const place = `${front} ${backend}`;
    if (trouble === null) said.delete(place);
    else if (said.get(place) !== trouble) {
      said.set(place, trouble);
      log.warn('peer of a front could not be put right', { front, backend, reason: trouble });
    }
  }

  async function compareSafely(front: string): Promise<void> {
    try {
      await compare(front);
    } catch (error) {
      if (!(error instanceof OrthancError)) {
        log.error('peers could not be compared', { front, detail: String(error) });
        return;
      }
      // Whether a front answers is told elsewhere; it is compared when it does.
      log.debug('peers not compared', { front, reason: troubleOf(error) });
    }
  }

  async function compareAll(): Promise<void> {
    await Promise.all([...fronts.keys()].map(compareSafely));
  }

  return {
    async misled(front, backend) {
      const last = done.get(front);
      if (last === undefined || last.wishes !== wishes || now() - last.at > trustedMs) await compare(front);
      // A comparison breaks off when the topology changes under it: what was found by an earlier one says nothing about this.
      while (done.get(front)?.wishes !== wishes && !stopped) await compare(front);
      const known = done.get(front);
      if (known === undefined || known.wishes !== wishes)
        throw new OrthancError(front, 'unreachable', `${front}: its peers are not known`);
      if (!known.wishes.has(backend)) return `${backend} is not in the topology any more`;
      const fault = known.faults.get(backend) ?? null;
      if (fault !== null || !(await isFront(backend))) return fault;
      return `${backend} is one of the fronts, under another address: nothing is sent there until the topology says another`;
    },
    isFront,
    follow(backends) {
      const before = wishes;
      configs = backends;
      wishes = wishesOf(backends);
      for (const name of looks.keys()) if (!wishes.has(name)) looks.delete(name);
      for (const [name, { password }] of wishes) {
        const was = before.get(name);
        if (was !== undefined && was.password !== password) changed.add(name);
      }
      if (!stopped) void compareAll();
    },
    compareAll,
    states: (backend) =>
      [...fronts.keys()].map((front) => {
        const known = done.get(front);
        if (known === undefined || known.wishes !== wishes) {
          const detail = `${front} has not answered yet; it gets the peer when it does`;
          return { front, ok: false, detail };
        }
        const detail = known.faults.get(backend) ?? null;
        return { front, ok: detail === null, detail };
      }),
    start() {
      endTimer ??= timers.every(everyMs, () => void compareAll());
      void compareAll();
    },
    async stop() {
      stopped = true;
      endTimer?.();
      endTimer = null;
      await Promise.allSettled([...underWay.values()].map(({ ended }) => ended));
    },
  };
}

interface Fault {
  readonly text: string;
  /** Images would go to somebody else, or nowhere. */
  readonly misleads: boolean;
}

/** What is to be put right about a front's peer; null: nothing. `changed`: its password was, since the start. */
function faultOf(peer: KnownPeer | undefined, wish: NewPeer, changed: boolean): Fault | null {
  if (peer === undefined) return { text: 'is missing', misleads: true };
  if (peer.url !== wish.url)
    return { text: `leads to ${withoutUser(peer.url)} instead of ${withoutUser(wish.url)}`, misleads: true };
  if ((peer.username ?? '') !== wish.username) return { text: 'has another user', misleads: false };
  const isStale = isOurs(peer.madeBy) ? peer.madeBy !== wish.madeBy : changed;
  return isStale ? { text: 'has the settings of an earlier time', misleads: false } : null;
}

/** An operator may have written a user and password into it, and this text goes into logs. */
function withoutUser(url: string): string {
  return url.replace(/^([a-z]+:\/\/)[^/]*@/i, '$1…@');
}

function isOurs(madeBy: string | null): boolean {
  return madeBy !== null && (madeBy === madeByUs || madeBy.startsWith(`${madeByUs} `));
}

/** What went wrong, in words; null: nothing. */
async function attempt(step: Promise<void>): Promise<string | null> {
  try {
    await step;
    return null;
  } catch (error) {
    if (!(error instanceof OrthancError)) throw error;
    return error.details ?? troubleOf(error);
  }
}
