import { createDispatcher, type Dispatcher, type DispatcherOptions } from '../../src/decision/dispatcher.ts';
import { leastInFlight } from '../../src/decision/policies/least-in-flight.ts';
import { silentLogger } from '../../src/log.ts';
import type { BackendConfig } from '../../src/topology/topology.ts';
import { arrival, backendConfig, type Rig, rig } from '../backends/rig.ts';

/** A backend's answer to "how much of this study do you hold?". */
export type Ask = (studyUid: string, signal: AbortSignal | undefined) => Promise<number>;

export const empty: Ask = () => Promise.resolve(0);
export const never: Ask = () => new Promise(() => undefined);

export interface Desk extends Rig {
  readonly dispatcher: Dispatcher;
  /** `study backend`, in the order they were announced. */
  readonly placed: string[];
  /** How often a backend was asked for a study. */
  asked(): number;
}

/** A dispatcher on a real ledger and pool, with backends whose answers are the test's. */
export async function desk(
  asks: Readonly<Record<string, Ask>>,
  more: Partial<DispatcherOptions> = {},
  weights: Readonly<Record<string, number>> = {},
  configs: Readonly<Record<string, Partial<BackendConfig>>> = {},
): Promise<Desk> {
  const names = Object.keys(asks);
  const r = await rig(
    names.map((name) => backendConfig(name, { weight: weights[name] ?? 1, ...configs[name] })),
  );
  const placed: string[] = [];
  let asked = 0;
  const dispatcher = createDispatcher({
    ledger: r.ledger,
    pool: r.pool,
    backends: new Map(
      Object.entries(asks).map(([name, ask]) => [
        name,
        {
          studyInstances: (studyUid: string, options?: { signal?: AbortSignal }) => {
            asked++;
            return ask(studyUid, options?.signal);
          },
        },
      ]),
    ),
    policy: () => leastInFlight,
    lookupTimeoutMs: 10_000,
    clock: r.time.clock,
    log: silentLogger(),
    onPlaced: (studyUid, backend) => placed.push(`${studyUid} ${backend}`),
    timers: r.time,
    ...more,
  });
  return {
    ...r,
    dispatcher,
    placed,
    asked: () => asked,
    async [Symbol.asyncDispose]() {
      await dispatcher.stop();
      await r[Symbol.asyncDispose]();
    },
  };
}

/** So many instances of each study are on the front. */
export function receive(d: Desk, uids: readonly string[], each = 1): void {
  d.ledger.receivedMany(
    uids.flatMap((uid) => Array.from({ length: each }, () => arrival(uid))),
    d.time.clock(),
  );
}

export const uids = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `1.2.${index + 1}`);
