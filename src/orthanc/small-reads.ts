import { Client } from 'undici';
import type { HttpAnswer, HttpRequest, OrthancAccess, OrthancHttp } from './http.ts';
import { type CallOptions, OrthancError, type OrthancErrorCode } from './orthanc.ts';

/** How many questions are on their way at once: enough that the other side never waits for the next one. */
const pipelined = 16;
/**
 * An Orthanc keeps a connection for a second unless told otherwise, and hints at it. Undici would take two seconds off the hint, and so
 * never use one twice.
 */
const rest = { mostMs: 600, offHintMs: 400 };
/** Connections kept for the next set of questions. */
const mostIdle = 8;
/** All that is asked here is answered with less than a line, or with the description of an error. */
const longestAnswer = 1024 * 1024;

/** One question that may be asked again without harm. */
export type SmallRead = Pick<HttpRequest, 'path'> & {
  readonly method: 'GET' | 'POST';
  /** As plain text. */
  readonly body?: string;
};

/**
 * Many small questions to one Orthanc, sent one after another over one connection without waiting for the answers in between (HTTP
 * pipelining, RFC 9112 section 9.3.2). Every image is asked about three times before it is let go, and with a request at a time
 * through axios that was more work for the service than all the rest.
 *
 * Each set has a connection to itself while it lasts: behind the questions of another transfer, about a file of a gigabyte for one,
 * they would run into their time limit for something that is not theirs.
 */
export class SmallReads {
  private readonly access: OrthancAccess;
  private readonly http: OrthancHttp;
  private readonly headers: Record<string, string>;
  private readonly idle: Client[] = [];
  private readonly busy = new Set<Client>();
  private closed = false;

  /** @param http makes the errors, so that they are those of every other call. */
  constructor(access: OrthancAccess, http: OrthancHttp) {
    this.access = access;
    this.http = http;
    const credentials = Buffer.from(`${access.username}:${access.password}`).toString('base64');
    this.headers = {
      authorization: `Basic ${credentials}`,
      'accept-encoding': 'identity',
      'content-type': 'text/plain',
    };
  }

  /**
   * What `understand` makes of each answer, of whatever status, in the order of the questions; what it throws ends the set. The time
   * limit is that of each answer after the one before it.
   *
   * @throws OrthancError when one of them has no whole answer; whatever `understand` throws
   */
  async all<T>(
    reads: readonly SmallRead[],
    understand: (answer: HttpAnswer, index: number) => T,
    options?: CallOptions,
  ): Promise<readonly T[]> {
    const [first] = reads;
    if (first === undefined) return [];
    const rested = this.idle.pop();
    const run = new PipelinedRun(
      reads,
      understand,
      this.headers,
      options?.timeoutMs ?? this.access.requestTimeoutMs,
    );
    const outer = options?.signal;
    const stop = (): void => run.giveUp('timeout', 'given up by the caller');
    outer?.addEventListener('abort', stop, { once: true });
    try {
      if (outer?.aborted === true) stop();
      try {
        return await this.on(rested ?? this.connect(), run);
      } catch (error) {
        // What `understand` says of an answer stands. Otherwise the other side closed it while it rested, just as the first question went out.
        if (
          error instanceof OrthancError ||
          rested === undefined ||
          run.given !== null ||
          run.answered > 0 ||
          this.closed
        )
          throw error;
        return await this.on(this.connect(), run);
      }
    } catch (error) {
      if (error instanceof OrthancError) throw error;
      const at = reads[run.answered] ?? first;
      throw run.given === null
        ? this.http.broken(at, error)
        : this.http.error(run.given.code, at, run.given.words);
    } finally {
      outer?.removeEventListener('abort', stop);
      run.end();
    }
  }

  /** Open questions fail. */
  close(): void {
    this.closed = true;
    for (const client of this.idle.splice(0)) void client.destroy();
    for (const client of this.busy) void client.destroy();
  }

  private async on<T>(client: Client, run: PipelinedRun<T>): Promise<readonly T[]> {
    this.busy.add(client);
    let isWell = false;
    try {
      const answers = await run.over(client);
      isWell = true;
      return answers;
    } finally {
      this.busy.delete(client);
      if (isWell && !this.closed && this.idle.length < mostIdle) this.idle.push(client);
      else void client.destroy();
    }
  }

  private connect(): Client {
    return new Client(this.access.url, {
      pipelining: pipelined,
      keepAliveTimeout: rest.mostMs,
      keepAliveMaxTimeout: rest.mostMs,
      keepAliveTimeoutThreshold: rest.offHintMs,
      // Those of undici look once a second, and are about something else: see `PipelinedRun`.
      headersTimeout: 0,
      bodyTimeout: 0,
      allowH2: false,
    });
  }
}

/** A set of questions on its way. */
class PipelinedRun<T> {
  readonly #reads: readonly SmallRead[];
  readonly #understand: (answer: HttpAnswer, index: number) => T;
  readonly #headers: Record<string, string>;
  readonly #timer: NodeJS.Timeout;
  #client: Client | null = null;
  #answered = 0;
  #given: { readonly code: OrthancErrorCode; readonly words: string } | null = null;

  constructor(
    reads: readonly SmallRead[],
    understand: (answer: HttpAnswer, index: number) => T,
    headers: Record<string, string>,
    limitMs: number,
  ) {
    this.#reads = reads;
    this.#understand = understand;
    this.#headers = headers;
    this.#timer = setTimeout(() => this.giveUp('timeout', `no whole answer within ${limitMs} ms`), limitMs);
  }

  get answered(): number {
    return this.#answered;
  }

  /** Why it was given up; null: it was not. */
  get given(): { readonly code: OrthancErrorCode; readonly words: string } | null {
    return this.#given;
  }

  /** Breaks the connection, and with it whatever was asked over it and not answered yet. */
  giveUp(code: OrthancErrorCode, words: string): void {
    this.#given ??= { code, words };
    void this.#client?.destroy();
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  over(client: Client): Promise<readonly T[]> {
    this.#client = client;
    if (this.#given !== null) return Promise.reject(new Error(this.#given.words));
    return new Promise((resolve, reject) => {
      const answers: T[] = [];
      let open = this.#reads.length;
      for (const [index, { method, path, body = null }] of this.#reads.entries()) {
        let status = 0;
        let length = 0;
        const pieces: Buffer[] = [];
        client.dispatch(
          // All of them may be asked again, and none takes long: otherwise undici would wait before it sends the next one.
          { method, path, headers: this.#headers, body, idempotent: true, blocking: false },
          {
            // undici wants one; where a run is given up, its connection goes as a whole.
            onRequestStart: () => undefined,
            onResponseStart(_controller, statusCode) {
              status = statusCode;
            },
            onResponseData: (_controller, piece) => {
              length += piece.length;
              if (length > longestAnswer) this.giveUp('nonsense', 'the answer is too long');
              else pieces.push(piece);
            },
            onResponseEnd: () => {
              try {
                answers[index] = this.#understand(
                  { status, body: Buffer.concat(pieces).toString('utf8') },
                  index,
                );
              } catch (error) {
                reject(error instanceof Error ? error : new Error(String(error)));
                void client.destroy();
                return;
              }
              this.#answered++;
              this.#timer.refresh();
              if (--open === 0) resolve(answers);
            },
            onResponseError: (_controller, error) => reject(error),
          },
        );
      }
    });
  }
}
