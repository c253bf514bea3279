import { createServer, type Server } from 'node:http';
import express from 'express';
import { onTestFinished } from 'vitest';
import type { z } from 'zod';
import { createAccounts } from '../../src/admin/accounts.ts';
import { type AdminDeps, createAdmin } from '../../src/admin/admin.ts';
import { createFlow, type Flow } from '../../src/backends/flow.ts';
import { policyNamed } from '../../src/decision/policies.ts';
import { silentLogger } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import type { Expected } from '../../src/transfer/choose-anew.ts';
import { createEvacuator } from '../../src/transfer/evacuate.ts';
import { createFailover } from '../../src/transfer/failover-live.ts';
import { createHealer } from '../../src/transfer/heal.ts';
import { createQuarantineDesk } from '../../src/transfer/quarantine.ts';
import { type Rig, rig } from '../backends/rig.ts';
import { rigTopology } from './topology.ts';

export { rigTopology } from './topology.ts';

const token = 'token-of-this-rig';

export interface AdminRig extends Rig {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** What comes and goes, for the test to say. */
  readonly flow: Flow;
  /** Ends what goes on for as long as somebody listens, as the end of the service does. */
  readonly ending: AbortController;
  /** Status and parsed body; the path is without `/api/v1`. */
  ask(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }>;
  get<T>(path: string, schema: z.ZodType<T>): Promise<T>;
  /** All of `/metrics`. */
  metrics(): Promise<string>;
}

/**
 * The admin API over a real ledger, a real pool of three backends that are up, and the real rooms, none of which is ticking: what is
 * seen is what the request did.
 * @param withRooms false: a service that was put together without them
 * @param more what this service is given beside, or instead
 */
export async function adminRig(
  withRooms = true,
  more: (base: Rig) => Partial<AdminDeps> = () => ({}),
): Promise<AdminRig> {
  const base = await rig(rigTopology.backends);
  onTestFinished(() => base[Symbol.asyncDispose]());
  base.allUp();
  const { ledger, pool, time } = base;
  const common = { ledger, pool, clock: time.clock, log: silentLogger(), timers: time };
  const orthancs = { fronts: new Map(), backends: new Map() };
  const { transferTimeout } = rigTopology.routing;
  const policy = () => policyNamed('least-in-flight');
  const expected: Expected = ({ instances, bytes }) => ({ instances, bytes, arrivesIn: 0 });
  const nothing = (): void => undefined;
  const rooms = {
    failover: createFailover({
      ...common,
      backends: orthancs.backends,
      policy,
      expected,
      rebindAfterMs: null,
      healAfterMs: null,
      lookupTimeoutMs: 100,
      onRebound: nothing,
    }),
    healer: createHealer({ ...common, ...orthancs, transferTimeout, random: () => 0.5 }),
    evacuator: createEvacuator({
      ...common,
      backends: orthancs.backends,
      policy,
      expected,
      onRebound: nothing,
    }),
    quarantine: createQuarantineDesk({ ...common, ...orthancs, transferTimeout, onRequeued: nothing }),
    reconcile: () => Promise.resolve(),
  };
  const flow = createFlow(time.clock);
  const ending = new AbortController();
  const app = express();
  app.use(
    createAdmin({
      ...common,
      ...orthancs,
      ...(withRooms ? rooms : {}),
      accounts: createAccounts({ ...common, fileToken: token }),
      flow,
      ending: ending.signal,
      topology: rigTopology,
      version: '0.0.0',
      startedAt: time.clock(),
      registry: createMetrics().registry,
      ...more(base),
    }),
  );
  const server = createServer(app);
  const url = await listening(server);
  onTestFinished(() => closed(server));

  const headers = { authorization: `Bearer ${token}` };
  const ask: AdminRig['ask'] = async (method, path, body) => {
    const answer = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: await answer.json() };
  };
  return {
    ...base,
    url,
    headers,
    flow,
    ending,
    ask,
    get: async (path, schema) => schema.parse((await ask('GET', path)).body),
    metrics: async () => await (await fetch(`${url}/metrics`, { headers })).text(),
  };
}

function listening(server: Server): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('it listens on no port'));
      else resolve(`http://127.0.0.1:${address.port}`);
    });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
