import type { Socket } from 'node:net';
import { buildConnector, Client } from 'undici';
import {
  type HttpAnswer,
  type HttpRequest,
  longestAnswer,
  type OrthancAccess,
  type OrthancHttp,
} from './http.ts';
import { type CallOptions, OrthancError, type OrthancErrorCode } from './orthanc.ts';

/** How many questions are on their way at once: those of a usual transfer all together, so that they go out in one piece. */
const pipelined = 48;
/**
 * An Orthanc keeps a connection for a second unless told otherwise, and hints at it. Undici would take two seconds off the hint, and so
 * never use one twice.
 */
const rest = { mostMs: 600, offHintMs: 400 };
/** Connections kept for the next set of questions. */
const mostIdle = 8;
/** A question of a set is answered with less than a line, or with the description of an error. */
const longestSmall = 1024 * 1024;

/** One question that may be asked again without harm. */
export type SmallRead = Pick<HttpRequest, 'path'> & {
  readonly method: 'GET' | 'POST';
  /** As plain text. */
  readonly body?: string;
};

/** A request whose body is at hand. */
export type TextRequest = Omit<HttpRequest, 'body' | 'bytes'> & { readonly body?: string };

interface Asked extends TextRequest {
  /** It may be asked again without harm, and so also sent before the one before it is answered. */
  readonly repeatable: boolean;
}

/** A connection of undici's, and the socket under it while there is one. */
interface Line {
  readonly client: Client;
  socket: Socket | null;
}

/**
 * Many small questions to one Orthanc, sent one after another over one connection without waiting for the answers in between (HTTP
 * pipelining, RFC 9112 section 9.3.2). Every image is asked about three times before it is let go, and with a request at a time
 * through axios that was more work for the service than all the rest. What is asked once for each transfer goes over the same connections,
 * for the same reason.
 *
 * Each set has a connection to itself while it lasts: behind the questions of another transfer, about a file of a gigabyte for one,
 * they would run into their time limit for something that is not theirs.
 */
export class SmallReads {
  private readonly access: OrthancAccess;
  private readonly http: OrthancHttp;
  private readonly headers: Record<string, string>;
  private readonly connector = buildConnector({ allowH2: false });
  private readonly idle: Line[] = [];
  private readonly busy = new Set<Line>();
  private closed = false;

  /** @param http makes the errors, so that they are those of every other call. */
  constructor(access: OrthancAccess, http: OrthancHttp) {
    this.access = access;
    this.http = http;
    const credentials = Buffer.from(`${access.username}:${access.password}`).toString('base64');
    this.headers = {
      authorization: `Basic ${credentials}`,
      'accept-encoding': 'identity',
    };
  }

  /** One request, answered with any status; like `OrthancHttp.exchange`, and at less than half of what that costs. */
  async exchange(request: TextRequest, options?: CallOptions): Promise<HttpAnswer> {
    const asked = { ...request, repeatable: request.method === 'GET' || request.repeatable === true };
    const [answer] = await this.run([asked], (of) => of, longestAnswer, options);
    if (answer === undefined) throw this.http.error('nonsense', request, 'no answer');
    return answer;
  }

  /** The body of a 2xx answer; otherwise throws. */
  async ask(request: TextRequest, options?: CallOptions): Promise<string> {
    const answer = await this.exchange(request, options);
    if (answer.status < 200 || answer.status > 299) throw this.http.failure(request, answer);
    return answer.body;
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
    const asked = reads.map((read) => ({ ...read, contentType: 'text/plain', repeatable: true }));
    return await this.run(asked, understand, longestSmall, options);
  }

