import type { ErrorRequestHandler } from 'express';
import type { Logger } from 'winston';
import { z } from 'zod';
import { LedgerError } from '../ledger/ledger.ts';
import { OrthancError } from '../orthanc/orthanc.ts';
import { SteerError, type SteerRefusal } from '../steer/steer.ts';
import { FailoverError, type FailoverRefusal, QuarantineError } from '../transfer/failover.ts';

/** One mistake of a request: where it stands (`query.limit`, `body.weight`), and what would be right. */
export interface Mistake {
  readonly where: string;
  readonly detail: string;
}

/** An answer that is not what was asked for, as RFC 9457 has it. Thrown by routes; sent by `problemHandler`. */
export class Problem extends Error {
  readonly status: number;
  /** Last part of `type`; callers read it, never `detail`. */
  readonly code: string;
  readonly title: string;
  readonly problems: readonly Mistake[] | null;
  readonly retryAfterSeconds: number | null;
  constructor(
    status: number,
    code: string,
    title: string,
    detail: string,
    more?: { problems?: readonly Mistake[]; retryAfterSeconds?: number },
  ) {
    super(detail);
    this.name = 'Problem';
    this.status = status;
    this.code = code;
    this.title = title;
    this.problems = more?.problems ?? null;
    this.retryAfterSeconds = more?.retryAfterSeconds ?? null;
  }
}

/** All mistakes zod found, as one problem. @throws nothing; the caller throws what it returns. */
export function invalid(part: 'path' | 'query' | 'body', error: z.ZodError): Problem {
  const problems = error.issues.map((issue) => ({
    where: [part, ...issue.path.map(String)].join('.'),
    detail: issue.message,
  }));
  const detail = problems.map((one) => `${one.where}: ${one.detail}`).join('; ');
  return new Problem(400, 'invalid-request', 'The request is not valid', detail, { problems });
}

/** What an Orthanc said or did not say, as a problem. Its own words are kept: they name the mistake best. */
export function orthancProblem(error: OrthancError): Problem {
  const words = error.details ?? error.message;
  switch (error.code) {
    case 'rejected':
      return new Problem(422, 'refused', `${error.orthanc} refuses it`, words);
    case 'unreachable':
      return new Problem(503, 'orthanc-unreachable', `${error.orthanc} does not answer`, words, {
        retryAfterSeconds: 2,
      });
    case 'timeout':
      return new Problem(504, 'orthanc-timeout', `${error.orthanc} did not answer in time`, words);
    case 'server-error':
      // Admission that is closed for a while looks like this, and so does a full disk.
      return new Problem(503, 'orthanc-error', `${error.orthanc} cannot take it now`, words, {
        retryAfterSeconds: 2,
      });
    case 'unauthorized':
      return new Problem(502, 'orthanc-password', `${error.orthanc} refuses the service's password`, words);
    case 'not-found':
    case 'nonsense':
      return new Problem(
        502,
        'orthanc-nonsense',
        `${error.orthanc} gave an answer that cannot be used`,
        words,
      );
  }
}

/** This service was put together without what the route needs. */
export function notHere(what: string): Problem {
  return new Problem(501, `no-${what}`, `There is no ${what}`, 'This service runs without one.');
}

function ledgerProblem(error: LedgerError): Problem {
  switch (error.code) {
    case 'full':
      return new Problem(
        503,
        'ledger-full',
        'No space for the ledger',
        'The disk that holds the ledger is full; images wait on their front.',
      );
    case 'busy':
      return new Problem(503, 'ledger-busy', 'The ledger is busy', 'Another process holds the ledger.', {
        retryAfterSeconds: 1,
      });
    case 'damaged':
      return new Problem(
        503,
        'ledger-damaged',
        'The ledger is damaged',
        'The ledger cannot be read; see the log of the service.',
      );
    case 'newer':
      return new Problem(
        503,
        'ledger-newer',
        'The ledger is of a newer version',
        'Start the version that wrote it.',
      );
    case 'failed':
      return new Problem(500, 'ledger-failed', 'The ledger did not answer', 'See the log of the service.');
  }
}

