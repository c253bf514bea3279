import express, { type Router } from 'express';
import { apiDocs } from './api-docs.ts';
import { createAttempts } from './attempts.ts';
import { dashboard } from './dashboard.ts';
import type { AdminDeps } from './deps.ts';
import { sendSeldomChanging } from './etag.ts';
import { createExplorerLinks } from './explorer.ts';
import { createAuthenticate, createGuard, requireLocalHost } from './guard.ts';
import { livez, readyz } from './health.ts';
import { metricsRoute } from './metrics/route.ts';
import { openApi } from './openapi.ts';
import { Problem, problemHandler } from './problems.ts';
import { mount, mountOpen } from './route.ts';
import { accountRoutes } from './routes/accounts.ts';
import { auditRoutes } from './routes/audit.ts';
import { backupRoutes } from './routes/backup.ts';
import { evacuationRoutes } from './routes/evacuation.ts';
import { failoverRoutes } from './routes/failover.ts';
import { farmRoutes } from './routes/farm.ts';
import { instanceRoutes } from './routes/instances.ts';
import { logLevelRoutes } from './routes/log-level.ts';
import { observeRoutes } from './routes/observe.ts';
import { quarantineRoutes } from './routes/quarantine.ts';
import { seriesRoutes } from './routes/series.ts';
import { shadowRoutes } from './routes/shadow.ts';
import { simulationRoutes } from './routes/simulations.ts';
import { steerRoutes } from './routes/steer.ts';
import { studyRoutes } from './routes/studies.ts';
import { topologyRoutes } from './routes/topology.ts';
import { secureHeaders } from './secure-headers.ts';

export type { AdminDeps } from './deps.ts';

/**
 * Everything people, their scripts and their monitoring ask the service: `/api/v1`, `/openapi.json`, `/livez`, `/readyz`,
 * `/metrics`, the API as a page at `/api-docs/`, and the dashboard at `/`. A token or a session is needed for all that says something
 * about the farm; the dashboard's files say nothing, it asks the API like everybody else.
 *
 * Mount it after the hook: it answers every path it is asked.
 */
export function createAdmin(deps: AdminDeps): Router {
  const router = express.Router({ caseSensitive: true, strict: true });
  const authenticate = createAuthenticate(deps.accounts, createAttempts());
  const routes = [
    ...accountRoutes(deps, authenticate),
    ...studyRoutes(deps, createExplorerLinks(deps)),
    ...failoverRoutes(deps),
    ...farmRoutes(deps),
    ...steerRoutes(deps),
    ...topologyRoutes(deps),
    ...shadowRoutes(deps),
    ...evacuationRoutes(deps),
    ...quarantineRoutes(deps),
    ...auditRoutes(deps),
    ...backupRoutes(deps),
    ...logLevelRoutes(deps),
    ...instanceRoutes(deps),
    ...observeRoutes(deps),
    ...seriesRoutes(deps),
    ...simulationRoutes(deps),
  ];
  const description = JSON.stringify(openApi(routes, deps.version), null, 1);

  router.get('/livez', livez(deps));
  router.get('/readyz', readyz(deps));
  router.use(secureHeaders(deps.topology));
  router.use(requireLocalHost(deps.topology.service));
  router.use(apiDocs());
  router.get('/openapi.json', (request, response) => {
    sendSeldomChanging(request, response, description, 'public');
  });
  mountOpen(router, routes);
  router.use(['/api', '/metrics'], createGuard(deps.accounts, authenticate));
  router.get('/metrics', metricsRoute(deps));
  mount(router, routes);
  router.use(...dashboard(deps.log));
  router.use((request) => {
    throw new Problem(
      404,
      'unknown-path',
      'There is nothing here',
      `Nothing answers to ${request.method} ${request.path}; /openapi.json lists what does.`,
    );
  });
  router.use(problemHandler(deps.log));
  return router;
}
