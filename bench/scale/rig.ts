import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { freePort, freePorts } from '../../test/support/ports.ts';
import { type ServiceProcess, serviceProcess } from '../../test/support/service-process.ts';
import { until } from '../../test/support/wait.ts';
import { type LightFarm, startLightFarm } from './light-farm.ts';

export const frontName = 'front';
export const hookToken = 'hook-token-of-this-bench';
const adminToken = 'token-of-this-bench';

/** One light front, light backends, and a topology that names them. */
export interface Rig extends Disposable {
  readonly farm: LightFarm;
  readonly backends: readonly string[];
  /** A service on the ledger in this folder; not started yet. */
  service(home: string): ServiceProcess;
}

export async function startRig(folder: string, backendCount: number): Promise<Rig> {
  const frontPort = await freePort();
  const ports = await freePorts(backendCount);
  const servicePort = await freePort();
  const backends = ports.map((port, index) => ({ name: `orthanc${index + 1}`, port }));
  const farm = await startLightFarm(frontPort, backends);
  const url = (port: number): string => `http://127.0.0.1:${port}`;
  const password = { env: 'DDE_PASSWORD' };
  const topology = {
    service: { listen: '127.0.0.1', port: servicePort, url: url(servicePort) },
    fronts: [{ name: frontName, url: url(frontPort), password }],
    backends: backends.map(({ name, port }) => ({ name, url: url(port), password })),
    // Short, so that studies also settle and leave the front while it is measured. All else is as it is by default.
    routing: { settle: '5 s' },
    history: { sample: '2 s' },
  };
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'topology.yaml');
  writeFileSync(file, stringify(topology));
  return {
    farm,
    backends: backends.map(({ name }) => name),
    service: (home) =>
      serviceProcess({
        port: servicePort,
        home,
        token: adminToken,
        env: {
          DDE_HOME: home,
          DDE_TOPOLOGY: file,
          DDE_ADMIN_TOKEN: adminToken,
          DDE_HOOK_TOKEN: hookToken,
          DDE_PASSWORD: 'password',
          DDE_LOG_LEVEL: 'info',
        },
      }),
    [Symbol.dispose]: () => farm[Symbol.dispose](),
  };
}

/** Starts it; milliseconds from the start of its process until it says that it is ready. */
export async function startTimed(service: ServiceProcess): Promise<number> {
  const began = performance.now();
  await service.start();
  await until(async () => (await fetch(`${service.url}/readyz`)).ok, {
    what: 'the service to be ready',
    timeoutMs: 120_000,
    intervalMs: 10,
  });
  return performance.now() - began;
}

/** Since the ledger began. */
export async function provenSoFar(service: ServiceProcess): Promise<number> {
  return (await service.get<{ proven: number }>('/api/v1/totals')).proven;
}
