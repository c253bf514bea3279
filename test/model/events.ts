import fc from 'fast-check';
import { type CallKind, callKinds, type Fault, faultKinds } from './sim-server.ts';
import { backendNames, frontNames } from './world.ts';

/** What happens to the farm from outside. */
export type Event =
  | {
      readonly do: 'arrive';
      readonly front: string;
      readonly study: number;
      readonly instance: number;
      readonly version: number;
      /** How often the hook says so. */
      readonly announced: number;
    }
  | {
      readonly do: 'operator-deletes';
      readonly front: string;
      readonly study: number;
      readonly instance: number;
    }
  /** Sent past the fronts. */
  | { readonly do: 'direct'; readonly backend: string; readonly study: number; readonly instance: number }
  | { readonly do: 'fault'; readonly orthanc: string; readonly kind: CallKind; readonly fault: Fault }
  | { readonly do: 'power'; readonly orthanc: string; readonly power: 'up' | 'down' | 'hung' }
  | { readonly do: 'wipe'; readonly backend: string }
  | {
      readonly do: 'refuse';
      readonly backend: string;
      readonly study: number;
      readonly instance: number;
      readonly refuses: boolean;
    }
  | { readonly do: 'operator'; readonly backend: string; readonly state: 'ready' | 'drain' | 'maint' }
  | { readonly do: 'rebind'; readonly study: number; readonly backend: string | null }
  | { readonly do: 'evacuate'; readonly backend: string; readonly target: string | null }
  | { readonly do: 'cancel-evacuation'; readonly backend: string }
  /** Of every former copy in conflict. */
  | { readonly do: 'accept-current' }
  /** About one of the instances in quarantine. */
  | {
      readonly do: 'decide';
      readonly what: 'retry' | 'release' | 'discard';
      readonly which: number;
      readonly backend: string;
      readonly replace: boolean;
    }
  | { readonly do: 'crash'; readonly awayMs: number }
  | {
      readonly do: 'ledger';
      readonly kind: 'full' | 'dies-before' | 'dies-after';
      readonly writesLeft: number;
    };

/** How far the world goes on before the event: so many steps, or so many milliseconds. */
export type Gap = { readonly steps: number } | { readonly ms: number };

export interface Happening {
  readonly gap: Gap;
  readonly event: Event;
}

export interface History {
  /** Of latencies and of what is left to luck. */
  readonly seed: number;
  readonly spreadMs: number;
  readonly happenings: readonly Happening[];
}

const front = fc.constantFrom(...frontNames);
const backend = fc.constantFrom(...backendNames);
const orthanc = fc.constantFrom(...backendNames, ...frontNames);
const study = fc.constantFrom(0, 0, 0, 1);
const instance = fc.nat(3);

const gap: fc.Arbitrary<Gap> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ steps: fc.nat(12) }) },
  { weight: 5, arbitrary: fc.record({ ms: fc.constantFrom(1, 20, 100, 500, 1_500) }) },
  { weight: 2, arbitrary: fc.record({ ms: fc.constantFrom(3_000, 6_500, 13_000, 30_000) }) },
);

const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('arrive' as const),
      front,
      study,
      instance,
      version: fc.constantFrom(0, 0, 0, 0, 0, 0, 1),
      announced: fc.constantFrom(1, 1, 1, 1, 2, 0),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('operator-deletes' as const), front, study, instance }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('direct' as const), backend, study, instance: fc.nat(5) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('fault' as const),
      orthanc,
      kind: fc.constantFrom(...callKinds),
      fault: fc.constantFrom(...faultKinds),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('power' as const),
      orthanc,
      power: fc.constantFrom('up', 'up', 'up', 'down', 'hung'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wipe' as const), backend }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('refuse' as const),
      backend,
      study,
      instance,
      refuses: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('operator' as const),
      backend,
      state: fc.constantFrom('ready', 'ready', 'drain', 'maint'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('rebind' as const),
      study,
      backend: fc.option(backend, { nil: null }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('evacuate' as const),
      backend,
      target: fc.option(backend, { nil: null }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel-evacuation' as const), backend }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('accept-current' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('decide' as const),
      what: fc.constantFrom('retry', 'release', 'discard'),
      which: fc.nat(3),
      backend,
      replace: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('crash' as const), awayMs: fc.constantFrom(1, 500, 8_000) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('ledger' as const),
      kind: fc.constantFrom('full', 'full', 'dies-before', 'dies-after'),
      writesLeft: fc.nat(6),
    }),
  },
);

export const anyHistory: fc.Arbitrary<History> = fc.record({
  seed: fc.nat(),
  spreadMs: fc.constantFrom(0, 4, 40, 300),
  happenings: fc.array(fc.record({ gap, event }), { minLength: 1, maxLength: 40, size: 'max' }),
});
