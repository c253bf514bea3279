import type { StudyArrival } from '../../src/simulate/arriving.ts';
import { buildCase } from '../../src/simulate/build.ts';
import { loadScenario, type Scenario, scenarioNames } from '../../src/simulate/scenario.ts';
import type { ModelledBackend } from '../../src/simulate/world.ts';
import { UserError } from '../../src/user-error.ts';

/** A scenario of the simulator with the studies and backends of one seed: what is sent, and what the model is asked about. */
export interface LiveCase {
  readonly scenario: Scenario;
  /** In the order in which they come. */
  readonly studies: readonly TraceStudy[];
  readonly backends: readonly ModelledBackend[];
}

export interface TraceStudy {
  readonly arrival: StudyArrival;
  /** It teaches the policy and is not measured: in life nobody starts without knowing anything. */
  readonly isWarmUp: boolean;
}

const prefix = 'live-';
/** How much longer than it says a scenario may go on, until enough studies have come. */
const longestTimes = 1024;

/** Those of the simulator's own scenarios that were made for real Orthancs on one machine, without their prefix. */
export function liveNames(): string[] {
  return scenarioNames()
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length));
}

/**
 * The scenario of that name (`differing` or `live-differing`) or file, with so many measured studies whatever its duration.
 *
 * @throws UserError when there is none, or something in it cannot be done with proxies
 */
export function liveCase(nameOrFile: string, studies: number, seed: number): LiveCase {
  const scenario = loadScenario(liveNames().includes(nameOrFile) ? `${prefix}${nameOrFile}` : nameOrFile);
  const { arrivals, warmUp, name } = scenario;
  const batch = arrivals.batch === undefined ? {} : { batch: { ...arrivals.batch, studies } };
  for (let times = 1; times <= longestTimes; times *= 2) {
    const duration = times * scenario.duration;
    const built = buildCase({ ...scenario, duration, arrivals: { ...arrivals, ...batch } }, seed);
    if (built.operator.length > 0) throw new UserError(`${name}: what operators do is not replayed.`);
    const measured = built.arrivals.filter(({ at }) => at >= warmUp).slice(0, studies);
    if (measured.length < studies) continue;
    const sent = [...built.arrivals.filter(({ at }) => at < warmUp), ...measured];
    return {
      scenario,
      backends: built.backends,
      studies: sent.map((arrival) => ({ arrival: plain(arrival), isWarmUp: arrival.at < warmUp })),
    };
  }
  throw new UserError(`${name}: it has fewer than ${studies} studies, however long it goes on.`);
}

/** Real images are no unequal work: what makes them differ in the model is left out of it. */
function plain({ effort: _effort, ...arrival }: StudyArrival): StudyArrival {
  return arrival;
}
