import { readFileSync } from 'node:fs';
import type { Agent } from 'node:https';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import axios, { AxiosError, type AxiosInstance, type AxiosRequestConfig, type AxiosResponse } from 'axios';
import type { Command } from 'commander';
import { z } from 'zod';
import { problemAnswer, uploadAnswer } from '../admin/schemas.ts';
import { loadTopology } from '../topology/load.ts';
import { TopologyError } from '../topology/problems.ts';
import type { ServiceConfig } from '../topology/topology.ts';
import { systemCode, UserError } from '../user-error.ts';
import type { CliContext } from './program.ts';
import { ServiceError } from './service-error.ts';
import { agentFor, isUntrusted } from './trust.ts';

/** What every command that asks the service takes. */
export interface ServiceOptions {
  readonly service?: string;
  readonly tokenFile?: string;
  readonly json?: boolean;
}

/** Nothing answers where the service should be, or it stopped in the middle of an answer. */
export class ServiceAway extends UserError {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'ServiceAway';
  }
}

export type Query = Readonly<Record<string, string | number | undefined>>;

/**
 * The admin API for commands.
 *
 * All methods throw ServiceAway when nothing answers, UserError when the token is missing or refused or the answer is none of
 * this version, and ServiceError when the service says no.
 */
export interface ServiceClient {
  readonly url: string;
  /** For requests beside these; undefined: Node's own. */
  readonly agent: Agent | undefined;
  get<S extends z.ZodType>(path: string, schema: S, query?: Query): Promise<z.output<S>>;
  patch<S extends z.ZodType>(path: string, schema: S, body: unknown): Promise<z.output<S>>;
  /** `patient`: the answer comes when images have moved, however long that takes. */
  post<S extends z.ZodType>(
    path: string,
    schema: S,
    body: unknown,
    options?: { readonly patient?: boolean },
  ): Promise<z.output<S>>;
  put<S extends z.ZodType>(path: string, schema: S, body: unknown): Promise<z.output<S>>;
  delete<S extends z.ZodType>(path: string, schema: S, body?: unknown): Promise<z.output<S>>;
  /** `timeoutMs`: until it begins. A file as a stream, and its length when the service says it. The caller reads it to its end or destroys it. */
  download(
    path: string,
    options?: { readonly timeoutMs?: number },
  ): Promise<{ readonly file: Readable; readonly bytes: number | null }>;
  /** Server-sent events, for as long as they come; `lastEventId`: those after it. Breaks with ServiceAway. */
  stream(
    path: string,
    options: { readonly signal: AbortSignal; readonly lastEventId?: string },
  ): Promise<AsyncIterable<Buffer>>;
  /** Streams one file to a front; `front` null: whichever takes it. */
  upload(file: Readable, bytes: number, front: string | null): Promise<z.output<typeof uploadAnswer>>;
}

/** Time limit of a question; the service answers from memory and ledger. */
const usualAnswerMs = 30_000;

/** Gives a command `--service`, `--token-file` and `--json`. */
export function withServiceOptions(command: Command): Command {
  return command
    .option('--service <url>', 'where the service is (default: DDE_URL, else as the topology says)')
    .option('--token-file <file>', 'file with a token (default: DDE_TOKEN, else that of the farm here)')
    .option('--json', 'print JSON for programs');
}

/**
 * @param answerMs how long an answer is waited for
 * @throws UserError when the URL is none, or there is no token
 */
export function connectService(
  context: CliContext,
  options: ServiceOptions,
  answerMs = usualAnswerMs,
): ServiceClient {
  const url = serviceUrl(context, options);
  const { token, from } = adminToken(context, options);
  const agent = url.startsWith('https:') ? agentFor(serviceConfig(context)?.tls) : undefined;
  const http = axios.create({
    baseURL: url,
    timeout: answerMs,
    proxy: false,
    maxRedirects: 0,
    validateStatus: () => true,
    responseType: 'json',
    headers: { Authorization: `Bearer ${token}` },
    ...(agent === undefined ? {} : { httpsAgent: agent }),
  });
  return {
    url,
    agent,
    get: async (path, schema, query = {}) =>
      ask(http, { method: 'get', url: path, params: query }, schema, from),
    patch: async (path, schema, body) => ask(http, { method: 'patch', url: path, data: body }, schema, from),
    post: async (path, schema, body, { patient = false } = {}) =>
      ask(http, { method: 'post', url: path, data: body, ...(patient ? { timeout: 0 } : {}) }, schema, from),
    put: async (path, schema, body) => ask(http, { method: 'put', url: path, data: body }, schema, from),
    delete: async (path, schema, body) =>
      ask(http, { method: 'delete', url: path, ...(body === undefined ? {} : { data: body }) }, schema, from),
    download: async (path, { timeoutMs = answerMs } = {}) => openFile(http, path, timeoutMs, from),
    stream: async (path, opening) => openStream(http, path, opening, from),
    upload: async (file, bytes, front) =>
      ask(
        http,
        {
          method: 'post',
          url: '/api/v1/instances',
          params: front === null ? {} : { front },
          data: file,
          headers: { 'Content-Type': 'application/dicom', 'Content-Length': String(bytes) },
          maxBodyLength: Number.POSITIVE_INFINITY,
          // The service knows how long a file of this size may take; it says so by a problem.
          timeout: 0,
        },
        uploadAnswer,
        from,
      ),
  };
}

