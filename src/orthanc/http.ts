import http from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';
import axios, { type AxiosInstance, type AxiosResponse, isAxiosError } from 'axios';
import { errors } from 'undici';
import { breather } from '../breather.ts';
import { errorAnswer } from './answers.ts';
import { type CallOptions, OrthancError, type OrthancErrorCode } from './orthanc.ts';

/** How an Orthanc is reached. */
export interface OrthancAccess {
  /** Its name in the topology. */
  readonly name: string;
  /** No trailing slash. */
  readonly url: string;
  readonly username: string;
  readonly password: string;
  /** Time limit of a call that says none of its own: connection, answer and body together. */
  readonly requestTimeoutMs: number;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly body?: string | Buffer | Readable;
  readonly contentType?: string;
  /** A POST that only asks: asked once more like a GET. A deletion never: it could meet what was stored again in between. */
  readonly repeatable?: boolean;
  /** Length of a body that is a stream: announced, so that one that breaks off can never count as whole. */
  readonly bytes?: number;
}

/** An answer of any status, its body read whole. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

interface Limit {
  readonly signal: AbortSignal;
  /** Why it was given up; null: it was not. */
  given(): string | null;
  end(): void;
}

/** The longest answer that is read: a list of a million ids has 47 MB. */
export const longestAnswer = 256 * 1024 * 1024;

/**
 * HTTP to one Orthanc: connections kept alive, one time limit over the whole exchange, failures as `OrthancError`. Its
 * errors are made anew and never carry axios' own, whose `config` holds the password.
 */
export class OrthancHttp {
  private readonly access: OrthancAccess;
  private readonly httpAgent: http.Agent;
  private readonly httpsAgent: https.Agent;
  private made: AxiosInstance | null = null;

  constructor(access: OrthancAccess) {
    this.access = access;
    // Orthanc hints `Keep-Alive: timeout=1`. Node takes a second off every hint, by default, and would so never use
    // a connection twice; with 400 ms off, 600 ms are left, and the server still waits longer than the client.
    const agent = {
      keepAlive: true,
      agentKeepAliveTimeoutBuffer: 400,
      maxFreeSockets: 64,
      scheduling: 'lifo' as const,
    };
    this.httpAgent = new http.Agent(agent);
    this.httpsAgent = new https.Agent(agent);
  }

  /** Made when it is first needed: most of what is asked goes over `SmallReads`, also by clients that live for one question. */
  private get axios(): AxiosInstance {
    const { access } = this;
    if (this.made !== null) return this.made;
    const authorization = `Basic ${Buffer.from(`${access.username}:${access.password}`).toString('base64')}`;
    this.made = axios.create({
      baseURL: access.url,
      // Orthanc 1.10.1 compresses whatever it may: CPU on both sides for bodies of 32 bytes.
      headers: { Authorization: authorization, 'Accept-Encoding': 'identity' },
      decompress: false,
      httpAgent: this.httpAgent,
      httpsAgent: this.httpsAgent,
      // A redirect is never followed: it would carry the password elsewhere. Nor does the environment choose a proxy.
      maxRedirects: 0,
      proxy: false,
      maxContentLength: longestAnswer,
      maxBodyLength: Number.POSITIVE_INFINITY,
      validateStatus: () => true,
      transformRequest: [(data: unknown) => data],
      transformResponse: [(data: unknown) => data],
      // axios' time-out does not cover all stages of a request; an abort signal does.
      timeout: 0,
    });
    return this.made;
  }

  /** Any status; throws only when there is no whole answer. */
  async exchange(request: HttpRequest, options?: CallOptions): Promise<HttpAnswer> {
    return await this.limited(request, options, async (signal) => {
      const { status, data } = await this.send<unknown>(request, 'text', signal);
      return { status, body: typeof data === 'string' ? data : '' };
    });
  }

  /** The body of a 2xx answer; otherwise throws. */
  async ask(request: HttpRequest, options?: CallOptions): Promise<string> {
    const answer = await this.exchange(request, options);
    if (answer.status < 200 || answer.status > 299) throw this.failure(request, answer);
    return answer.body;
  }

