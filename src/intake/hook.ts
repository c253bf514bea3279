import { finished } from 'node:stream';
import express from 'express';
import { type Ledger, LedgerError, type ReceivedAnswer } from '../ledger/ledger.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Clock } from '../study.ts';
import { announcementSchema, arrivalOf, type HookAnswer } from './announcement.ts';
import { bearerMatches } from './token.ts';

export interface HookDeps {
  readonly ledger: Ledger;
  readonly token: string;
  readonly fronts: ReadonlySet<string>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Called after the answer has been handed to the socket, or could not be: nothing it does can hold up the front. */
  readonly onReceived: (studyUid: string, answer: ReceivedAnswer) => void;
}

/**
 * `POST /hook/stored`: a front announces an instance it has stored. While it waits for the answer the front serves no
 * other request, so the answer is made from the ledger alone, and what follows from it starts afterwards.
 *
 * An announcement that cannot be taken (400, 401, 503) harms nothing: the instance stands on the front, and reconciling
 * finds it there.
 */
export function createHook(deps: HookDeps): express.Router {
  const router = express.Router();

  router.post(
    '/hook/stored',
    measure,
    authorize,
    express.json({ limit: '64kb', type: () => true }),
    (req, res) => {
      const parsed = announcementSchema.safeParse(req.body);
      if (!parsed.success) {
        const problems = parsed.error.issues
          .map((issue) => `${issue.path.join('.')}: ${issue.message}`)
          .join('; ');
        refuse(res, 400, `not an announcement: ${problems}`);
        return;
      }
      const announcement = parsed.data;
      if (!deps.fronts.has(announcement.front)) {
        refuse(res, 400, `the topology has no front named ${announcement.front}`);
        return;
      }
      let answer: ReceivedAnswer;
      try {
        answer = deps.ledger.received(arrivalOf(announcement), deps.clock());
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
      const backend = answer.assignments[0]?.backend ?? null;
      const body: HookAnswer = {
        received: announcement.instance,
        backend,
        reason: backend === null ? (answer.waitingReason ?? 'the study is being placed') : null,
      };
      // Also when the front has hung up meanwhile: what is in the ledger now, nobody else would look at.
      finished(res, () => deps.onReceived(announcement.study, answer));
      deps.metrics.hookAnswers.inc({ answer: backend === null ? 'waiting' : 'assigned' });
      res.json(body);
    },
  );

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
    deps.log.warn('announcement refused', { status, reason });
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
