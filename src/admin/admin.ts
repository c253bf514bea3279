import { fileURLToPath } from 'node:url';
import express, { type Router } from 'express';
import helmet from 'helmet';
import type { AdminDeps } from './deps.ts';
import { createExplorerLinks } from './explorer.ts';
import { requireLocalHost, requireToken } from './guard.ts';
import { livez, readyz } from './health.ts';
import { metricsRoute } from './metrics.ts';
import { openApi } from './openapi.ts';
import { Problem, problemHandler } from './problems.ts';
import { mount } from './route.ts';
import { auditRoutes } from './routes/audit.ts';
import { backupRoutes } from './routes/backup.ts';
import { evacuationRoutes } from './routes/evacuation.ts';
import { failoverRoutes } from './routes/failover.ts';
import { farmRoutes } from './routes/farm.ts';
import { instanceRoutes } from './routes/instances.ts';
import { observeRoutes } from './routes/observe.ts';
import { quarantineRoutes } from './routes/quarantine.ts';
import { seriesRoutes } from './routes/series.ts';
import { shadowRoutes } from './routes/shadow.ts';
import { studyRoutes } from './routes/studies.ts';

export type { AdminDeps } from './deps.ts';

/**
 * Everything people, their scripts and their monitoring ask the service: `/api/v1`, `/openapi.json`, `/livez`, `/readyz`,
 * `/metrics`, and a page at `/`. The admin token is needed for all that says something about the farm; the page itself says
 * nothing, it asks the API with the token from its own address.
 *
 * Mount it after the hook: it answers every path it is asked.
 *
 * @throws Error when the admin token is empty
 */
export function createAdmin(deps: AdminDeps): Router {
  const router = express.Router({ caseSensitive: true, strict: true });
  const routes = [
    ...studyRoutes(deps, createExplorerLinks(deps)),
    ...failoverRoutes(deps),
    ...farmRoutes(deps),
    ...shadowRoutes(deps),
    ...evacuationRoutes(deps),
    ...quarantineRoutes(deps),
    ...auditRoutes(deps),
    ...backupRoutes(deps),
    ...instanceRoutes(deps),
    ...observeRoutes(deps),
    ...seriesRoutes(deps),
  ];
  const description = JSON.stringify(openApi(routes, deps.version), null, 1);
  const token = requireToken(deps.adminToken);

  router.get('/livez', livez(deps));
  router.get('/readyz', readyz(deps));
  router.use(secureHeaders());
  router.use(requireLocalHost(deps.topology.service));
  router.get('/openapi.json', (_request, response) => {
    response.type('application/json').send(description);
  });
  router.use(['/api', '/metrics'], token);
  router.get('/metrics', metricsRoute(deps));
  mount(router, routes);
  router.use(
    express.static(fileURLToPath(new URL('page', import.meta.url)), { cacheControl: false, redirect: false }),
  );
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

/** Nothing from elsewhere, nothing inline, no framing. No HSTS: the service speaks HTTP, TLS is a proxy's. */
function secureHeaders() {
  return helmet({
    strictTransportSecurity: false,
    referrerPolicy: { policy: 'no-referrer' },
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
  });
}
