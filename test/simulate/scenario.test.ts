import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { run } from '../../src/cli/program.ts';
import { buildCase } from '../../src/simulate/build.ts';
import { loadScenario, parseScenario, scenarioNames } from '../../src/simulate/scenario.ts';
import { policyNames } from '../../src/topology/topology.ts';
import { UserError } from '../../src/user-error.ts';

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dde-scenarios-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function dde(...args: string[]) {
  let out = '';
  let err = '';
  const code = await run(['simulate', ...args], {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    env: {},
    cwd: folder,
  });
  return { code, out, err };
}

function file(text: string): string {
  const path = join(folder, 'mine.yaml');
  writeFileSync(path, text);
  return path;
}

const small = `about: A few minutes of two backends.
duration: 3 min
warmUp: 30 s
arrivals: { perHour: 1200 }
backends:
  - { name: b, count: 2 }
`;

describe('scenarios that come along', () => {
  test('there are those everybody asks for, and some that nothing was chosen by', () => {
    const names = scenarioNames();
    for (const name of [
      'homogeneous',
      'one-slow',
      'hetero-10x',
      'varying',
      'two-crash',
      'gray',
      'flash',
      'batch-hetero',
      'batch-homogeneous',
      'unrelated',
      'cold-start',
      'fleet-1000',
    ]) {
      expect(names).toContain(name);
    }
    expect(names.map(loadScenario).filter(({ heldOut }) => heldOut).length).toBeGreaterThanOrEqual(4);
  });

  test.each(scenarioNames())('%s is without mistakes, and has studies and backends', (name) => {
    const scenario = loadScenario(name);
    const { arrivals, backends } = buildCase(scenario, 1);
    expect(arrivals.length).toBeGreaterThan(50);
    expect(backends.length).toBeGreaterThan(1);
    expect(
      arrivals.every(({ instances, bytes, seconds }) => instances >= 1 && bytes > 0 && seconds >= 0),
    ).toBe(true);
  });

  test('load is a share of what the backends can do, whatever they are', () => {
    const of = (backends: string): number =>
      buildCase(
        parseScenario('x', `about: x\nduration: 4 h\narrivals: { load: 0.5 }\nbackends: [${backends}]`, 'x'),
        1,
      ).arrivals.length;
    const one = of('{ name: b }');
    expect(of('{ name: b, count: 2 }') / one).toBeCloseTo(2, 0);
    expect(of('{ name: b, perInstance: 30 ms, rate: 15 MB/s, setup: 30 ms }') / one).toBeCloseTo(0.5, 0);
  });
});

test('every mistake is said at once, with its line, in words', () => {
  const text = `about: Wrong in many ways.
warmup: 5 min
duration: 1 hour
arrivals: { load: 0.5, perHour: 100 }
backends:
  - { name: b, count: 2, lanes: 0 }
  - { name: b2, rate: fast }
events:
  - { what: crash, at: 10 min, of: [b1, b3] }
  - { what: explode, at: 1 min, of: [b1] }
`;
  let message = '';
  try {
    parseScenario('x', text, 'x.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    message = error instanceof Error ? error.message : '';
  }
  expect(message.split('\n')).toEqual([
    'x.yaml: 6 problems',
    '  line 2, warmup: is no key here: did you mean warmUp?',
    '  line 3, duration: "1 hour" is not understood: write a number and one of ms, s, min, h, d, such as "60 s"',
    '  line 4, arrivals: has both load and perHour: one of them says how much comes',
    '  line 6, backends[0].lanes: must be at least 1, not "0"',
    '  line 7, backends[1].rate: "fast" is not understood: write a size and "/s", such as "1 MB/s"',
    '  line 10, events[1].what: must have what: slow, stall, crash, recover, rotate, drain, maint, ready or weigh',
  ]);
  expect(() =>
    parseScenario(
      'x',
      `about: x\narrivals: { load: 1 }\nbackends: [{ name: b, count: 2 }, { name: b2 }]\nevents: [{ what: stall, at: 1 s, of: [b9] }]`,
      'x.yaml',
    ),
  ).toThrow(/b2 is the name of another backend[\s\S]*there is no backend b9: did you mean b1\?/);
});

describe('dde simulate', () => {
  test('a table of 80 columns: policies, oracle and bound', async () => {
    const { code, out, err } = await dde('--scenario', file(small), '--seeds', '2');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const policy of [...policyNames, 'oracle', 'lower bound']) expect(out).toContain(`\n${policy} `);
    expect(out.split('\n').every((line) => stripVTControlCharacters(line).length <= 80)).toBe(true);
  });

  test('JSON: one scenario an object, several a list; the same again', async () => {
    const row = z.strictObject({
      policy: z.string(),
      p50: z.number(),
      p95: z.number(),
      p99: z.number(),
      max: z.number(),
      p99Range: z.tuple([z.number(), z.number()]),
      makespanRatio: z.number().min(1),
      imbalance: z.number().min(1),
      splits: z.literal(0),
      lost: z.literal(0),
      retries: z.number(),
    });
    const report = z.strictObject({ scenario: z.literal('mine'), rows: z.array(row).length(3) });
    const args = ['--json', '--seeds', '1', '--policy', 'round-robin', 'oracle', '--scenario', file(small)];
    const first = await dde(...args);
    expect(first.err).toBe('');
    const { rows } = report.parse(JSON.parse(first.out));
    const bound = rows.at(-1);
    expect(bound?.policy).toBe('lower bound');
    for (const { p50, p99, max } of rows) {
      expect(p50).toBeGreaterThanOrEqual(bound?.p50 ?? 0);
      expect(p99).toBeGreaterThanOrEqual(bound?.p99 ?? 0);
      expect(max).toBeGreaterThanOrEqual(bound?.max ?? 0);
    }
    expect((await dde(...args)).out).toBe(first.out);
    const two = await dde(...args, file(small));
    expect(z.array(report).length(2).parse(JSON.parse(two.out))[1]?.rows).toEqual(rows);
  });

  test('what is wrong is said in a sentence, and ends with 2', async () => {
    for (const [args, said] of [
      [['--scenario', 'homogenous'], 'did you mean homogeneous?'],
      [['--scenario', './nothing.yaml'], 'There is no file ./nothing.yaml.'],
      [['--scenario', file(`${small}seed: 3\n`)], 'seed: is no key here: did you mean seeds?'],
      [['--policy', 'least-inflight'], 'did you mean least-in-flight?'],
      [['--order', 'lifo'], 'did you mean fifo?'],
      [['--seeds', '0'], 'a whole number from 1'],
    ] as const) {
      const { code, out, err } = await dde(...args);
      expect({ code, out }).toEqual({ code: 2, out: '' });
      expect(err).toContain(said);
    }
  });

  test('the list names them all', async () => {
    const { out } = await dde('--list');
    for (const name of scenarioNames()) expect(out).toContain(`${name}: `);
  });
});
