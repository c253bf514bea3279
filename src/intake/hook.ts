import { finished } from 'node:stream';
import express from 'express';
import type { z } from 'zod';
import { LedgerError, type ReceivedAnswer } from '../ledger/ledger.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Admission } from './admission.ts';
import { admissionReportSchema, announcementSchema, arrivalOf, type HookAnswer } from './announcement.ts';
import type { Noting } from './noting.ts';
import { bearerMatches } from './token.ts';

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

/**
 * `POST /hook/stored`: a front announces an instance it has stored. While it waits for the answer the front serves no
 * other request, so the answer is made from memory and ledger alone, and what follows from it starts afterwards.
 *
 * An announcement that cannot be taken (400, 401, 503) harms nothing: the instance stands on the front, and reconciling
 * finds it there.
 *
 * `POST /hook/admission`: a front says whether its disk takes images, and how many it has refused.
 */
export function createHook(deps: HookDeps): express.Router {
  const router = express.Router();

  router.post(
    '/hook/stored',
    measure,
    authorize,
    express.json({ limit: '64kb', type: () => true }),
    (req, res) => {
      const announcement = understood(announcementSchema, 'an announcement', req, res);
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
        res.status(503).json({ received: null, reason: `ledger: ${error.code}` });
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
      if (noted !== null) finished(res, () => deps.onReceived(announcement.study, noted));
      deps.metrics.hookAnswers.inc({ answer: backend === null ? 'waiting' : 'assigned' });
      res.json(body);
    },
  );

  router.post('/hook/admission', authorize, express.json({ limit: '64kb', type: () => true }), (req, res) => {
    const report = understood(admissionReportSchema, 'a report', req, res);
    if (report === null) return;
    deps.admission.reported(report);
    res.json({ received: report.front });
  });

  /** The body, of a front that is in the topology; null when it has been refused. */
  function understood<Content extends { readonly front: string }>(
    schema: z.ZodType<Content>,
    what: string,
    req: express.Request,
    res: express.Response,
  ): Content | null {
    const parsed = schema.safeParse(req.body);
    if (!parsed.success) {
      const problems = parsed.error.issues
        .map((issue) => `${issue.path.join('.')}: ${issue.message}`)
        .join('; ');
      refuse(res, 400, `not ${what}: ${problems}`);
      return null;
    }
    if (deps.fronts.has(parsed.data.front)) return parsed.data;
    refuse(res, 400, `the topology has no front named ${parsed.data.front}`);
    return null;
  }

  function measure(_req: express.Request, res: express.Response, next: express.NextFunction): void {
    const done = deps.metrics.hookSeconds.startTimer();
    res.on('finish', () => done());
    next();
  }

  // Before the body is read: nobody without the token makes the service parse anything.
  function authorize(req: express.Request, res: express.Response, next: express.NextFunction): void {
    if (bearerMatches(req.headers.authorization, deps.token)) next();
    else refuse(res, 401, 'the hook token is missing or wrong');
  }

  function refuse(res: express.Response, status: number, reason: string): void {
    deps.metrics.hookAnswers.inc({ answer: 'refused' });
    deps.log.warn('hook request refused', { status, reason });
    res.status(status).json({ received: null, reason });
  }

  // A body that is no JSON, too large, or cut off.
  router.use(
    '/hook',
    (error: unknown, _req: express.Request, res: express.Response, next: express.NextFunction) => {
      if (res.headersSent) {
        next(error);
        return;
      }
      refuse(res, 400, error instanceof Error ? error.message : 'unreadable request');
    },
  );

  return router;
}