  /**
   * The bytes of a 2xx answer as they come, handed to `use`; otherwise throws. Without a breath in between, Node would hand over up to two
   * megabytes in one turn of the event loop when whoever reads them keeps up.
   */
  async stream(request: HttpRequest, use: (bytes: Buffer) => void, options?: CallOptions): Promise<void> {
    await this.limited(request, options, async (signal) => {
      const { data, announced } = await this.opened(request, signal);
      const breathe = breather();
      for await (const bytes of this.whole(request, data, announced)) {
        use(bytes);
        await breathe();
      }
    });
  }

  /**
   * The body of a 2xx answer as a stream, with the length it announced; the time limit goes on until it was read to its end or
   * destroyed. The stream ends well only when it was whole; its errors are `OrthancError`s.
   */
  async open(
    request: HttpRequest,
    options?: CallOptions,
  ): Promise<{ readonly body: Readable; readonly bytes: number }> {
    const limit = this.limit(options);
    try {
      const { data, announced } = await this.opened(request, limit.signal);
      if (announced === null) {
        data.destroy();
        throw this.error('nonsense', request, 'an answer that does not say its length');
      }
      const mended = this.mendErrors(request, this.whole(request, data, announced), limit);
      const body = Readable.from(mended, { objectMode: false });
      // Not in the generator alone: one that was never begun runs no `finally`.
      body.once('close', () => {
        limit.end();
        data.destroy();
      });
      return { body, bytes: announced };
    } catch (error) {
      limit.end();
      throw this.mended(request, error, limit);
    }
  }

  private async opened(
    request: HttpRequest,
    signal: AbortSignal,
  ): Promise<{ readonly data: Readable; readonly announced: number | null }> {
    const { status, data, headers } = await this.send<Readable>(request, 'stream', signal);
    if (status < 200 || status > 299) {
      let words = '';
      for await (const bytes of data) if (words.length < 65_536) words += String(bytes);
      throw this.failure(request, { status, body: words });
    }
    const length = headers['content-length'];
    return { data, announced: length === undefined ? null : Number(length) };
  }

  private async *whole(
    request: HttpRequest,
    data: Readable,
    announced: number | null,
  ): AsyncGenerator<Buffer, void, undefined> {
    let received = 0;
    for await (const bytes of data) {
      if (!Buffer.isBuffer(bytes)) throw this.error('nonsense', request, 'bytes expected');
      received += bytes.length;
      yield bytes;
    }
    // Node reports a body that breaks off; a proxy that ends it early with a clean close is caught here.
    if (announced !== null && announced !== received) {
      throw this.error('unreachable', request, `${received} bytes instead of the ${announced} announced`);
    }
  }

  private async *mendErrors(
    request: HttpRequest,
    bytes: AsyncIterable<Buffer>,
    limit: Limit,
  ): AsyncGenerator<Buffer, void, undefined> {
    try {
      yield* bytes;
    } catch (error) {
      throw this.mended(request, error, limit);
    }
  }

  /** What an answer that is no success means. */
  failure(request: Pick<HttpRequest, 'method' | 'path'>, answer: HttpAnswer): OrthancError {
    const said = errorAnswer.safeParse(parseJson(answer.body));
    const details = said.success ? (said.data.Details ?? said.data.Message) : undefined;
    const code = codeOf(answer.status, said.success || answer.body === '');
    return this.error(code, request, details ?? `status ${answer.status}`, {
      status: answer.status,
      ...(details === undefined ? {} : { details }),
      ...(said.success ? { orthancStatus: said.data.OrthancStatus } : {}),
    });
  }

  error(
    code: OrthancErrorCode,
    request: Pick<HttpRequest, 'method' | 'path'>,
    what: string,
    more?: { status?: number; details?: string; orthancStatus?: number },
  ): OrthancError {
    return new OrthancError(
      this.access.name,
      code,
      `${this.access.name}: ${request.method} ${request.path}: ${what}`,
      more,
    );
  }

