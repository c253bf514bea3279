import type { z } from 'zod';
import { type HttpRequest, type OrthancHttp, parseJson } from './http.ts';
import { type CallOptions, OrthancError } from './orthanc.ts';

/** The answer, checked for its shape. @throws OrthancError `nonsense` when it has another */
export async function askFor<T extends z.ZodType>(
  http: OrthancHttp,
  request: HttpRequest,
  answer: T,
  options?: CallOptions,
): Promise<z.output<T>> {
  return understood(http, request, answer, await http.ask(request, options));
}

/** The body of an answer, checked for its shape. @throws OrthancError `nonsense` when it has another */
export function understood<T extends z.ZodType>(
  http: OrthancHttp,
  request: Pick<HttpRequest, 'method' | 'path'>,
  answer: T,
  body: string,
): z.output<T> {
  const parsed = answer.safeParse(parseJson(body));
  if (parsed.success) return parsed.data;
  // Where it differs, not what stands there: an answer may hold a patient's name.
  const where = parsed.error.issues
    .map((issue) => `${issue.path.join('.') || 'answer'} ${issue.code}`)
    .slice(0, 3);
  throw http.error('nonsense', request, `not the answer to this question (${where.join(', ')})`);
}

/** Null for these failures; all others are thrown. */
export async function orNull<T>(call: Promise<T>, codes: readonly OrthancError['code'][]): Promise<T | null> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof OrthancError && codes.includes(error.code)) return null;
    throw error;
  }
}