const failoverTitles: Readonly<Record<FailoverRefusal, readonly [status: number, title: string]>> = {
  'unknown-study': [404, 'This study is not known'],
  'unknown-backend': [404, 'There is no such backend'],
  'already-there': [409, 'It is there already'],
  'has-another-copy': [409, 'Another copy of it is there'],
  'being-deleted-there': [409, 'What it left there is just being deleted'],
  'not-placed': [409, 'It has no backend yet'],
  'no-other-backend': [409, 'There is no other backend for it'],
  'not-in-conflict': [409, 'Nothing of it is in conflict there'],
};

const steerTitles: Readonly<Record<SteerRefusal, readonly [status: number, title: string]>> = {
  'unknown-backend': [404, 'There is no such backend'],
  'backend-exists': [409, 'There is such a backend already'],
  'still-bound': [409, 'The backend is needed still'],
  'topology-changed': [409, 'The topology has changed meanwhile'],
  'topology-read-only': [409, 'The topology cannot be changed from here'],
  'topology-by-hand': [409, 'This topology is changed by hand'],
  'topology-invalid': [422, 'The topology would not be valid'],
};

const quarantineTitles: Readonly<Record<QuarantineError['code'], readonly [status: number, title: string]>> =
  {
    'not-in-quarantine': [404, 'This instance is not in quarantine'],
    'unknown-backend': [404, 'There is no such backend'],
    'not-delivered': [502, 'It was not delivered'],
    'conflict-there': [409, 'The backend has other content under this identifier'],
    'front-failed': [502, 'The front did not do it'],
  };

/** What express and its parsers throw: an HTTP status, and whether the message is for the caller. */
const httpError = z.object({
  status: z.int().min(400).max(599),
  message: z.string(),
  expose: z.boolean().optional(),
});

function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof LedgerError) return ledgerProblem(error);
  if (error instanceof OrthancError) return orthancProblem(error);
  if (error instanceof FailoverError) {
    const [status, title] = failoverTitles[error.code];
    return new Problem(status, error.code, title, error.message);
  }
  if (error instanceof QuarantineError) {
    const [status, title] = quarantineTitles[error.code];
    return new Problem(status, error.code, title, error.message);
  }
  if (error instanceof SteerError) {
    const [status, title] = steerTitles[error.code];
    const problems = error.problems.map(({ path, message }) => ({ where: path, detail: message }));
    return new Problem(status, error.code, title, error.message, problems.length === 0 ? {} : { problems });
  }
  const http = httpError.safeParse(error);
  if (http.success && http.data.status < 500) {
    return new Problem(http.data.status, 'invalid-request', 'The request is not valid', http.data.message);
  }
  return new Problem(500, 'internal', 'The service made a mistake', 'See the log of the service.');
}

/**
 * The one error handler: every error becomes `application/problem+json`, none carries a stack. Errors of the service itself
 * are logged; mistakes of the caller are not, or anybody could fill the log.
 */
export function problemHandler(log: Logger): ErrorRequestHandler {
  return (error, request, response, next) => {
    const problem = problemOf(error);
    if (problem.status === 500 || error instanceof LedgerError) {
      log.error('admin request failed', {
        method: request.method,
        // Query strings may carry anything a caller typed; the path is enough to find the route.
        path: request.path,
        code: error instanceof LedgerError ? error.code : problem.code,
        error: error instanceof Error ? error.message : String(error),
      });
    }
    if (response.headersSent) {
      next(error);
      return;
    }
    if (problem.retryAfterSeconds !== null) response.set('Retry-After', String(problem.retryAfterSeconds));
    if (problem.status === 401) response.set('WWW-Authenticate', 'Bearer realm="dde"');
    // The rest of a body nobody wants is read and dropped: closing on a caller that still sends would cost it this answer.
    request.unpipe();
    request.resume();
    response
      .status(problem.status)
      .type('application/problem+json')
      .send(
        JSON.stringify({
          type: `urn:dde:problem:${problem.code}`,
          title: problem.title,
          status: problem.status,
          detail: problem.message,
          ...(problem.problems === null ? {} : { problems: problem.problems }),
        }),
      );
  };
}
