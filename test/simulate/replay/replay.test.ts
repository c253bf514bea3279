import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { z } from 'zod';
import { run } from '../../../src/cli/program.ts';
import type { Ledger } from '../../../src/ledger/ledger.ts';
import { openLedger } from '../../../src/ledger/open.ts';
import { readTrace } from '../../../src/ledger/trace.ts';
import { arrival } from '../../backends/rig.ts';
import { concludeAll, placing, proven } from '../../ledger/driving.ts';
import { type TempDir, tempDir } from '../../support/temp.ts';

const began = Date.parse('2026-03-01T12:00:00Z');
const ended = began + 3_600_000;
const images = 20;
const studies = 90;
const imageBytes = 200_000;
/** Milliseconds an image takes there. */
const speeds = { fast: 10, slow: 220 };

let folder: TempDir;
let ledger: Ledger;
let file: string;

/** An hour in which studies went in turns to a fast and a slow backend, one transfer at a time. */
function fillWithAnHour(): void {
  const freeAt = { fast: began, slow: began };
  for (let number = 0; number < studies; number++) {
    const studyUid = `1.2.${number}`;
    const backend = number % 2 === 0 ? 'fast' : 'slow';
    const first = began + number * 4_000;
    for (let image = 0; image < images; image++)
      ledger.received(arrival(studyUid, { bytes: imageBytes }), first + image * 5);
    const last = first + (images - 1) * 5;
    ledger.decide(placing(backend, { studyUid, at: first, policy: 'round-robin' }));
    const startedAt = Math.max(last, freeAt[backend]);
    const transfer = ledger.claim(backend, { instances: 50, bytes: 64e6 }, startedAt);
    if (transfer === null) throw new Error('there is nothing to send');
    const endedAt = startedAt + images * speeds[backend];
    freeAt[backend] = endedAt;
    concludeAll(ledger, transfer, proven, endedAt, { bytesSent: images * imageBytes });
  }
}

beforeAll(async () => {
  folder = await tempDir('replay');
  file = join(folder.path, 'ledger.sqlite');
  ledger = openLedger(file);
  fillWithAnHour();
  await writeFile(
    topologyFile(),
    stringify({
      fronts: [
        { name: 'front', url: 'http://127.0.0.1:1', password: { env: 'DDE_PASSWORD', default: 'none' } },
      ],
      backends: Object.keys(speeds).map((name, index) => ({
        name,
        url: `http://127.0.0.1:${index + 2}`,
        password: { env: 'DDE_PASSWORD', default: 'none' },
        lanes: 1,
      })),
    }),
  );
});
afterAll(async () => {
  await ledger?.close();
  await folder?.remove();
});

const topologyFile = (): string => join(folder.path, 'topology.yaml');

async function dde(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await run(args, {
    stdout: { write: (some) => (out += some) },
    stderr: { write: (some) => (err += some) },
    env: { DDE_HOME: folder.path, DDE_TOPOLOGY: topologyFile() },
    cwd: folder.path,
  });
  return { code, out, err };
}

const iso = (at: number): string => new Date(at).toISOString();
const span = ['--from', iso(began), '--to', iso(ended)];

const row = z.object({
  policy: z.string(),
  studies: z.number(),
  lost: z.number(),
  p50: z.number(),
  p95: z.number(),
  p99: z.number(),
  makespan: z.number(),
  backends: z.record(z.string(), z.number()),
});
const answer = z.object({ studies: z.number(), images: z.number(), was: row, rows: z.array(row) });

