import type { Topology } from './topology.ts';

/** One key that is other than it was. Values are not told: some are passwords. */
export interface Change {
  /** Such as `routing.policy` or `backends.orthanc1.weight`. */
  readonly path: string;
  /** Whether a running service can take it over. */
  readonly isLive: boolean;
}

const live =
  /^(routing\.(policy|order|shadow)|backends\.[^.]+\.(url|peerUrl|publicUrl|username|password|passwordDefault|weight|lanes|disk))$/;

/** What differs between two topologies, in the order of their keys. Fronts and backends are told apart by their names. */
export function changesBetween(before: Topology, after: Topology): readonly Change[] {
  const old = leavesOf(before);
  const paths = new Set([...old.keys(), ...leavesOf(after).keys()]);
  const now = leavesOf(after);
  return [...paths]
    .filter((path) => path !== 'file' && old.get(path) !== now.get(path))
    .map((path) => ({ path, isLive: live.test(path) && old.has(path) && now.has(path) }));
}

/** Whole Orthancs that came or went, in one word each instead of one for each of their keys. */
export function shortened(changes: readonly Change[], before: Topology, after: Topology): readonly Change[] {
  const names = (topology: Topology): Set<string> =>
    new Set([
      ...topology.fronts.map(({ name }) => `fronts.${name}`),
      ...topology.backends.map(({ name }) => `backends.${name}`),
    ]);
  const old = names(before);
  const now = names(after);
  const whole = [...new Set([...old, ...now])].filter((name) => old.has(name) !== now.has(name));
  const isBelow = (path: string): boolean => whole.some((name) => path.startsWith(`${name}.`));
  // A front is where studies come from: its rooms are built at the start.
  const isLive = (path: string): boolean => path.startsWith('backends.');
  return [
    ...whole.map((path) => ({ path, isLive: isLive(path) })),
    ...changes.filter(({ path }) => !isBelow(path)),
  ];
}

function leavesOf(topology: Topology): ReadonlyMap<string, unknown> {
  const leaves = new Map<string, unknown>();
  const walk = (value: unknown, path: string): void => {
    if (Array.isArray(value)) {
      for (const [index, entry] of value.entries()) walk(entry, `${path}.${nameOf(entry) ?? index}`);
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, child] of Object.entries(value)) walk(child, path === '' ? key : `${path}.${key}`);
    } else leaves.set(path, value ?? null);
  };
  walk(topology, '');
  return leaves;
}

function nameOf(entry: unknown): string | null {
  return typeof entry === 'object' && entry !== null && 'name' in entry ? String(entry.name) : null;
}