  private async run<T>(
    reads: readonly Asked[],
    understand: (answer: HttpAnswer, index: number) => T,
    longest: number,
    options: CallOptions | undefined,
  ): Promise<readonly T[]> {
    const [first] = reads;
    if (first === undefined) return [];
    const rested = this.idle.pop();
    const limitMs = options?.timeoutMs ?? this.access.requestTimeoutMs;
    const run = new PipelinedRun({ reads, understand, headers: this.headers, limitMs, longest });
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
          !first.repeatable ||
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
    for (const { client } of this.idle.splice(0)) void client.destroy();
    for (const { client } of this.busy) void client.destroy();
  }

  private async on<T>(line: Line, run: PipelinedRun<T>): Promise<readonly T[]> {
    this.busy.add(line);
    let isWell = false;
    try {
      const answers = await run.over(line);
      isWell = true;
      return answers;
    } finally {
      this.busy.delete(line);
      if (isWell && !this.closed && this.idle.length < mostIdle) this.idle.push(line);
      else void line.client.destroy();
    }
  }

  private connect(): Line {
    const client = new Client(this.access.url, {
      connect: (to, connected) => {
        this.connector(to, (...result) => {
          // A failure comes without a socket.
          line.socket = result[1] ?? null;
          connected(...result);
        });
      },
      pipelining: pipelined,
      keepAliveTimeout: rest.mostMs,
      keepAliveMaxTimeout: rest.mostMs,
      keepAliveTimeoutThreshold: rest.offHintMs,
      // Those of undici look once a second, and are about something else: see `PipelinedRun`.
      headersTimeout: 0,
      bodyTimeout: 0,
      allowH2: false,
    });
    const line: Line = { client, socket: null };
    return line;
  }
}

/**
 * Everything that is written from now on until the running code is through goes out in one piece: each piece is a call of the system, and
 * wakes the other side. To be called when undici begins to write. Earlier is of no use: over a connection that has rested undici writes in
 * a later turn of the event loop, after it has looked whether the other side closed it.
 */
function together(socket: Socket | null): void {
  if (socket === null || socket.destroyed) return;
  socket.cork();
  process.nextTick(() => socket.uncork());
}

/** A set of questions on its way. */
class PipelinedRun<T> {
  readonly #reads: readonly Asked[];
  readonly #longest: number;
  readonly #understand: (answer: HttpAnswer, index: number) => T;
  readonly #headers: Record<string, string>;
  readonly #timer: NodeJS.Timeout;
  #client: Client | null = null;
  #answered = 0;
  #given: { readonly code: OrthancErrorCode; readonly words: string } | null = null;

  constructor({
    reads,
    understand,
    headers,
    limitMs,
    longest,
  }: {
    readonly reads: readonly Asked[];
    readonly understand: (answer: HttpAnswer, index: number) => T;
    readonly headers: Record<string, string>;
    readonly limitMs: number;
    /** Bytes of an answer at most. */
    readonly longest: number;
  }) {
    this.#reads = reads;
    this.#longest = longest;
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

  over(line: Line): Promise<readonly T[]> {
    const { client } = line;
    this.#client = client;
    if (this.#given !== null) return Promise.reject(new Error(this.#given.words));
    return new Promise((resolve, reject) => {
      const answers: T[] = [];
      let open = this.#reads.length;
      for (const [index, { method, path, body = null, contentType, repeatable }] of this.#reads.entries()) {
        const headers =
          contentType === undefined ? this.#headers : { ...this.#headers, 'content-type': contentType };
        let status = 0;
        let length = 0;
        const pieces: Buffer[] = [];
        client.dispatch(
          // What may be asked again, and does not take long: otherwise undici would wait before it sends the next one.
          { method, path, headers, body, idempotent: repeatable, blocking: false },
          {
            // Right before it is written; the others follow at once.
            onRequestStart: () => {
              if (index === 0 && this.#reads.length > 1) together(line.socket);
            },
            onResponseStart(_controller, statusCode) {
              status = statusCode;
            },
            onResponseData: (_controller, piece) => {
              length += piece.length;
              if (length > this.#longest) this.giveUp('nonsense', 'the answer is too long');
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
