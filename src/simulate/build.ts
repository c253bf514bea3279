import type { StudyArrival } from './arriving.ts';
import { type BackendEvent, conditionsOf } from './conditions.ts';
import type { OperatorEvent } from './farm.ts';
import { randomOf } from './random.ts';
import type { ScenarioDocument } from './scenario-schema.ts';
import { arrivalsOf, type Kind, meanStudy } from './workload.ts';
import type { ModelledBackend } from './world.ts';

/** What a scenario is for one seed, the same for all policies. */
export interface Case {
  readonly arrivals: readonly StudyArrival[];
  readonly backends: readonly ModelledBackend[];
  readonly operator: readonly OperatorEvent[];
  /** Seconds from the beginning after which what is not available is lost. */
  readonly until: number;
}

type Group = ScenarioDocument['backends'][number];
type Unconditioned = Omit<ModelledBackend, 'conditions'>;

/** Conditions are drawn for so many times the duration: what is late should not end in perfect weather. */
const conditionedTimes = 2;
/** Images in a transfer, over which its set-up is spread when the load is reckoned. */
const usualInstances = 20;
const z99 = 2.3263;

export function namesOf({ name, count }: Pick<Group, 'name' | 'count'>): string[] {
  return count === 1 ? [name] : Array.from({ length: count }, (_, index) => `${name}${index + 1}`);
}

export function buildCase(scenario: ScenarioDocument, seed: number): Case {
  const { load, perHour, pace, rhythm, crowds, bursts, batch } = scenario.arrivals;
  const kinds = scenario.studies.map(
    ({ size, ...kind }): Kind => ({ ...kind, bytes: size, pace: pace ?? kind.pace }),
  );
  const grouped = scenario.backends.flatMap((group) => membersOf(group, seed).map((one) => ({ one, group })));
  const arrivals = arrivalsOf(
    kinds,
    {
      seconds: scenario.duration,
      perHour: perHour ?? (load ?? 0) * studiesAnHour(grouped, kinds),
      rhythm,
      crowds: crowds.map((crowd) => ({ at: crowd.at, seconds: crowd.for, factor: crowd.factor })),
      bursts: bursts === undefined ? null : { ...bursts, seconds: bursts.within },
      batch: batch === undefined ? null : { ...batch, seconds: batch.within },
    },
    seed,
  );
  const events = backendEvents(
    scenario,
    grouped.map(({ one }) => one.name),
  );
  return {
    arrivals,
    backends: grouped.map(({ one, group }) => ({
      ...one,
      conditions: conditionsOf(
        events.get(one.name) ?? [],
        {
          otherLoad: group.otherLoad,
          hiccups:
            group.hiccups === null ? null : { every: group.hiccups.every, seconds: group.hiccups.length },
        },
        { seed, name: one.name, until: conditionedTimes * scenario.duration },
      ),
    })),
    operator: operatorEvents(scenario),
    until: scenario.duration + scenario.patience,
  };
}

function membersOf(group: Group, seed: number): Unconditioned[] {
  const random = randomOf(seed, `speeds of ${group.name}`);
  return namesOf(group).map((name) => {
    const slower = Math.exp((Math.log(group.spread) / z99) * random.normal());
    return {
      name,
      weight: group.weight,
      lanes: group.lanes,
      secondsPerInstance: group.perInstance * slower,
      secondsPerByte: slower / group.rate,
      setupSeconds: group.setup,
      contention: group.contention,
    };
  });
}

/** What all backends can do when nothing happens to them, each with as many of the average study as it can. */
function studiesAnHour(
  grouped: readonly { readonly one: Unconditioned; readonly group: Group }[],
  kinds: readonly Kind[],
): number {
  const { instances, bytes } = meanStudy(kinds);
  return grouped.reduce((sum, { one, group }) => {
    const { secondsPerInstance, secondsPerByte, setupSeconds, lanes, contention } = one;
    const work = instances * (secondsPerInstance + setupSeconds / usualInstances) + bytes * secondsPerByte;
    const width = lanes / (1 + contention * (lanes - 1));
    return sum + (3600 * width * (1 - (group.otherLoad?.mean ?? 0))) / work;
  }, 0);
}

function backendEvents(
  scenario: ScenarioDocument,
  all: readonly string[],
): ReadonlyMap<string, readonly BackendEvent[]> {
  const byName = new Map<string, BackendEvent[]>();
  const add = (name: string, event: BackendEvent): void => {
    const known = byName.get(name);
    if (known === undefined) byName.set(name, [event]);
    else known.push(event);
  };
  for (const event of scenario.events) {
    const { at } = event;
    switch (event.what) {
      case 'slow':
        for (const name of event.of) add(name, { at, kind: 'speed', factor: event.factor });
        break;
      case 'stall':
      case 'crash':
      case 'recover':
        for (const name of event.of) add(name, { at, kind: event.what });
        break;
      case 'rotate':
        rotate(event.of ?? all, { ...event, until: event.until ?? scenario.duration }, add);
        break;
      case 'drain':
      case 'maint':
      case 'ready':
      case 'weigh':
        break;
    }
  }
  return byName;
}

function rotate(
  names: readonly string[],
  turn: {
    readonly at: number;
    readonly until: number;
    readonly every: number;
    readonly count: number;
    readonly factor: number;
  },
  add: (name: string, event: BackendEvent) => void,
): void {
  const { until, every, count, factor } = turn;
  let first = 0;
  for (let at = turn.at; at < until; at += every) {
    for (let place = 0; place < count; place++) {
      const name = names[(first + place) % names.length];
      if (name === undefined) continue;
      add(name, { at, kind: 'speed', factor });
      add(name, { at: Math.min(until, at + every), kind: 'speed', factor: 1 });
    }
    first += count;
  }
}

function operatorEvents({ events }: ScenarioDocument): OperatorEvent[] {
  return events.flatMap((event): OperatorEvent[] => {
    const { at } = event;
    switch (event.what) {
      case 'drain':
      case 'maint':
      case 'ready': {
        const state = event.what;
        return event.of.map((backend) => ({ at, backend, state }));
      }
      case 'weigh':
        return event.of.map((backend) => ({ at, backend, weight: event.weight }));
      default:
        return [];
    }
  });
}
