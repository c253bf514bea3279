/** How long the service may take to answer; sending a file and a release may take longer and say so. */
const usualMs = 20_000;

/** An answer that is not what was asked for: the problem of RFC 9457, or that there was no answer. */
export class ApiProblem extends Error {
  readonly status: number;
  /** Last part of the problem's type; `no-answer` when the service did not answer. */
  readonly code: string;
  readonly title: string;
  constructor(status: number, code: string, title: string, detail: string) {
    // What the API calls a part of the body is a field here.
    super(detail.replaceAll(/\bbody\.(?=\w)/g, ''));
    this.name = 'ApiProblem';
    this.status = status;
    this.code = code;
    this.title = title;
  }
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

let onSignedOut: () => void = () => undefined;

/** Called when an answer says that the session is over. */
export function whenSignedOut(callback: () => void): void {
  onSignedOut = callback;
}

/** Address of a part of the API, relative to the page, so that it works behind a proxy with a path of its own. */
export function apiUrl(
  path: string,
  query: Readonly<Record<string, string | number | undefined>> = {},
): string {
  const words = Object.entries(query)
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
  return `api/v1${path}${words.length === 0 ? '' : `?${words.join('&')}`}`;
}

/** @throws ApiProblem */
export async function api<T>(
  method: Method,
  path: string,
  body?: unknown,
  { signal, timeoutMs = usualMs }: { readonly signal?: AbortSignal; readonly timeoutMs?: number } = {},
): Promise<T> {
  const limit = AbortSignal.timeout(timeoutMs);
  const isFile = body instanceof Blob;
  let response: Response;
  try {
    response = await fetch(apiUrl(path), {
      method,
      headers: {
        // No page elsewhere can send it without being asked first.
        'X-DDE-Request': '1',
        ...(body === undefined ? {} : { 'Content-Type': isFile ? 'application/dicom' : 'application/json' }),
      },
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      ...(body === undefined ? {} : { body: isFile ? body : JSON.stringify(body) }),
    });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    const detail = limit.aborted
      ? `It gave no answer within ${Math.round(timeoutMs / 1000)} s.`
      : 'Is it running, and can this browser reach it?';
    throw new ApiProblem(0, 'no-answer', 'The service does not answer', detail);
  }
  const text = await response.text();
  if (response.ok) return (text === '' ? undefined : JSON.parse(text)) as T;
  const problem = problemOf(response.status, text);
  // Signing in with a wrong token is answered so too, and no session ends by it.
  if (response.status === 401 && path !== '/session') onSignedOut();
  throw problem;
}

export const get = <T>(
  path: string,
  query: Parameters<typeof apiUrl>[1] = {},
  signal?: AbortSignal,
): Promise<T> =>
  api<T>(
    'GET',
    apiUrl(path, query).slice('api/v1'.length),
    undefined,
    signal === undefined ? {} : { signal },
  );

export function asProblem(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error;
  return new ApiProblem(
    0,
    'page',
    'This page made a mistake',
    error instanceof Error ? error.message : String(error),
  );
}

function problemOf(status: number, text: string): ApiProblem {
  try {
    const { type, title, detail } = JSON.parse(text) as { type?: string; title?: string; detail?: string };
    return new ApiProblem(
      status,
      type?.split(':').at(-1) ?? 'unknown',
      title ?? `Answer ${status}`,
      detail ?? '',
    );
  } catch {
    // A proxy between us answers in words of its own.
    return new ApiProblem(status, 'unknown', `The service answered ${status}`, text.slice(0, 200));
  }
}
