import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { EditError, editTopology, type TopologyEdit, withoutPasswords } from '../../src/topology/edit.ts';

const committed = readFileSync(join(import.meta.dirname, '../../orthanc-config/topology.yaml'), 'utf8');

/** Lines that went and came. */
function difference(before: string, after: string): { gone: string[]; new: string[] } {
  const [old, now] = [before.split('\n'), after.split('\n')];
  return { gone: old.filter((line) => !now.includes(line)), new: now.filter((line) => !old.includes(line)) };
}

describe('the committed topology', () => {
  test('keeps every other character when a value changes, and comments their column', () => {
    const after = editTopology(committed, {
      kind: 'change',
      index: 0,
      set: { url: 'http://archive:8042', password: { file: '/run/secrets/one two' }, weight: 2.5 },
    });
    expect(difference(committed, after)).toEqual({
      gone: [
        '    url: ${DDE_ORTHANC1_URL:-http://127.0.0.1:8042}   # how the service and the fronts reach it',
        '    password: { env: DDE_ORTHANC1_PASSWORD, default: orthanc }',
        '    weight: 1                                         # share of new studies, 0.5 = half of 1, 0 = none; 0 to 1000; default 1',
      ],
      new: [
        '    url: http://archive:8042                          # how the service and the fronts reach it',
        '    password: { file: "/run/secrets/one two" }',
        '    weight: 2.5                                       # share of new studies, 0.5 = half of 1, 0 = none; 0 to 1000; default 1',
      ],
    });
  });

  test('has another backend behind the last, and loses it again without a trace', () => {
    const entry = { name: 'orthanc3', url: 'http://127.0.0.1:9042', password: { env: 'SECRET' } };
    const more = editTopology(committed, { kind: 'add', entry });
    expect(difference(committed, more)).toEqual({
      gone: [],
      new: ['  - name: orthanc3', '    url: http://127.0.0.1:9042', '    password: { env: SECRET }'],
    });
    expect(editTopology(more, { kind: 'remove', index: 2 })).toBe(committed);
  });

  test('shows no password', () => {
    const shown = withoutPasswords(committed) ?? '';
    expect(shown).toContain("{ env: DDE_ORTHANC1_PASSWORD, default: '***' }");
    expect(shown.replaceAll("'***'", 'orthanc')).toBe(committed);
  });
});

const shapes: readonly [string, string, TopologyEdit][] = [
  ['a list in brackets', 'backends: [{ name: a }, { name: b }]\n', { kind: 'remove', index: 0 }],
  [
    'another one in brackets',
    'backends: [{ name: a }]',
    { kind: 'add', entry: { name: 'b', url: 'http://b' } },
  ],
  ['a list without indentation', 'backends:\n- name: a\n- name: b\n', { kind: 'add', entry: { name: 'c' } }],
  [
    'an entry in braces',
    'backends:\n  - { name: a, weight: 1 }\n',
    { kind: 'change', index: 0, set: { weight: null, lanes: 3 } },
  ],
  [
    'the first key of an entry',
    'backends:\n  - url: x\n    name: a\n',
    { kind: 'change', index: 0, set: { url: null } },
  ],
  [
    'a value over several lines',
    'backends:\n  - name: a\n    url:\n      "x"\n',
    { kind: 'change', index: 0, set: { url: 'y' } },
  ],
  ['the only entry', 'backends:\n  # all\n  - name: a\n\nrouting: {}\n', { kind: 'remove', index: 0 }],
  ['no routing', 'backends: []', { kind: 'routing', set: { policy: 'fastest' } }],
  ['routing that is empty', 'routing:\nbackends: []\n', { kind: 'routing', set: { policy: 'fastest' } }],
  [
    'texts that look like something else',
    'backends: []\n',
    { kind: 'add', entry: { name: 'no', url: '1e3', disk: 'a: b # c' } },
  ],
];

test.each(shapes)('%s: means what was asked for, whatever it looks like', (_name, text, edit) => {
  const before = parse(text) as { backends: Record<string, unknown>[]; routing?: Record<string, unknown> };
  const after: unknown = parse(editTopology(text, edit));
  const merged = (old: Record<string, unknown>, set: Readonly<Record<string, unknown>>) =>
    Object.fromEntries(Object.entries({ ...old, ...set }).filter(([, value]) => value !== null));
  const backends = [...before.backends];
  switch (edit.kind) {
    case 'add':
      backends.push(edit.entry);
      break;
    case 'remove':
      backends.splice(edit.index, 1);
      break;
    case 'change':
      backends[edit.index] = merged(backends[edit.index] ?? {}, edit.set);
      break;
    case 'routing':
      expect(after).toEqual({ ...before, routing: merged(before.routing ?? {}, edit.set) });
      return;
  }
  expect(after).toEqual({
    ...before,
    backends: backends.length === 0 ? expect.toBeOneOf([[], null]) : backends,
  });
});

test('what is written as a reference is left to a person', () => {
  const text = 'one: &one { name: a }\nbackends:\n  - *one\n';
  expect(() => editTopology(text, { kind: 'change', index: 0, set: { weight: 2 } })).toThrow(EditError);
});

test('a password that comes by a reference is not shown either', () => {
  const text = 'secret: &p { default: hidden }\nbackends:\n  - { name: a, password: *p }\n';
  expect(withoutPasswords(text) ?? '').not.toContain('hidden');
});

test('a password that was written where it is none is not shown either, whichever list comes first', () => {
  const text = [
    'backends:',
    '  - { name: a, password: hunter2 }',
    '  - { name: b, password: { env: B, default: opensesame } }',
    'fronts:',
    '  - name: front',
    '    password: "letmein"  # to be changed',
    '',
  ].join('\n');
  const shown = withoutPasswords(text) ?? '';
  expect(shown).not.toMatch(/hunter2|opensesame|letmein/);
  expect(shown).toBe(text.replace(/hunter2|opensesame|"letmein"/g, "'***'"));
});
