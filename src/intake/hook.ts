import type { IncomingMessage, ServerResponse } from 'node:http';
import { LedgerError, type ReceivedAnswer } from '../ledger/ledger.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Admission } from './admission.ts';
import { arrivalOf, type HookAnswer, readAdmissionReport, readAnnouncement } from './announcement.ts';
import type { Noting } from './noting.ts';
import { bearerMatcher } from './token.ts';

export interface HookDeps {
  readonly noting: Pick<Noting, 'note'>;
  readonly token: string;
  readonly fronts: ReadonlySet<string>;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly admission: Pick<Admission, 'reported' | 'measured'>;
  /** Of what was noted at once. Called after the answer has been handed to the socket, or could not be: nothing it does can hold up the front. */
  readonly onReceived: (studyUid: string, answer: ReceivedAnswer) => void;
}

/** A longer announcement is none. */
const longestBody = 64 * 1024;

/** Whether the request was the hook's, and has been or will be answered. */
export type Hook = (req: IncomingMessage, res: ServerResponse) => boolean;

/**
 * `POST /hook/stored`: a front announces an instance it has stored. While it waits for the answer the front serves no
 * other request, so the answer is made from memory and ledger alone, and what follows from it starts afterwards.
 *
 * An announcement that cannot be taken (400, 401, 503) harms nothing: the instance stands on the front, and reconciling
 * finds it there.
 *
 * `POST /hook/admission`: a front says whether its disk takes images, and how many it has refused.
 *
 * It stands before the web framework that serves everything else: this is asked once for each image, and going through its layers
 * cost more than what is done here.
 */
export function createHook(deps: HookDeps): Hook {
  const mayAsk = bearerMatcher(deps.token);
  const routes: ReadonlyMap<string, (content: unknown, res: ServerResponse) => void> = new Map([
    ['/hook/stored', stored],
    ['/hook/admission', reported],
  ]);

  return (req, res) => {
    const route = req.method === 'POST' ? routes.get(req.url ?? '') : undefined;
    if (route === undefined) return false;
    if (route === stored) {
      const done = deps.metrics.hookSeconds.startTimer();
      res.on('finish', () => done());
    }
    // Before the body is read: nobody without the token makes the service parse anything.
    if (!mayAsk(req.headers.authorization)) {
      req.resume();
      refuse(res, 401, 'the hook token is missing or wrong');
      return true;
    }
    readBody(req, (problem, text) => {
      if (problem !== null) {
        refuse(res, 400, problem);
        return;
      }
      const content = parsed(text);
      if (content === undefined) refuse(res, 400, 'the body is no JSON');
      else carryOut(route, content, res);
    });
    return true;
  };

  /** A mistake in here must not end the service: the front is told, and the instance is found later. */
  function carryOut(
    route: (content: unknown, res: ServerResponse) => void,
    content: unknown,
    res: ServerResponse,
  ): void {
    try {
      route(content, res);
    } catch (error) {
      deps.log.error('hook failed', {
        detail: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
      deps.metrics.hookAnswers.inc({ answer: 'failed' });
      if (!res.headersSent) answer(res, 500, { received: null, reason: 'the service failed' });
    }
  }

  function stored(content: unknown, res: ServerResponse): void {
    const announcement = understood(readAnnouncement(content), 'an announcement', res);
    if (announcement === null) return;
    let heard: ReturnType<Noting['note']>;
    try {
      heard = deps.noting.note(arrivalOf(announcement));
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      deps.log.error('announcement not noted', {
        front: announcement.front,
        study: announcement.study,
        code: error.code,
        detail: error.message,
      });
      deps.metrics.hookAnswers.inc({ answer: 'failed' });
      answer(res, 503, { received: null, reason: `ledger: ${error.code}` });
      return;
    }
    deps.admission.measured(announcement);
    const { known, noted } = heard;
    const backend = known.assignments[0]?.backend ?? null;
    const body: HookAnswer = {
      received: announcement.instance,
      backend,
      reason: backend === null ? (known.waitingReason ?? 'the study is being placed') : null,
    };
    // Also when the front has hung up meanwhile: what is in the ledger now, nobody else would look at.
    if (noted !== null) {
      const follow = (): void => deps.onReceived(announcement.study, noted);
      // Nothing is told any more of what is closed already.
      if (res.closed) setImmediate(follow);
      else res.once('close', follow);
    }
    deps.metrics.hookAnswers.inc({ answer: backend === null ? 'waiting' : 'assigned' });
    answer(res, 200, body);
  }

  function reported(content: unknown, res: ServerResponse): void {
    const report = understood(readAdmissionReport(content), 'a report', res);
    if (report === null) return;
    deps.admission.reported(report);
    answer(res, 200, { received: report.front });
  }

  /** What was read, of a front that is in the topology; null when it has been refused. */
  function understood<Read extends { readonly front: string }>(
    read: Read | readonly string[],
    what: string,
    res: ServerResponse,
  ): Read | null {
    if (isProblems(read)) {
      refuse(res, 400, `not ${what}: ${read.join('; ')}`);
      return null;
    }
    if (deps.fronts.has(read.front)) return read;
    refuse(res, 400, `the topology has no front named ${read.front}`);
    return null;
  }

  function refuse(res: ServerResponse, status: number, reason: string): void {
    deps.metrics.hookAnswers.inc({ answer: 'refused' });
    deps.log.warn('hook request refused', { status, reason });
    answer(res, status, { received: null, reason });
  }
}

/** Hands on the whole body, or what is wrong with it; nothing when it breaks off, for then nobody waits for an answer. */
function readBody(req: IncomingMessage, use: (problem: string | null, text: string) => void): void {
  const pieces: Buffer[] = [];
  let length = 0;
  req.on('data', (piece: Buffer) => {
    length += piece.length;
    if (length <= longestBody) pieces.push(piece);
  });
  req.on('end', () => {
    if (length > longestBody) use(`the body is longer than ${longestBody} bytes`, '');
    else use(null, Buffer.concat(pieces).toString('utf8'));
  });
  // The end of the connection is reported there as well, where the answer is written.
  req.on('error', () => undefined);
}

function isProblems(read: object): read is readonly string[] {
  return Array.isArray(read);
}

/** undefined: no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function answer(res: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  res.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
  res.end(text);
}
