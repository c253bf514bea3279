import { join } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { generateFiles } from '../../src/generate/generate.ts';
import { writeGenerated } from '../../src/generate/write.ts';
import { loadTopology } from '../../src/topology/load.ts';
import type { Topology } from '../../src/topology/topology.ts';
import { type OrthancProcess, startOrthanc } from './orthanc-process.ts';
import { freePort } from './ports.ts';
import { type ServiceProcess, serviceProcess } from './service-process.ts';
import { tempDir } from './temp.ts';
import { until } from './wait.ts';

export interface FarmOptions {
  readonly fronts?: number;
  readonly backends?: number;
  /** As in the topology; default 1 s, so that tests see the front empty soon. */
  readonly settle?: string;
  /** More of the topology's `service`. */
  readonly service?: Readonly<Record<string, unknown>>;
  /** More of the topology's `routing`. */
  readonly routing?: Readonly<Record<string, unknown>>;
  readonly history?: Readonly<Record<string, unknown>>;
  /** More for each backend, by name, such as `{ orthanc1: { weight: 2 } }`. */
  readonly backend?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Orthanc configuration on top of the generated one, by name. */
  readonly orthancConfig?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** How the service and the fronts reach a backend, when not directly: gives the address for its real one. */
  readonly via?: (backend: string, url: string) => Promise<string>;
  /** How the fronts reach the service, when not directly. */
  readonly serviceVia?: (url: string) => Promise<string>;
  /** How the service reaches a front, when not directly. */
  readonly frontVia?: (front: string, url: string) => Promise<string>;
  /** Folder for storage and index of an Orthanc, by name; default one of its own. */
  readonly storage?: Readonly<Record<string, string>>;
  /** Folder for the index alone. */
  readonly index?: Readonly<Record<string, string>>;
  /** The service's state folder; default the farm's own folder. */
  readonly home?: string;
  /** More for the environment of the service alone. */
  readonly serviceEnv?: Readonly<Record<string, string>>;
  /** Default true. */
  readonly startService?: boolean;
}

export interface Farm extends AsyncDisposable {
  readonly topology: Topology;
  /** The service's state folder. */
  readonly home: string;
  /** Where topology, generated files and the service's log are. */
  readonly folder: string;
  readonly fronts: readonly OrthancProcess[];
  readonly front: OrthancProcess;
  readonly backends: ReadonlyMap<string, OrthancProcess>;
  readonly service: ServiceProcess;
  backend(name: string): OrthancProcess;
  stop(): Promise<void>;
}

/**
 * A whole farm of real processes on free ports, from a topology of its own through the same loading and generating as a
 * user's: fronts with the generated configuration and Lua, backends, and the service as a process that can be killed.
 */