/** Where the service is asked, no trailing slash. */
export function serviceUrl(context: CliContext, options: ServiceOptions): string {
  const given = givenUrl(context, options);
  if (given !== null) return given;
  const service = serviceConfig(context);
  if (service === null) return 'http://localhost:3000';
  const { listen, port, tls } = service;
  const host = listen === '0.0.0.0' || listen === '::' ? 'localhost' : listen;
  return `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Null: the topology has mistakes. */
function serviceConfig(context: CliContext): ServiceConfig | null {
  const { topologyFile, variables } = context.environment();
  try {
    return loadTopology(topologyFile, variables, 'ask').service;
  } catch (error) {
    // A command that only asks the service needs nothing else of the topology; `dde check` says what is wrong with it.
    if (error instanceof TopologyError) return null;
    throw error;
  }
}

/** Null: nobody has said where it is. */
function givenUrl({ env }: CliContext, { service }: ServiceOptions): string | null {
  const [name, url] = service === undefined ? ['DDE_URL', env['DDE_URL'] ?? ''] : ['--service', service];
  if (service === undefined && url === '') return null;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new UserError(`${name} is "${url}", but must be an address such as http://localhost:3000.`);
  }
  return url.replace(/\/+$/, '');
}

const thisMachine = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * There is no `--token TEXT`: what stands on a command line can be read by everybody on the machine, and stays in the shell's
 * history.
 */
function adminToken(context: CliContext, options: ServiceOptions): { token: string; from: string } {
  if (options.tokenFile !== undefined) {
    const file = resolve(context.cwd, options.tokenFile);
    return { token: tokenIn(file), from: file };
  }
  for (const name of ['DDE_TOKEN', 'DDE_ADMIN_TOKEN']) {
    const token = context.env[name];
    if (token === undefined || token === '') continue;
    if (!/^[\x21-\x7e]+$/.test(token)) throw new UserError(`${name} holds no token.`);
    return { token, from: name };
  }
  const url = givenUrl(context, options);
  // The token of the farm here is its administrator's: it is not shown to another machine that was only named.
  if (url !== null && !thisMachine.has(new URL(url).hostname)) {
    throw new UserError(`There is no token for ${url}: set DDE_TOKEN, or name a file with --token-file.`);
  }
  const { adminToken: token, adminTokenFile } = context.environment();
  if (token === null) {
    throw new UserError(
      `There is no token: set DDE_TOKEN, name a file with --token-file, or start the farm with "dde up", which writes ${adminTokenFile}.`,
    );
  }
  return { token, from: adminTokenFile };
}

function tokenIn(file: string): string {
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new UserError(`The token file ${file} cannot be read (${systemCode(error) ?? 'unknown error'}).`, {
      cause: error,
    });
  }
  if (!/^[\x21-\x7e]+$/.test(token)) throw new UserError(`The token file ${file} holds no token.`);
  return token;
}

async function ask<S extends z.ZodType>(
  http: AxiosInstance,
  request: AxiosRequestConfig,
  schema: S,
  tokenFrom: string,
): Promise<z.output<S>> {
  const url = http.defaults.baseURL ?? '';
  const response = await http.request<unknown>(request).catch((error: unknown) => {
    throw awayOf(error, url);
  });
  if (response.status >= 300) throw refusal(response, response.data, url, tokenFrom);
  const answer = schema.safeParse(response.data);
  if (!answer.success) throw foreign(url, z.prettifyError(answer.error).split('\n')[0] ?? 'unreadable');
  return answer.data;
}

