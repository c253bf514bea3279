import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { topologySchema } from '../../src/topology/schema.ts';

const project = join(import.meta.dirname, '../..');

interface Key {
  readonly path: string;
  /** As the reference writes it. */
  readonly default: string | null;
  readonly required: boolean;
}

const nodeSchema = z.object({
  properties: z.record(z.string(), z.unknown()).optional(),
  items: z.unknown().optional(),
  required: z.array(z.string()).default([]),
  default: z.unknown().optional(),
});

/** Every key of the schema that holds a value, or that may be left out together with what is below it. */
function keysOf(schema: unknown, path = '', required = true): readonly Key[] {
  const node = nodeSchema.parse(schema);
  if (node.items !== undefined) return keysOf(node.items, `${path}[]`);
  const below = Object.entries(node.properties ?? {}).flatMap(([key, child]) =>
    keysOf(child, path === '' ? key : `${path}.${key}`, node.required.includes(key)),
  );
  const hasKeys = node.properties !== undefined;
  // A group of keys that all have defaults, and a list, are headings of the reference, not rows.
  if (hasKeys && (node.default !== undefined || path === '' || path.endsWith('[]'))) return below;
  const value = typeof node.default === 'string' ? node.default : JSON.stringify(node.default);
  const own = { path, default: value ?? null, required };
  return [own, ...below];
}

it('the reference has every key with its default, and no other', async () => {
  const text = await readFile(join(project, 'docs/topology.md'), 'utf8');
  const section = text.slice(text.indexOf('\n## Keys'), text.indexOf('\n## What follows'));
  const documented = section
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter((cells) => cells.length === 5 && cells[1]?.startsWith('`'))
    .flatMap(([, keys = '', value = '']) =>
      keys.split(', ').map((key) => `${key.replaceAll('`', '')} = ${value}`),
    );
  const expected = keysOf(z.toJSONSchema(topologySchema, { io: 'input' })).map(
    ({ path, default: value, required }) => {
      if (value !== null) return `${path} = \`${value}\``;
      if (required) return `${path} = –`;
      return `${path} = ${path.endsWith('.publicUrl') ? '(`url`)' : '(none)'}`;
    },
  );
  expect(documented.toSorted()).toEqual(expected.toSorted());
});

it('the committed topology has every key of every kind', async () => {
  const text = await readFile(join(project, 'orthanc-config/topology.yaml'), 'utf8');
  const leaves = keysOf(z.toJSONSchema(topologySchema, { io: 'input' })).map(
    ({ path }) => path.split('.').at(-1) ?? '',
  );
  // `file` stands in a comment, as the other form of a password.
  for (const key of leaves) expect(text.toLowerCase(), key).toMatch(new RegExp(`\\b${key.toLowerCase()}:`));
});