  close(): void {
    this.httpAgent.destroy();
    this.httpsAgent.destroy();
  }

  /** Runs it under one time limit and the caller's signal, and gives every failure its code. */
  private async limited<T>(
    request: HttpRequest,
    options: CallOptions | undefined,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const limit = this.limit(options);
    try {
      return await run(limit.signal);
    } catch (error) {
      throw this.mended(request, error, limit);
    } finally {
      limit.end();
    }
  }

  /** One time limit and the caller's signal as one signal. `end` must be called. */
  private limit(options: CallOptions | undefined): Limit {
    const limitMs = options?.timeoutMs ?? this.access.requestTimeoutMs;
    const outer = options?.signal;
    const controller = new AbortController();
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      controller.abort();
    }, limitMs);
    const stop = () => controller.abort();
    outer?.addEventListener('abort', stop, { once: true });
    if (outer?.aborted === true) controller.abort();
    return {
      signal: controller.signal,
      given: () => {
        if (timedOut) return `no whole answer within ${limitMs} ms`;
        return outer?.aborted === true ? 'given up by the caller' : null;
      },
      end: () => {
        clearTimeout(timer);
        outer?.removeEventListener('abort', stop);
      },
    };
  }

  private mended(request: HttpRequest, error: unknown, limit: Limit): OrthancError {
    if (error instanceof OrthancError) return error;
    const given = limit.given();
    return given === null ? this.broken(request, error) : this.error('timeout', request, given);
  }

  private async send<T>(
    request: HttpRequest,
    responseType: 'text' | 'stream',
    signal: AbortSignal,
  ): Promise<AxiosResponse<T>> {
    const headers = {
      ...(request.contentType === undefined ? {} : { 'Content-Type': request.contentType }),
      ...(request.bytes === undefined ? {} : { 'Content-Length': String(request.bytes) }),
    };
    const config = {
      method: request.method,
      url: request.path,
      data: request.body,
      responseType,
      signal,
      headers,
    };
    try {
      return await this.axios.request<T>(config);
    } catch (error) {
      if ((request.method !== 'GET' && request.repeatable !== true) || signal.aborted || !wasStale(error))
        throw error;
      // The server closed the idle connection just as the request went out. Other idle ones may be as old: a new one.
      return await this.axios.request<T>({
        ...config,
        httpAgent: new http.Agent(),
        httpsAgent: new https.Agent(),
      });
    }
  }

  /** What it means that there was no whole answer. */
  broken(request: Pick<HttpRequest, 'method' | 'path'>, error: unknown): OrthancError {
    const code =
      error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
    const words = error instanceof Error ? error.message : String(error);
    if (words.startsWith('maxContentLength'))
      return this.error('nonsense', request, 'the answer is too long');
    // The parsers of undici and of Node: what answers there speaks no HTTP.
    if (error instanceof errors.HTTPParserError) return this.error('nonsense', request, `no HTTP (${words})`);
    if (code?.startsWith('HPE_') === true && code !== 'HPE_INVALID_EOF_STATE')
      return this.error('nonsense', request, `no HTTP (${code})`);
    return this.error('unreachable', request, code === null ? words : `${words} (${code})`);
  }
}

function codeOf(status: number, fromOrthanc: boolean): OrthancErrorCode {
  if (status === 401 || status === 403) return 'unauthorized';
  // A page that says "not found" about the page itself, from something in between, says nothing about an instance.
  if (status === 404) return fromOrthanc ? 'not-found' : 'nonsense';
  // Slow down, try later: nothing about what was asked.
  if (status === 408 || status === 425 || status === 429) return 'server-error';
  if (status >= 500) return 'server-error';
  if (status >= 400) return 'rejected';
  return 'nonsense';
}

/** The connection had been used before, and was gone before any byte of an answer. */
function wasStale(error: unknown): boolean {
  if (!isAxiosError(error) || error.response !== undefined) return false;
  if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') return false;
  return error.request instanceof http.ClientRequest && error.request.reusedSocket;
}

/** The value, or undefined when it is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
