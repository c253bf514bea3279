import { type Figures, measures, medians, ratioOf } from './figures.ts';
import type { Run } from './run.ts';

/** All runs of one policy in one scenario, in the order of the repeats, and what the model makes of the same trace. */
export interface PolicyRuns {
  readonly label: string;
  readonly runs: readonly Run[];
  readonly model: Figures;
}

export interface ScenarioReport {
  readonly scenario: string;
  readonly rows: readonly Row[];
}

export interface Row {
  readonly policy: string;
  /** Medians of the runs, in seconds. */
  readonly live: Figures;
  readonly model: Figures;
  /** How many times as long as the first policy took. */
  readonly times: {
    readonly p99: Sides;
    readonly makespan: Sides;
  };
  readonly runs: readonly Run[];
}

/** The same in life and in the model. */
interface Sides {
  readonly live: number;
  readonly model: number;
}

/** Compares every policy with the first. */
export function reportOf(scenario: string, policies: readonly PolicyRuns[]): ScenarioReport {
  const [first] = policies;
  if (first === undefined) return { scenario, rows: [] };
  const rows = policies.map((one): Row => {
    const times = (measure: 'p99' | 'makespan'): Sides => ({
      live: ratioOf(one.runs, first.runs, measure),
      model: one.model[measure] / first.model[measure],
    });
    return {
      policy: one.label,
      live: medians(one.runs),
      model: one.model,
      times: { p99: times('p99'), makespan: times('makespan') },
      runs: one.runs,
    };
  });
  return { scenario, rows };
}

/** A table of at most 80 columns, where no policy has a longer name than the project's own. */
export function tableOf({ rows }: ScenarioReport): string {
  const width = Math.max(6, ...rows.map(({ policy }) => policy.length));
  const line = (policy: string, cells: readonly string[]): string =>
    policy.padEnd(width) + cells.map((cell) => cell.padStart(6)).join('');
  const seconds = (value: number): string => value.toFixed(value < 10 ? 2 : 1);
  const times = (value: number): string => value.toFixed(2);
  const heads = measures.map((measure) => (measure === 'makespan' ? 'all' : measure));
  return [
    line('', [...heads, 'MODEL', 'p99×', 'MODEL', 'all×', 'MODEL']),
    ...rows.map(({ policy, live, model, times: { p99, makespan } }) =>
      line(policy, [
        ...measures.map((measure) => seconds(live[measure])),
        seconds(model.p99),
        ...[p99.live, p99.model, makespan.live, makespan.model].map(times),
      ]),
    ),
  ].join('\n');
}
