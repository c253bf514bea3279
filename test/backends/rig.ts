import { createPool, type LivePool } from '../../src/backends/pool-live.ts';
import type { Timers } from '../../src/backends/timers.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { openLedger } from '../../src/ledger/open.ts';
import { silentLogger } from '../../src/log.ts';
import type { Arrival } from '../../src/study.ts';
import type { BackendConfig } from '../../src/topology/topology.ts';
import { tempDir } from '../support/temp.ts';

/** Time that stands still until a test moves it, with the timers that go by it. */
export interface ManualTime extends Timers {
  readonly clock: () => number;
  /** Moves on, running what comes due, in its order. */
  advance(ms: number): void;
  /** Timers that wait. */
  readonly waiting: number;
}

interface Alarm {
  at: number;
  readonly everyMs: number | null;
  readonly run: () => void;
}

export function manualTime(start = Date.parse('2026-03-01T12:00:00Z')): ManualTime {
  let now = start;
  const alarms = new Set<Alarm>();
  const set = (at: number, everyMs: number | null, run: () => void): (() => void) => {
    const alarm: Alarm = { at, everyMs, run };
    alarms.add(alarm);
    return () => alarms.delete(alarm);
  };
  return {
    clock: () => now,
    get waiting() {
      return alarms.size;
    },
    after: (ms, run) => set(now + ms, null, run),
    every: (ms, run) => set(now + ms, ms, run),
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const [next] = [...alarms].filter((alarm) => alarm.at <= end).sort((a, b) => a.at - b.at);
        if (next === undefined) break;
        now = Math.max(now, next.at);
        if (next.everyMs === null) alarms.delete(next);
        else next.at += next.everyMs;
        next.run();
      }
      now = end;
    },
  };
}

export function backendConfig(name: string, more: Partial<BackendConfig> = {}): BackendConfig {
  return {
    name,
    url: `http://${name}:8042`,
    publicUrl: `http://${name}.example:8042`,
    username: 'orthanc',
    password: 'orthanc',
    passwordVariable: `DDE_${name.toUpperCase()}_PASSWORD`,
    run: null,
    weight: 1,
    lanes: 2,
    ...more,
  };
}

export interface Rig extends AsyncDisposable {
  readonly ledgerFile: string;
  readonly ledger: Ledger;
  readonly pool: LivePool;
  readonly time: ManualTime;
  /** Another pool on the same ledger, as after a restart. */
  restartedPool(): LivePool;
  /** All backends answer now. */
  allUp(): void;
}

/** A real ledger and a pool on it, with time in the test's hands. */
export async function rig(
  backends: readonly BackendConfig[],
  random: () => number = () => 0.5,
): Promise<Rig> {
  const folder = await tempDir('pool');
  const ledgerFile = `${folder.path}/ledger.sqlite`;
  const ledger = openLedger(ledgerFile);
  const time = manualTime();
  const makePool = (): LivePool =>
    createPool({
      backends,
      ledger,
      downAfter: 2,
      clock: time.clock,
      random,
      log: silentLogger(),
      timers: time,
    });
  const pool = makePool();
  return {
    ledgerFile,
    ledger,
    pool,
    time,
    restartedPool: makePool,
    allUp() {
      for (const { name } of backends) {
        pool.observed(name, { at: time.clock(), up: true, reason: null, latencyMs: 1 });
      }
    },
    async [Symbol.asyncDispose]() {
      pool.close();
      await ledger.close();
      await folder.remove();
    },
  };
}

let arrivals = 0;

/** One more instance of the study on the front. */
export function arrival(studyUid: string, more: Partial<Arrival> = {}): Arrival {
  arrivals++;
  return {
    front: 'front',
    orthancId: arrivals
      .toString(16)
      .padStart(40, '0')
      .replace(/(.{8})(?=.)/g, '$1-'),
    studyUid,
    seriesUid: `${studyUid}.1`,
    sopUid: `${studyUid}.1.${arrivals}`,
    modality: 'CT',
    station: 'CT1',
    remoteAet: 'MODALITY',
    calledAet: 'DDE',
    remoteIp: '127.0.0.1',
    transferSyntax: '1.2.840.10008.1.2.1',
    bytes: 1_000,
    bytesExact: true,
    ...more,
  };
}
