import { logLevels } from '../../log-levels.ts';
import type { AdminDeps } from '../deps.ts';
import { logLevelAnswer, logLevelBody } from '../log-schemas.ts';
import { type Route, route } from '../route.ts';

/** How much the service writes into its log, while it runs: after a restart that is what its environment says again. */
export function logLevelRoutes({
  ledger,
  clock,
  log,
}: Pick<AdminDeps, 'ledger' | 'clock' | 'log'>): readonly Route[] {
  const now = () => ({ level: logLevels.find((level) => level === log.level) ?? ('info' as const) });
  return [
    route({
      method: 'get',
      path: '/api/v1/log-level',
      summary: 'How much the service writes into its log',
      answer: logLevelAnswer,
      handle: now,
    }),
    route({
      method: 'put',
      path: '/api/v1/log-level',
      summary: 'Has the service write more or less into its log, until it is started anew',
      role: 'admin',
      body: logLevelBody,
      answer: logLevelAnswer,
      handle: ({ body, caller }) => {
        const { level: before } = now();
        ledger.audit({
          at: clock(),
          who: caller.name,
          action: 'log-level',
          target: body.level,
          detail: `before: ${before}`,
        });
        log.level = body.level;
        return now();
      },
    }),
  ];
}
