import type { RequestHandler } from 'express';
import type { AdminDeps } from '../deps.ts';
import { collectBackends } from './backends.ts';
import { forgetDeparted } from './departed.ts';
import { collectLedger } from './ledger.ts';
import { collectMachine } from './machine.ts';

/**
 * Serves `/metrics`. What the ledger and the pool know is read once for each scrape instead of being counted along: it is
 * right after a restart, and two counts of one thing cannot drift apart.
 */
export function metricsRoute(deps: AdminDeps): RequestHandler {
  const collectors = [collectLedger(deps), collectBackends(deps)];
  const machine = collectMachine(deps);
  const forget = forgetDeparted(deps);
  return async (_request, response) => {
    await machine();
    await forget();
    for (const collect of collectors) collect();
    const text = await deps.registry.metrics();
    response.set('Content-Type', deps.registry.contentType).set('Cache-Control', 'no-store').send(text);
  };
}
