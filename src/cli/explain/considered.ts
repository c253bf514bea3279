import type { ConsideredAnswer } from '../../admin/schemas.ts';
import { size } from '../format.ts';
import type { Output } from '../output.ts';

type Inputs = ConsideredAnswer['inputs'];

/** Figures that have a column of their own: their name among the inputs, its heading, and how it is written. */
const columns = [
  { name: 'seconds', head: 'SECONDS', text: (value: number) => seconds(value) },
  { name: 'bookedSeconds', head: 'BOOKED', text: (value: number) => seconds(value) },
  { name: 'ownSeconds', head: 'OWN', text: (value: number) => seconds(value) },
  { name: 'msPerTransfer', head: 'c ms', text: (value: number) => figure(value) },
  { name: 'msPerInstance', head: 'o ms', text: (value: number) => figure(value) },
  { name: 'megabytesPerSecond', head: 'r MB/s', text: (value: number) => figure(value) },
  { name: 'efficiency', head: 'g', text: (value: number) => figure(value) },
] as const;

/** Not worth a word: whatever is otherwise is said. */
const usualState = 'ready, up';

const knownElsewhere = new Set<string>([
  ...columns.map(({ name }) => name),
  // BOOKED holds it, but for what is still to come.
  'backlogSeconds',
  'instances',
  'bytes',
  'arrivesIn',
  'lanes',
  'busyLanes',
  'reservedLanes',
]);

/** What one of the considered backends was reckoned by, when all are alike in it: the size of the study itself. */
export function reckonedWith(considered: readonly ConsideredAnswer[]): string | null {
  const [inputs] = considered.map((one) => one.inputs).filter((one) => number(one, 'instances') !== null);
  if (inputs === undefined) return null;
  const instances = number(inputs, 'instances');
  const arrivesIn = number(inputs, 'arrivesIn');
  const still = arrivesIn === null || arrivesIn <= 0 ? '' : `, the last of it ${seconds(arrivesIn)} s later`;
  return `Reckoned with ${figure(instances ?? 0)} images, ${size(number(inputs, 'bytes')) ?? 'of unknown size'}${still}.`;
}

/** The backends a decision looked at, the chosen one first, then by score, and those that were out of question at the end. */
export function printConsidered(out: Output, considered: readonly ConsideredAnswer[]): void {
  const sorted = considered.toSorted((a, b) => rank(a) - rank(b));
  const shown = columns.filter(({ name }) => sorted.some(({ inputs }) => number(inputs, name) !== null));
  if (shown.length === 0) {
    printPlain(out, sorted);
    return;
  }
  const hasLanes = sorted.some(({ inputs }) => number(inputs, 'lanes') !== null);
  out.table(
    ['BACKEND', ...shown.map(({ head }) => head), ...(hasLanes ? ['LANES'] : []), 'WHY NOT'],
    sorted.map((one) => [
      one.backend,
      ...shown.map(({ name, text }) => {
        const value = number(one.inputs, name);
        return value === null ? null : text(value);
      }),
      ...(hasLanes ? [lanes(one.inputs)] : []),
      [one.passedOver ?? 'chosen', ...others(one.inputs)].join('; '),
    ]),
    { right: shown.map((_, index) => index + 1) },
  );
}

/** For policies that score by something else than seconds. */
function printPlain(out: Output, considered: readonly ConsideredAnswer[]): void {
  out.table(
    ['BACKEND', 'SCORE', 'WHY NOT', 'FIGURES'],
    considered.map((one) => [
      one.backend,
      one.score === null ? null : figure(one.score),
      one.passedOver ?? 'chosen',
      Object.entries(one.inputs)
        .map(([name, value]) => `${name} ${value ?? '–'}`)
        .join(', '),
    ]),
    { right: [1] },
  );
}

function rank({ passedOver, score }: ConsideredAnswer): number {
  if (passedOver === null) return -1;
  return score === null ? Number.POSITIVE_INFINITY : Math.max(0, score);
}

function lanes(inputs: Inputs): string | null {
  const all = number(inputs, 'lanes');
  return all === null ? null : `${number(inputs, 'busyLanes') ?? '–'}/${all}`;
}

/** What has no column: whatever a policy thought worth telling must not be lost on the way. */
function others(inputs: Inputs): string[] {
  const kept = number(inputs, 'reservedLanes');
  const reserved =
    kept === null || kept < 0.005 ? [] : [`${figure(kept)} lanes kept for what is still to come`];
  return [...reserved, ...unnamed(inputs)];
}

function unnamed(inputs: Inputs): string[] {
  return Object.entries(inputs)
    .filter(
      ([name, value]) => !knownElsewhere.has(name) && value !== null && value !== 0 && value !== usualState,
    )
    .map(([name, value]) => `${name} ${typeof value === 'number' ? figure(value) : value}`);
}

function number(inputs: Inputs, name: string): number | null {
  const value = inputs[name];
  return typeof value === 'number' ? value : null;
}

/** Seconds to the tenth, finer below one, and whole ones from a hundred. */
function seconds(value: number): string {
  if (value > 0 && value < 0.995) return value.toFixed(2);
  return value >= 99.95 ? Math.round(value).toLocaleString('en-US') : value.toFixed(1);
}

function figure(value: number): string {
  return Number(value.toPrecision(value >= 1000 ? 4 : 3)).toString();
}
