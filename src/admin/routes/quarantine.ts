import { pipeline } from 'node:stream/promises';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import type { QuarantinedInstance } from '../../ledger/ledger.ts';
import type { AdminDeps } from '../deps.ts';
import {
  discardAnswer,
  discardBody,
  quarantineAnswer,
  quarantineParams,
  releaseAnswer,
  releaseBody,
  retryAnswer,
  retryBody,
} from '../failover-schemas.ts';
import { callerOf } from '../guard.ts';
import { defaultLimit } from '../paging.ts';
import { presentQuarantined } from '../present-failover.ts';
import { notHere, Problem } from '../problems.ts';
import { check, goneSignal, type Route, route } from '../route.ts';
import { pageOf, pageQuery } from '../schemas.ts';

const problems = { 404: 'No such instance is in quarantine', 501: 'This service has no quarantine desk' };

/** What waits for a person, and what that person can do. The desk keeps the audit trail; downloads are noted here. */
export function quarantineRoutes(
  deps: Pick<AdminDeps, 'ledger' | 'fronts' | 'topology' | 'clock' | 'quarantine'>,
): readonly Route[] {
  const { ledger, clock, quarantine: desk } = deps;

  function known(front: string, orthancId: string): QuarantinedInstance {
    const instance = ledger.quarantinedInstance(front, orthancId);
    if (instance === null) throw notInQuarantine(`Instance ${orthancId} of ${front} is not in quarantine.`);
    return instance;
  }

  return [
    route({
      method: 'get',
      path: '/api/v1/quarantine',
      summary: 'Instances that stay on their front until a person decides, oldest first',
      query: pageQuery,
      answer: pageOf(quarantineAnswer),
      handle: ({ query: { limit, cursor } }) => {
        const page = ledger.quarantined({
          limit: limit ?? defaultLimit,
          ...(cursor === undefined ? {} : { cursor }),
        });
        const now = clock();
        return { items: page.items.map((one) => presentQuarantined(one, now)), next: page.next };
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/quarantine/:front/:id',
      summary: 'One of them',
      params: quarantineParams,
      answer: quarantineAnswer,
      problems: { 404: problems[404] },
      handle: ({ params: { front, id } }) => presentQuarantined(known(front, id), clock()),
    }),
    fileRoute(deps, known),
    route({
      method: 'post',
      path: '/api/v1/quarantine/retry',
      summary: 'Tries again where the study is bound: one instance, or all of the study',
      body: retryBody,
      answer: retryAnswer,
      problems,
      handle: ({ body: { study, instance }, caller }) => {
        if (desk === undefined) throw notHere('quarantine-desk');
        const retried = desk.retry({ studyUid: study, orthancId: instance ?? null, who: caller.name });
        if (retried > 0) return { retried };
        throw notInQuarantine(
          instance === undefined
            ? `Nothing of study ${study} is in quarantine.`
            : `Instance ${instance} of study ${study} is not in quarantine.`,
        );
      },
    }),
    route({
      method: 'post',
      path: '/api/v1/quarantine/:front/:id/release',
      summary: 'Sends it to this backend now, proves it there, and has the front let go of it',
      params: quarantineParams,
      body: releaseBody,
      answer: releaseAnswer,
      problems: {
        ...problems,
        409: 'The backend has other content under this identifier',
        502: 'It was not delivered, or the front did not let go of it',
      },
      handle: async ({ params: { front, id }, body: { backend, replace }, caller }) => {
        if (desk === undefined) throw notHere('quarantine-desk');
        const { md5 } = await desk.release({
          front,
          orthancId: id,
          backend,
          replace: replace ?? false,
          who: caller.name,
        });
        return { front, orthancId: id, backend, md5 };
      },
    }),
    route({
      method: 'post',
      path: '/api/v1/quarantine/:front/:id/discard',
      summary:
        'Gives it up: deleted on the front, and recorded. For one that vanished there: takes note of it',
      role: 'admin',
      params: quarantineParams,
      body: discardBody,
      answer: discardAnswer,
      problems: { ...problems, 502: 'The front did not delete it' },
      handle: async ({ params: { front, id }, caller }) => {
        if (desk === undefined) throw notHere('quarantine-desk');
        await desk.discard({ front, orthancId: id, who: caller.name });
        return { front, orthancId: id, discarded: true as const };
      },
    }),
  ];
}

/** The file as the front has it, streamed: it is never held here as a whole. */
function fileRoute(
  { ledger, fronts, topology, clock }: Pick<AdminDeps, 'ledger' | 'fronts' | 'topology' | 'clock'>,
  known: (front: string, orthancId: string) => QuarantinedInstance,
): Route {
  const { baseMs, bytesPerSecond } = topology.routing.transferTimeout;
  const download: RequestHandler = async (request, response) => {
    const { front: name, id } = check('path', quarantineParams, request.params);
    const instance = known(name, id);
    const front = fronts.get(name);
    if (front === undefined) {
      throw new Problem(404, 'unknown-front', 'There is no such front', `${name} has left the topology.`);
    }
    const gone = goneSignal(request);
    const opened = await front.download(id, {
      signal: gone,
      timeoutMs: baseMs + (instance.bytes / bytesPerSecond) * 1000,
    });
    if (opened === null) throw notInQuarantine(`${name} does not hold instance ${id} any more.`);
    // It carries a patient's data out of the farm: that is worth an entry, although nothing is changed.
    try {
      ledger.audit({
        at: clock(),
        who: callerOf(response).name,
        action: 'quarantine-download',
        target: id,
        detail: `${opened.bytes} bytes from ${name}, study ${instance.studyUid}`,
      });
    } catch (error) {
      opened.file.destroy();
      throw error;
    }
    response
      .set('Cache-Control', 'no-store')
      .set('Content-Type', 'application/dicom')
      .set('Content-Length', String(opened.bytes))
      .set('Content-Disposition', `attachment; filename="${id}.dcm"`);
    try {
      await pipeline(opened.file, response);
    } catch (error) {
      // Whoever hung up in the middle is nobody's mistake; a front that breaks off is, and the caller sees a short file.
      if (!gone.aborted) throw error;
    }
  };
  return {
    method: 'get',
    path: '/api/v1/quarantine/:front/:id/file',
    summary: 'Its DICOM file, as the front has it',
    role: 'operate',
    params: quarantineParams,
    query: null,
    body: null,
    bodyType: null,
    bodyOptional: false,
    answer: z.unknown(),
    answerType: 'application/dicom',
    problems: { 404: problems[404], 503: 'The front does not answer' },
    handlers: [download],
  };
}

function notInQuarantine(detail: string): Problem {
  return new Problem(404, 'not-in-quarantine', 'This instance is not in quarantine', detail);
}
