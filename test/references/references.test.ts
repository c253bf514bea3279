import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';
import { staleFiles } from '../../src/generate/write.ts';
import { withUsage } from '../../src/references/command-usage.ts';
import { referenceFiles, references } from '../../src/references/references.ts';
import { topologyKeys } from '../../src/references/topology-keys.ts';

const root = join(import.meta.dirname, '..', '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

test('no reference is stale; "npm run references" writes them', async () => {
  expect(staleFiles(root, await references(root))).toEqual([]);
});

test('the committed topology has every key of every kind', () => {
  const text = read('orthanc-config/topology.yaml').toLowerCase();
  // `file` stands in a comment, as the other form of a password.
  for (const { path } of topologyKeys()) {
    const key = path.split('.').at(-1) ?? '';
    expect(text, path).toMatch(new RegExp(`\\b${key.toLowerCase()}:`));
  }
});

describe('the JSON Schema of the topology', () => {
  const committed = read('orthanc-config/topology.yaml');
  const schema = z.fromJSONSchema(JSON.parse(read(referenceFiles.topologySchema)));
  const accepts = (text: string): boolean => schema.safeParse(parse(text)).success;

  test('takes the committed topology, which names it in its first line', () => {
    expect(schema.safeParse(parse(committed)).error).toBeUndefined();
    expect(committed.split('\n')[0]).toBe('# yaml-language-server: $schema=topology.schema.json');
  });

  test.each([
    ['a unit that is missing', 'settle: 5 s', 'settle: "5"'],
    ['a policy that is none', 'policy: expected-completion', 'policy: expected-compleation'],
    ['a key that is none', 'port: 3000', 'prot: 3000'],
    ['a port out of range', 'port: 3000', 'port: 70000'],
    ['a limit of another kind', 'maxAge: none', 'maxAge: 500 GB'],
    ['an address without http', 'publicUrl: http://localhost:8032', 'publicUrl: localhost:8032'],
  ])('marks %s', (_what, right, wrong) => {
    expect(committed).toContain(right);
    expect(accepts(committed.replace(right, wrong))).toBe(false);
  });

  test.each([
    ['a number', 'port: 3000', 'port: ${DDE_PORT:-3000}'],
    ['a name', 'policy: expected-completion', 'policy: ${POLICY}'],
    ['a quantity', 'settle: 5 s', 'settle: ${SETTLE:-5 s}'],
  ])('takes a variable for %s', (_what, right, variable) => {
    expect(accepts(committed.replace(right, variable))).toBe(true);
  });
});

test('a new command gets its section, and what a person wrote there later stays', () => {
  const usages = [{ name: 'new', description: 'do what is new', text: 'dde new' }];
  const common = '<!-- common options: made by "npm run references" -->\n<!-- end of common options -->\n';
  const once = withUsage(`# Title\n\n${common}`, usages);
  expect(once).toContain('## dde new\n\nDo what is new.\n');
  const edited = once.replace('Do what is new.', 'My words.');
  expect(withUsage(edited, usages)).toBe(edited);
  const changed = withUsage(edited, [{ name: 'new', description: '', text: 'dde new --more' }]);
  expect(changed).toBe(edited.replace('dde new\n```', 'dde new --more\n```'));
});
