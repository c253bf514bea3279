import type { z } from 'zod';
import { lookupAnswer } from './answers.ts';
import { understood } from './ask.ts';
import type { HttpAnswer, OrthancHttp } from './http.ts';
import { type CallOptions, OrthancError } from './orthanc.ts';
import type { SmallRead, SmallReads } from './small-reads.ts';
import type { Turns } from './turns.ts';

type Found = z.output<typeof lookupAnswer>;

/** A question nobody has given up. */
interface Asked {
  readonly read: SmallRead;
  readonly timeoutMs: number;
  isOver: boolean;
  resolve(found: Found): void;
  reject(error: unknown): void;
}

/** Questions of one set: all that the service asks at the same time in the usual case. */
const setSize = 16;
/** A connection is given up so long after the last of its questions was. */
const afterwardsMs = 1_000;

/**
 * Asks one Orthanc about identifiers. Each new study is looked up on every backend, so with many backends this is what the service asks most;
 * what is asked of one of them at the same time goes together over one connection. Each question ends by itself all the same: by its
 * own time limit, its caller's signal, and its own answer.
 */
export class Lookups {
  private readonly http: OrthancHttp;
  private readonly reads: SmallReads;
  private readonly turns: Turns;
  private readonly requestTimeoutMs: number;
  private waiting: Asked[] = [];

  constructor(http: OrthancHttp, reads: SmallReads, turns: Turns, requestTimeoutMs: number) {
    this.http = http;
    this.reads = reads;
    this.turns = turns;
    this.requestTimeoutMs = requestTimeoutMs;
  }

  /** What has this identifier, of any level. @throws OrthancError */
  find(identifier: string, options?: CallOptions): Promise<Found> {
    const read: SmallRead = { method: 'POST', path: '/tools/lookup', body: identifier };
    const timeoutMs = options?.timeoutMs ?? this.requestTimeoutMs;
    const done = Promise.withResolvers<Found>();
    const giveUp = (words: string): void => one.reject(this.http.error('timeout', read, words));
    let last: NodeJS.Immediate | undefined;
    // What has arrived while the event loop was busy with something else is looked at first.
    const timer = setTimeout(() => {
      last = setImmediate(() => giveUp(`no whole answer within ${timeoutMs} ms`));
    }, timeoutMs);
    const signal = options?.signal;
    const stop = (): void => giveUp('given up by the caller');
    const over = (): void => {
      one.isOver = true;
      clearTimeout(timer);
      clearImmediate(last);
      signal?.removeEventListener('abort', stop);
    };
    const one: Asked = {
      read,
      timeoutMs,
      isOver: false,
      resolve(found) {
        over();
        done.resolve(found);
      },
      reject(error) {
        over();
        done.reject(error);
      },
    };
    if (signal?.aborted === true) stop();
    else {
      signal?.addEventListener('abort', stop, { once: true });
      this.waiting.push(one);
      if (this.waiting.length === 1) this.turns.plan(() => this.send());
    }
    return done.promise;
  }

  private send(): void {
    const all = this.waiting.filter(({ isOver }) => !isOver);
    const set = all.slice(0, setSize);
    this.waiting = all.slice(setSize);
    if (this.waiting.length > 0) this.turns.plan(() => this.send());
    if (set.length > 0) void this.ask(set);
  }

  /** Never rejects: whatever goes wrong is the answer to those that have none. */
  private async ask(set: readonly Asked[]): Promise<void> {
    const tooLong = new AbortController();
    const timeoutMs = Math.max(...set.map((one) => one.timeoutMs));
    // Each question has its own limit by then; this one is for what is still open when nobody waits any more.
    const timer = setTimeout(() => tooLong.abort(), timeoutMs + afterwardsMs);
    let answers = 0;
    const reads = set.map(({ read }) => read);
    const answered = (answer: HttpAnswer, index: number): void => {
      answers += 1;
      this.answered(set[index], answer);
    };
    try {
      await this.reads.all(reads, answered, { timeoutMs: timeoutMs + afterwardsMs, signal: tooLong.signal });
    } catch (error) {
      const left = set.filter(({ isOver }) => !isOver);
      // A connection that was closed in between says nothing about the questions that were still to be answered.
      const isCut = error instanceof OrthancError && error.code === 'unreachable' && answers > 0;
      if (isCut && left.length > 0) await this.ask(left);
      else for (const one of left) one.reject(error);
    } finally {
      clearTimeout(timer);
    }
  }

  private answered(one: Asked | undefined, answer: HttpAnswer): void {
    if (one === undefined || one.isOver) return;
    try {
      if (answer.status < 200 || answer.status > 299) throw this.http.failure(one.read, answer);
      one.resolve(understood(this.http, one.read, lookupAnswer, answer.body));
    } catch (error) {
      one.reject(error);
    }
  }
}
