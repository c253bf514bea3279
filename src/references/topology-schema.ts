import * as z from 'zod';
import { topologySchema } from '../topology/schema.ts';

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const json: z.ZodType<Json> = z.json();

/**
 * The JSON Schema of a topology file, by which an editor completes keys, explains them and marks mistakes while they are typed.
 * It knows less than `dde generate`: units and ranges of quantities, and what concerns more than one key, are only checked there.
 */
export function topologyJsonSchema(): string {
  const schema = json.parse(z.toJSONSchema(topologySchema, { io: 'input', target: 'draft-7' }));
  const { $schema, ...rest } = record(schema);
  const document = {
    $schema: $schema ?? null,
    $comment: 'Made by "npm run references" from src/topology/schema.ts: edit that, not this one.',
    title: 'Topology of a farm of dynamic DICOM endpoints',
    ...record(adapted(rest)),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** `${NAME}` and `${NAME:-default}` may stand for any value, or for a part of it. */
const variable = { type: 'string', pattern: '\\$\\{[A-Za-z_]' };

/** Words that describe a key rather than its value: they stand where the editor looks for them, beside the alternatives. */
const describing = new Set(['description', 'default', 'examples', 'title']);

function adapted(schema: Json): Json {
  const node = record(schema);
  if (node['properties'] !== undefined) {
    return without(node, { properties: mapped(record(node['properties'])) });
  }
  if (node['items'] !== undefined) return without(node, { items: adapted(node['items']) });
  const entries = Object.entries(node).filter(([key]) => key !== 'otherwise');
  const value = Object.fromEntries(entries.filter(([key]) => !describing.has(key)));
  const about = Object.fromEntries(entries.filter(([key]) => describing.has(key)));
  const isFree = Object.keys(value).length === 1 && value['type'] === 'string';
  return isFree ? { ...about, ...value } : { ...about, anyOf: [value, variable] };
}

function mapped(properties: Readonly<Record<string, Json>>): Json {
  return Object.fromEntries(Object.entries(properties).map(([key, child]) => [key, adapted(child)]));
}

/** The node with one part changed, and what only our own reference reads left out. An empty default says nothing to a person. */
function without(node: Readonly<Record<string, Json>>, changed: Readonly<Record<string, Json>>): Json {
  const { otherwise: _otherwise, default: _default, ...rest } = node;
  return { ...rest, ...changed };
}

function record(schema: Json): Readonly<Record<string, Json>> {
  return z.record(z.string(), json).parse(schema);
}