describe('replay', () => {
  test('meets what was, and says what another policy would have made of it', async () => {
    const ran = await dde('replay', ...span, '--policy', 'expected-completion', '--json');
    expect(ran, ran.err).toMatchObject({ code: 0 });
    const { was, rows, ...counts } = answer.parse(JSON.parse(ran.out));
    expect(counts).toMatchObject({ studies, images: studies * images });
    expect(was).toMatchObject({ policy: 'round-robin', lost: 0, backends: { fast: 45, slow: 45 } });
    expect(was.p99).toBeCloseTo((images * speeds.slow) / 1000, 1);

    const [same, other] = rows;
    expect(same?.policy).toBe('round-robin');
    expect(same?.backends).toEqual(was.backends);
    expect((same?.p99 ?? 0) / was.p99).toBeGreaterThan(0.8);
    expect((same?.p99 ?? 0) / was.p99).toBeLessThan(1.25);
    expect(other?.policy).toBe('expected-completion');
    expect(other?.lost).toBe(0);
    expect(other?.backends['fast']).toBeGreaterThan(80);
    // One or two are spent on finding out that the slow one is slow.
    expect(other?.p95).toBeLessThan(was.p95 / 2);
  });

  test('fits into 80 columns, and says how far it is to be trusted', async () => {
    const ran = await dde(
      'replay',
      ...span,
      '--policy',
      'least-in-flight',
      '--policy',
      'expected-completion',
    );
    expect(ran, ran.err).toMatchObject({ code: 0 });
    expect(ran.out.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(ran.out).toContain('90 studies, 1,800 images');
    expect(ran.out).toMatch(/The p99 of what was comes out as \d+ % of what it was/);
    expect(ran.err).toBe('');
  });

  test('of a copy is the same, and changes nothing in it', async () => {
    const copy = join(folder.path, 'copy.sqlite');
    await ledger.backup(copy);
    const before = await digest(copy);
    const direct = await dde('replay', ...span, '--json');
    const ofCopy = await dde('replay', ...span, '--ledger', copy, '--json');
    expect(ofCopy.out).toBe(direct.out);
    expect(await digest(copy)).toBe(before);
  });

  test('goes on beside a service that writes', () => {
    ledger.received(arrival('1.9'), ended + 1);
    expect(readTrace(file, { from: began, to: ended }).studies).toHaveLength(studies);
    ledger.received(arrival('1.9'), ended + 2);
    const [late] = readTrace(file, { from: ended, to: ended + 1_000 }).studies;
    expect(late).toMatchObject({ studyUid: '1.9', backend: null, availableAt: null, late: 0 });
    expect(late?.arrivals).toEqual([ended + 1, ended + 2]);
  });

  test('without a topology takes the backends as they usually are, and says so', async () => {
    const topology = await readFile(topologyFile());
    await rm(topologyFile());
    try {
      const ran = await dde('replay', ...span);
      expect(ran).toMatchObject({ code: 0 });
      expect(ran.err).toContain('two lanes');
      expect(ran.out).toContain('fast');
    } finally {
      await writeFile(topologyFile(), topology);
    }
  });

  test('of nothing says so', async () => {
    const ran = await dde('replay', '--from', iso(0), '--to', iso(1_000));
    expect(ran).toMatchObject({ code: 0 });
    expect(ran.out).toContain('0 studies');
  });

  test.each([
    { what: 'no file', ledger: 'nowhere.sqlite', says: 'cannot be read' },
    { what: 'no database', ledger: 'text.sqlite', says: 'cannot be read' },
  ])('$what is a sentence', async ({ ledger: name, says }) => {
    await writeFile(
      join(folder.path, 'text.sqlite'),
      'this is no database, but long enough to look like one'.repeat(40),
    );
    const ran = await dde('replay', '--ledger', join(folder.path, name));
    expect(ran.code).toBe(2);
    expect(ran.err).toContain(says);
    expect(ran.err.trim().split('\n')).toHaveLength(1);
  });

  test('mistakes in the options are told', async () => {
    expect((await dde('replay', '--from', 'yesterday')).code).toBe(2);
    expect((await dde('replay', '--policy', 'best')).code).toBe(2);
    expect((await dde('replay', '--from', iso(ended), '--to', iso(began))).code).toBe(2);
  });
});

test('what comes long after the rest of a study is told apart', () => {
  const uid = '1.7';
  for (const at of [0, 1_000, 2_000, 7_200_000]) ledger.received(arrival(uid), ended + 10_000 + at);
  const [study] = readTrace(file, { from: ended + 10_000, to: ended + 20_000 }).studies;
  expect(study).toMatchObject({ studyUid: uid, late: 1 });
  expect(study?.arrivals).toHaveLength(3);
});

async function digest(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}
