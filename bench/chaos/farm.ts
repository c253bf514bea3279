import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { type Farm, startFarm } from '../../test/support/farm.ts';
import type { OrthancProcess } from '../../test/support/orthanc-process.ts';
import { type FaultProxy, startProxy } from '../../test/support/proxy.ts';
import type { ServiceProcess } from '../../test/support/service-process.ts';
import { type SmallDisk, smallDisk } from '../../test/support/small-disk.ts';
import { tempDir } from '../../test/support/temp.ts';
import type { Shape } from './schedule.ts';

export const shape: Shape = {
  fronts: ['front1', 'front2'],
  backends: ['orthanc1', 'orthanc2', 'orthanc3'],
};

/** A process of the farm, and what stands around it. */
export interface Component {
  readonly name: string;
  readonly group: 'front' | 'service' | 'backend';
  readonly process: OrthancProcess | ServiceProcess;
  /** Starts it, or what is left of it, again. @throws when it does not come up */
  start(): Promise<void>;
  /** Before it: for the service what the fronts announce, for a front what the service asks, for a backend everything. */
  readonly way: FaultProxy;
  /** Under its storage or ledger; null where this account may not mount one. */
  readonly disk: SmallDisk | null;
  /** A fault is at work on its process: nobody else starts it. */
  held: boolean;
}

export interface ChaosFarm extends AsyncDisposable {
  readonly farm: Farm;
  readonly components: ReadonlyMap<string, Component>;
  /** Why there are no full disks; null when there are. */
  readonly withoutDisks: string | null;
  /** Sentences about processes that ended and that nobody had killed. */
  readonly endedByThemselves: readonly string[];
  /** Folder of an Orthanc's storage. */
  storageOf(orthanc: OrthancProcess): string;
  /** What the service's clock is wrong by, in milliseconds. */
  setClock(shiftMs: number): void;
  /** Everything that is left of a round goes into the folder: logs, ledger, topology. */
  keepEvidence(folder: string): void;
}

/** The least free space at which a front still takes images; its disk is filled in two steps around it. */
export const minFreeBytes = 24_000_000;
const diskMegabytes = 320;
const ledgerMegabytes = 64;

/**
 * A farm of real processes with a proxy before each, a small disk under each, and a clock that can be set. Whatever ends by
 * itself is started again, as `dde up` and compose would.
 */
export async function startChaosFarm(): Promise<ChaosFarm> {
  const undo: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const dir = await tempDir('chaos');
    undo.push(() => dir.remove());
    const clockFile = join(dir.path, 'clock');
    writeFileSync(clockFile, '0');
    const { disks, reason } = await makeDisks();
    undo.push(async () => {
      for (const disk of disks.values()) await disk.remove();
    });
    const ways = new Map<string, FaultProxy>();
    undo.push(async () => {
      for (const way of ways.values()) await way.close();
    });
    const through = async (name: string, url: string): Promise<string> => {
      const way = await startProxy({ target: Number(new URL(url).port) });
      ways.set(name, way);
      return way.url;
    };
    const serviceDisk = disks.get('service');
    const farm = await startFarm({
      fronts: shape.fronts.length,
      backends: shape.backends.length,
      settle: '1 s',
      routing: {
        rebindAfter: '2 s',
        healAfter: '5 s',
        stall: '3 s',
        requestTimeout: '2 s',
        lookupTimeout: '1 s',
        transferTimeout: { base: '10 s', rate: '1 MB/s' },
        admission: { minFree: `${minFreeBytes} B` },
      },
      history: { sample: '500 ms' },
      via: through,
      frontVia: through,
      serviceVia: (url) => through('service', url),
      storage: Object.fromEntries(
        [...disks]
          .filter(([name]) => name !== 'service')
          .map(([name, disk]) => [name, join(disk.path, 'storage')]),
      ),
      ...(serviceDisk === undefined ? {} : { home: join(serviceDisk.path, 'state') }),
      serviceEnv: {
        NODE_OPTIONS: `--import ${pathToFileURL(join(import.meta.dirname, 'clock-preload.ts')).href}`,
        DDE_CHAOS_CLOCK: clockFile,
      },
    });
    undo.push(() => farm.stop());

    const components = new Map<string, Component>();
    const add = (
      group: Component['group'],
      process: OrthancProcess | ServiceProcess,
      name: string,
      start: () => Promise<void>,
    ): void => {
      const way = ways.get(name);
      if (way === undefined) throw new Error(`no way to ${name}`);
      components.set(name, { name, group, process, start, way, disk: disks.get(name) ?? null, held: false });
    };
    for (const front of farm.fronts) add('front', front, front.name, () => front.restart('SIGKILL'));
    for (const [name, backend] of farm.backends)
      add('backend', backend, name, () => backend.restart('SIGKILL'));
    add('service', farm.service, 'service', () => farm.service.start());

    const endedByThemselves: string[] = [];
    const supervision = supervise([...components.values()], endedByThemselves);
    undo.push(() => supervision.stop());
    return {
      farm,
      components,
      withoutDisks: reason,
      endedByThemselves,
      storageOf: ({ name, folder }) => join(disks.get(name)?.path ?? folder, 'storage'),
      setClock: (shiftMs) => writeFileSync(clockFile, String(shiftMs)),
      keepEvidence: (folder) => keepEvidence(farm, folder),
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function makeDisks(): Promise<{ disks: Map<string, SmallDisk>; reason: string | null }> {
  const disks = new Map<string, SmallDisk>();
  try {
    for (const name of [...shape.fronts, ...shape.backends, 'service'])
      disks.set(name, await smallDisk(name === 'service' ? ledgerMegabytes : diskMegabytes));
    return { disks, reason: null };
  } catch (error) {
    for (const disk of disks.values()) await disk.remove();
    return { disks: new Map(), reason: error instanceof Error ? error.message : String(error) };
  }
}

/** Starts again what ended without a fault's doing. */
function supervise(components: readonly Component[], ended: string[]): { stop(): Promise<void> } {
  let stopped = false;
  const watch = async (component: Component): Promise<void> => {
    while (!stopped) {
      if (!component.held && !component.process.running) {
        component.held = true;
        ended.push(`${component.name}: ${component.process.log().trimEnd().slice(-300)}`);
        try {
          await component.start();
        } catch {
          // Its disk may still be full: once more after a second, as a supervisor does.
          await sleep(1000);
        } finally {
          component.held = false;
        }
      }
      await sleep(100);
    }
  };
  const watching = Promise.all(components.map(watch));
  return {
    async stop() {
      stopped = true;
      await watching;
    },
  };
}

function keepEvidence(farm: Farm, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const orthanc of [...farm.fronts, ...farm.backends.values()])
    writeFileSync(join(folder, `${orthanc.name}.log`), orthanc.log());
  writeFileSync(join(folder, 'service.log'), farm.service.log());
  for (const name of ['ledger.sqlite', 'ledger.sqlite-wal']) {
    const file = join(farm.home, name);
    if (existsSync(file)) cpSync(file, join(folder, name));
  }
  cpSync(join(farm.folder, 'orthanc-config'), join(folder, 'orthanc-config'), { recursive: true });
}
