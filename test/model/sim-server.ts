import { type CallOptions, OrthancError, type OrthancErrorCode } from '../../src/orthanc/orthanc.ts';
import type { Image } from './image.ts';
import type { VirtualTime } from './time.ts';
import { world as worldsOwn } from './time.ts';
import type { World } from './world.ts';

/** Calls that a fault may be meant for. `post`: an instance being stored, by a front's job or by an upload. */
export const callKinds = ['read', 'load', 'store', 'post', 'delete', 'download'] as const;
export type CallKind = (typeof callKinds)[number] | 'system';

export const faultKinds = [
  'refused', // no connection
  'lost-request', // nothing happens, and nobody says so
  'lost-answer', // it happens, and nobody says so
  'cut-answer', // it happens, and the connection breaks
  'error-before', // 500, nothing happened
  'error-after', // 500, it happened
  'late', // it happens when the caller has given up
  'flip', // stored with other content
  'full-disk', // stored without its end, and acknowledged
  'lie', // 200 without storing
  'partial', // a deletion that breaks off half-way; a body that does
] as const;
export type Fault = (typeof faultKinds)[number];

export type Result<T> = { readonly value: T } | { readonly error: OrthancError };

export interface Exchange {
  readonly fault: Fault | null;
}

/** How long a caller waits when it does not say. */
const requestTimeoutMs = 2_000;

type Power = 'up' | 'down' | 'hung';

/**
 * The part of a simulated Orthanc that is about connections: a request arrives some time after it was sent, its effect happens at
 * one moment, its answer takes time again; and each of these may go wrong.
 */
export class Server {
  readonly name: string;
  readonly world: World;
  readonly images = new Map<string, Image>();
  power: Power = 'up';
  readonly armed: { kind: CallKind; fault: Fault }[] = [];
  /** Connections that are open: what cuts them when it dies. */
  readonly #open = new Set<() => void>();
  /** Requests in the socket buffers of a process that stands still. */
  readonly #stuck: (() => void)[] = [];

  constructor(name: string, world: World) {
    this.name = name;
    this.world = world;
  }

  get time(): VirtualTime {
    return this.world.time;
  }

  /** Killed: connections break, requests it had not looked at are gone. */
  kill(): void {
    this.power = 'down';
    this.#stuck.length = 0;
    for (const cut of this.#open) cut();
    this.#open.clear();
  }

  hang(): void {
    if (this.power === 'up') this.power = 'hung';
  }

  /** Started, or woken: then what was sent to it meanwhile is done now, whether or not anybody still waits for it. */
  rise(): void {
    this.power = 'up';
    for (const arrive of this.#stuck.splice(0)) this.time.after(this.world.latency(), worldsOwn, arrive);
  }

  takeFault(kind: CallKind): Fault | null {
    const found = this.armed.findIndex((one) => one.kind === kind);
    return found < 0 ? null : (this.armed.splice(found, 1)[0]?.fault ?? null);
  }

  /** A call of the service whose effect is over at once. */
  ask<T>(kind: CallKind, options: CallOptions | undefined, effect: (fault: Fault | null) => T): Promise<T> {
    return this.exchange(kind, options, (fault, done) => done({ value: effect(fault) }));
  }

  /** A call of the service. */
  exchange<T>(
    kind: CallKind,
    options: CallOptions | undefined,
    effect: (fault: Fault | null, done: (result: Result<T>) => void) => void,
  ): Promise<T> {
    const { time } = this;
    const { owner } = time;
    // A process that has died asks nothing any more.
    if (time.isDead(owner)) return new Promise(() => undefined);
    this.world.called(this.name, kind);
    const signal = options?.signal;
    return new Promise((resolve, reject) => {
      let over = false;
      const finish = (result: Result<T>): void => {
        if (over) return;
        over = true;
        limit.cancelled = true;
        signal?.removeEventListener('abort', abort);
        if ('error' in result) reject(result.error);
        else resolve(result.value);
      };
      const fail = (code: OrthancErrorCode, message: string): void =>
        finish({ error: new OrthancError(this.name, code, `${this.name}: ${message}`) });
      const abort = (): void => fail('timeout', 'given up by the caller');
      const limit = time.after(options?.timeoutMs ?? requestTimeoutMs, owner, () =>
        fail('timeout', 'no whole answer in time'),
      );
      if (signal?.aborted === true) {
        abort();
        return;
      }
      signal?.addEventListener('abort', abort);
      this.connect(
        kind,
        effect,
        (result) => time.after(0, owner, () => finish(result)),
        () => over && this.world.luck() < 0.5,
      );
    });
  }

  /**
   * A request on its way: to its effect and back. Also used by the jobs of fronts, which are no calls of the service.
   * @param lost the caller has hung up, and what it asked for never gets here
   */
  connect<T>(
    kind: CallKind,
    effect: (fault: Fault | null, done: (result: Result<T>) => void) => void,
    answer: (result: Result<T>) => void,
    lost: () => boolean,
  ): void {
    const { time, world } = this;
    const fault = this.takeFault(kind);
    if (fault !== null) world.note(`${this.name}: ${kind} ${fault}`);
    const failing = (code: OrthancErrorCode, message: string): Result<T> => ({
      error: new OrthancError(
        this.name,
        code,
        `${this.name}: ${message}`,
        code === 'server-error' ? { status: 500 } : {},
      ),
    });
    let ended = false;
    const cut = (): void => end(failing('unreachable', 'the connection broke (ECONNRESET)'));
    const end = (result: Result<T>): void => {
      if (ended) return;
      ended = true;
      this.#open.delete(cut);
      answer(result);
    };
    this.#open.add(cut);
    const backAgain = (result: Result<T>): void => {
      const sent: Result<T> =
        fault === 'cut-answer'
          ? failing('unreachable', 'the connection broke (ECONNRESET)')
          : fault === 'error-after'
            ? failing('server-error', 'HTTP 500')
            : result;
      if (fault === 'lost-answer' || fault === 'late') return;
      time.after(world.latency(), worldsOwn, () => end(sent));
    };
    const arrive = (): void => {
      if (this.power === 'down') {
        end(failing('unreachable', 'connection refused (ECONNREFUSED)'));
        return;
      }
      if (this.power === 'hung') {
        this.#stuck.push(arrive);
        return;
      }
      // Cut meanwhile by the death of this Orthanc: what it had not looked at went with it.
      if (ended || lost()) return;
      switch (fault) {
        case 'refused':
          end(failing('unreachable', 'connection refused (ECONNREFUSED)'));
          return;
        case 'lost-request':
          return;
        case 'error-before':
          time.after(world.latency(), worldsOwn, () => end(failing('server-error', 'HTTP 500')));
          return;
        case null:
        case 'lost-answer':
        case 'cut-answer':
        case 'error-after':
        case 'late':
        case 'flip':
        case 'full-disk':
        case 'lie':
        case 'partial':
          effect(fault, backAgain);
      }
    };
    time.after(fault === 'late' ? world.lateMs(kind) : world.latency(), worldsOwn, arrive);
  }
}
