import * as z from 'zod';
import { topologySchema } from '../topology/schema.ts';

/** One key of a topology file, as the reference lists it. */
export interface Key {
  /** `fronts[].name`, `routing.batch.size` */
  readonly path: string;
  /** As a person would write it; null: it has none. */
  readonly default: string | null;
  readonly required: boolean;
  readonly description: string;
  /** What holds without it, where that is no default; null: nothing is said. */
  readonly otherwise: string | null;
}

const nodeSchema = z.object({
  properties: z.record(z.string(), z.unknown()).optional(),
  items: z.unknown().optional(),
  required: z.array(z.string()).default([]),
  default: z.unknown().optional(),
  description: z.string().optional(),
  otherwise: z.string().optional(),
});

/**
 * Every key that holds a value, or that may be left out together with what is below it, in the order of the schema.
 *
 * @throws Error naming a key that has no description
 */
export function topologyKeys(): readonly Key[] {
  return keysOf(z.toJSONSchema(topologySchema, { io: 'input' }), '', true);
}

function keysOf(schema: unknown, path: string, required: boolean): readonly Key[] {
  const node = nodeSchema.parse(schema);
  if (path !== '' && !path.endsWith('[]') && node.description === undefined) {
    throw new Error(`The topology's key ${path} has no description: give it .meta({ description }).`);
  }
  if (node.items !== undefined) return keysOf(node.items, `${path}[]`, required);
  const below = Object.entries(node.properties ?? {}).flatMap(([key, child]) =>
    keysOf(child, path === '' ? key : `${path}.${key}`, node.required.includes(key)),
  );
  // A group of keys that all have defaults, and a list, are headings of the reference, not rows.
  const isHeading = node.default !== undefined || path === '' || path.endsWith('[]');
  if (node.properties !== undefined && isHeading) return below;
  const value = typeof node.default === 'string' ? node.default : JSON.stringify(node.default);
  const { description = '', otherwise = null } = node;
  return [{ path, default: value ?? null, required, description, otherwise }, ...below];
}

const sections = [
  { title: 'The service', groups: ['service'] },
  { title: 'Fronts and backends', groups: ['fronts', 'backends'] },
  { title: 'Routing', groups: ['routing'] },
  { title: 'History', groups: ['history'] },
] as const;

const intro: Readonly<Record<string, string>> = {
  'Fronts and backends':
    '`fronts` is a list of Orthancs that receive and forward, `backends` one of Orthancs that keep studies. Each has at least one\nentry. No two of them, of either kind, have the same name or address.\n',
};

/** The part of docs/topology.md that lists the keys. */
export function keysReference(): string {
  const keys = topologyKeys();
  const titled = new Set<string>(sections.flatMap(({ groups }) => groups));
  // A group that is new gets a heading of its own, so that no key is ever missing.
  const others = [...new Set(keys.map(groupOf))].filter((group) => !titled.has(group));
  const all = [
    ...sections.map(({ title, groups }) => ({ title, groups: groups as readonly string[] })),
    ...others.map((group) => ({ title: `\`${group}\``, groups: [group] })),
  ];
  return all
    .map(({ title, groups }) => {
      const rows = merged(keys.filter((key) => groups.includes(groupOf(key)))).map(row);
      const table = ['| key | default | meaning |', '| --- | --- | --- |', ...rows].join('\n');
      return [`### ${title}\n`, ...(intro[title] === undefined ? [] : [intro[title]]), table].join('\n');
    })
    .join('\n\n');
}

function groupOf({ path }: Key): string {
  return /^[^.[]+/.exec(path)?.[0] ?? path;
}

/** Fronts and backends have most keys in common: one row says it for both. */
function merged(keys: readonly Key[]): readonly (readonly Key[])[] {
  const rows = new Map<string, Key[]>();
  for (const key of keys) {
    const { path, ...same } = key;
    const id = `${path.replace(/^(fronts|backends)/, '')} ${JSON.stringify(same)}`;
    rows.set(id, [...(rows.get(id) ?? []), key]);
  }
  return [...rows.values()];
}

function row(keys: readonly Key[]): string {
  const [key] = keys;
  if (key === undefined) return '';
  const fallback =
    key.default === null ? (key.required ? '–' : (key.otherwise ?? '(none)')) : `\`${key.default}\``;
  const cells = [keys.map(({ path }) => `\`${path}\``).join(', '), fallback, key.description];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