async function openFile(
  http: AxiosInstance,
  path: string,
  timeoutMs: number,
  tokenFrom: string,
): Promise<{ readonly file: Readable; readonly bytes: number | null }> {
  const url = http.defaults.baseURL ?? '';
  const response = await http
    .request<Readable>({ method: 'get', url: path, responseType: 'stream', timeout: timeoutMs })
    .catch((error: unknown) => {
      throw awayOf(error, url);
    });
  if (response.status >= 300) throw refusal(response, await jsonOf(response.data), url, tokenFrom);
  const length = Number(response.headers['content-length'] ?? Number.NaN);
  return { file: response.data, bytes: Number.isSafeInteger(length) ? length : null };
}

async function openStream(
  http: AxiosInstance,
  path: string,
  { signal, lastEventId }: { readonly signal: AbortSignal; readonly lastEventId?: string },
  tokenFrom: string,
): Promise<AsyncIterable<Buffer>> {
  const url = http.defaults.baseURL ?? '';
  const response = await http
    .request<Readable>({
      method: 'get',
      url: path,
      responseType: 'stream',
      signal,
      headers: {
        Accept: 'text/event-stream',
        ...(lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId }),
      },
    })
    .catch((error: unknown) => {
      throw awayOf(error, url);
    });
  if (response.status >= 400) throw refusal(response, await jsonOf(response.data), url, tokenFrom);
  return unbroken(response.data, url);
}

/** Says of a service that dies in the middle of a stream what is said of one that does not answer. */
async function* unbroken(stream: Readable, url: string): AsyncGenerator<Buffer> {
  try {
    for await (const piece of stream) yield piece as Buffer;
  } catch (error) {
    const why = systemCode(error) ?? 'it broke off';
    throw new ServiceAway(`The service at ${url} is away (${why}); it is waited for.`, { cause: error });
  }
}

/** Null: it is no JSON, or the service stopped in the middle of it. */
async function jsonOf(body: Readable): Promise<unknown> {
  try {
    return await json(body);
  } catch {
    // What the caller makes of it says all there is to say: the answer cannot be read.
    return null;
  }
}

/** What a status of 400 and more means to the person at the keyboard. */
function refusal(
  response: Pick<AxiosResponse, 'status' | 'headers'>,
  body: unknown,
  url: string,
  tokenFrom: string,
): UserError | ServiceError {
  if (response.status === 308) {
    return new UserError(`The service at ${url} is served over TLS: name it with https://.`);
  }
  const problem = problemAnswer.safeParse(body);
  if (!problem.success) {
    const isOrthanc = /\bOrthanc\b/.test(String(response.headers['www-authenticate'] ?? ''));
    return foreign(url, isOrthanc ? 'it is an Orthanc' : `status ${response.status}`);
  }
  if (response.status === 401) {
    return new UserError(
      `The service at ${url} refuses the token of ${tokenFrom}; set DDE_TOKEN, or name the right one with --token-file.`,
    );
  }
  const retryAfter = Number(response.headers['retry-after'] ?? Number.NaN);
  const code = problem.data.type.slice(problem.data.type.lastIndexOf(':') + 1);
  // What the API calls a part of the query a person has typed as an option.
  const detail = problem.data.detail.replaceAll(/\bquery\.(\w+)/g, '--$1');
  return new ServiceError(response.status, code, detail, Number.isFinite(retryAfter) ? retryAfter : null);
}

function foreign(url: string, what: string): UserError {
  return new UserError(
    `What answers at ${url} is not this version of the service (${what}); look at --service.`,
  );
}

function awayOf(error: unknown, url: string): Error {
  if (!(error instanceof AxiosError)) return error instanceof Error ? error : new Error(String(error));
  if (isUntrusted(error.code)) {
    return new UserError(
      `The certificate of the service at ${url} is not trusted (${error.code}); name the file of its authority in NODE_EXTRA_CA_CERTS, or as service.tls.ca of the topology.`,
      { cause: error },
    );
  }
  // What does not begin as TLS does: "wrong version number" in the words of OpenSSL.
  if (url.startsWith('https:') && (error.code === 'EPROTO' || error.code?.startsWith('ERR_SSL_') === true)) {
    return new UserError(`What answers at ${url} does not speak TLS: name it with http://.`, {
      cause: error,
    });
  }
  const why =
    error.code === 'ECONNREFUSED'
      ? 'nothing listens there'
      : error.code === 'ECONNABORTED' || error.code === 'ETIMEDOUT'
        ? 'no answer in time'
        : (error.code ?? error.message);
  return new ServiceAway(
    `The service does not answer at ${url} (${why}); start it with "npm start", or name another with --service or DDE_URL.`,
    {
      cause: error,
    },
  );
}