export async function startFarm(options: FarmOptions = {}): Promise<Farm> {
  const dir = await tempDir('farm');
  const undo: (() => Promise<unknown>)[] = [() => dir.remove()];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const home = options.home ?? dir.path;
    const servicePort = await freePort();
    const serviceUrl = `http://127.0.0.1:${servicePort}`;
    const hookUrl = (await options.serviceVia?.(serviceUrl)) ?? serviceUrl;
    const fronts = await members('front', options.fronts ?? 1);
    const backends = await members('orthanc', options.backends ?? 2);
    const topologyFile = join(dir.path, 'orthanc-config', 'topology.yaml');
    const document = {
      service: { listen: '127.0.0.1', port: servicePort, url: hookUrl, ...options.service },
      fronts: await Promise.all(
        fronts.map(async (front) => {
          const url = `http://127.0.0.1:${front.httpPort}`;
          return {
            name: front.name,
            url: (await options.frontVia?.(front.name, url)) ?? url,
            publicUrl: url,
            password: { env: 'DDE_FRONT_PASSWORD' },
            run: runOf(front),
          };
        }),
      ),
      backends: await Promise.all(
        backends.map(async (backend) => {
          const url = `http://127.0.0.1:${backend.httpPort}`;
          return {
            name: backend.name,
            url: (await options.via?.(backend.name, url)) ?? url,
            publicUrl: url,
            password: { env: 'DDE_BACKEND_PASSWORD', default: 'orthanc' },
            run: runOf(backend),
            ...options.backend?.[backend.name],
          };
        }),
      ),
      routing: { settle: options.settle ?? '1 s', reconcile: '*/2 * * * * *', ...options.routing },
      history: { sample: '1 s', ...options.history },
    };
    const token = 'token-of-this-test-farm';
    const env: Record<string, string> = {
      DDE_HOME: home,
      DDE_TOPOLOGY: topologyFile,
      DDE_ADMIN_TOKEN: token,
      DDE_HOOK_TOKEN: 'hook-token-of-this-test-farm',
      DDE_FRONT_PASSWORD: 'front-password',
      DDE_SERVICE_URL: hookUrl,
      DDE_LUA: join(dir.path, 'lua'),
      DDE_LOG_LEVEL: 'debug',
    };
    for (const front of fronts) env[`DDE_${front.name.toUpperCase()}_PASSWORD`] = 'front-password';
    for (const backend of backends) env[`DDE_${backend.name.toUpperCase()}_PASSWORD`] = 'orthanc';

    writeGenerated(dir.path, new Map([['orthanc-config/topology.yaml', stringify(document)]]));
    const topology = loadTopology(topologyFile, env);
    writeGenerated(dir.path, generateFiles(loadTopology(topologyFile, env, 'generate')));

    const start = async (orthanc: Member, password: string): Promise<OrthancProcess> => {
      const process = await startOrthanc({
        name: orthanc.name,
        configFiles: [join(dir.path, 'orthanc-config', `${orthanc.name}.json`)],
        ...(options.orthancConfig?.[orthanc.name] ? { config: options.orthancConfig[orthanc.name] } : {}),
        env: { ...env, DDE_ADMISSION: join(home, 'admission', orthanc.name) },
        password,
        httpPort: orthanc.httpPort,
        dicomPort: orthanc.dicomPort,
        ...(options.storage?.[orthanc.name] === undefined ? {} : { storage: options.storage[orthanc.name] }),
        ...(options.index?.[orthanc.name] === undefined ? {} : { index: options.index[orthanc.name] }),
      });
      undo.push(() => process.stop());
      return process;
    };
    const runningBackends = await Promise.all(backends.map((backend) => start(backend, 'orthanc')));
    const runningFronts = await Promise.all(fronts.map((front) => start(front, 'front-password')));

    const service = serviceProcess({
      port: servicePort,
      home: dir.path,
      env: { ...env, ...options.serviceEnv },
      token,
    });
    undo.push(() => service.kill('SIGKILL'));
    if (options.startService !== false) {
      await service.start();
      await backendsUp(service, backends.length);
    }
    const byName = new Map(runningBackends.map((backend) => [backend.name, backend]));
    return {
      topology,
      home,
      folder: dir.path,
      fronts: runningFronts,
      front: need(runningFronts[0], 'front'),
      backends: byName,
      service,
      backend: (name) => need(byName.get(name), name),
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Member {
  readonly name: string;
  readonly httpPort: number;
  readonly dicomPort: number;
}

/** `front` alone, or `orthanc1`, `orthanc2`, … on free ports. */
function members(prefix: 'front' | 'orthanc', count: number): Promise<Member[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, index) => ({
      name: count === 1 && prefix === 'front' ? prefix : `${prefix}${index + 1}`,
      httpPort: await freePort(),
      dicomPort: await freePort(),
    })),
  );
}

function runOf(member: Member) {
  return { httpPort: member.httpPort, dicomPort: member.dicomPort, aeTitle: member.name.toUpperCase() };
}

function need<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the farm has no ${what}`);
  return value;
}

/** Studies are placed on backends that have been seen up; tests that count placements wait for that. */
export async function backendsUp(service: ServiceProcess, count: number): Promise<void> {
  await until(
    async () => {
      const { items } = await service.get<{ items: { health: string }[] }>('/api/v1/backends');
      return items.filter((backend) => backend.health === 'up').length >= count;
    },
    { what: `${count} backends to be up`, timeoutMs: 30_000 },
  );
}

async function ask<T>(orthanc: OrthancProcess, path: string, schema: z.ZodType<T>): Promise<T> {
  const answer = await orthanc.fetch(path);
  if (!answer.ok) throw new Error(`${orthanc.name} ${path}: ${answer.status}`);
  return schema.parse(await answer.json());
}

/** Instances an Orthanc holds: id → the MD5 it recorded. */
export async function holdings(orthanc: OrthancProcess): Promise<Map<string, string>> {
  const ids = await ask(orthanc, '/instances', z.array(z.string()));
  const md5s = new Map<string, string>();
  const next = ids.values();
  const reader = async (): Promise<void> => {
    for (const id of next) {
      md5s.set(id, await (await orthanc.fetch(`/instances/${id}/attachments/dicom/md5`)).text());
    }
  };
  await Promise.all(Array.from({ length: 8 }, reader));
  return md5s;
}

/** StudyInstanceUIDs an Orthanc holds. */
export async function studiesOn(orthanc: OrthancProcess): Promise<Set<string>> {
  const expanded = z.array(z.object({ MainDicomTags: z.object({ StudyInstanceUID: z.string() }) }));
  const studies = await ask(orthanc, '/studies?expand', expanded);
  return new Set(studies.map((study) => study.MainDicomTags.StudyInstanceUID));
}

export async function countInstances(orthanc: OrthancProcess): Promise<number> {
  return (await ask(orthanc, '/statistics', z.object({ CountInstances: z.number() }))).CountInstances;
}

/** Waits until every front is empty: everything proven, settled and let go. */
export async function frontsEmpty(farm: Farm, timeoutMs = 60_000): Promise<void> {
  await until(
    async () => {
      for (const front of farm.fronts) {
        const left = await countInstances(front);
        if (left > 0) throw new Error(`${left} instances on ${front.name}`);
      }
      return true;
    },
    { what: 'the fronts to be empty', timeoutMs, intervalMs: 100 },
  );
}
