import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import winston from 'winston';
import { changesBetween, shortened } from '../../src/topology/changes.ts';
import { loadTopology, parseTopology } from '../../src/topology/load.ts';
import type { Topology } from '../../src/topology/topology.ts';
import { stampOf, watchTopology } from '../../src/topology/watch.ts';
import { manualTime } from '../backends/rig.ts';
import { tempDir } from '../support/temp.ts';

function text(routing: string, more = ''): string {
  return `
fronts:
  - { name: front, url: 'http://127.0.0.1:8032', password: { env: SECRET } }
backends:
  - { name: one, url: 'http://127.0.0.1:8042', password: { env: SECRET }${more} }
routing: { ${routing} }
`;
}

const variables = { SECRET: 'very-secret' };
const parse = (routing: string, more?: string): Topology =>
  parseTopology('farm.yaml', text(routing, more), variables);

async function watched(take: (topology: Topology) => void = () => undefined) {
  const folder = await tempDir('watch');
  onTestFinished(() => folder.remove());
  const file = join(folder.path, 'topology.yaml');
  writeFileSync(file, text('policy: round-robin'));
  const lines: string[] = [];
  const log = winston.createLogger({
    format: winston.format.printf(({ level, message }) => `${level} ${String(message)}`),
    transports: [
      new winston.transports.Stream({
        stream: new Writable({
          write(chunk: unknown, _encoding, done) {
            lines.push(String(chunk).trim());
            done();
          },
        }),
      }),
    ],
  });
  const time = manualTime();
  const seen: Topology[] = [];
  const end = watchTopology({
    file,
    since: stampOf(file),
    load: () => loadTopology(file, variables),
    onTopology: (topology) => {
      take(topology);
      seen.push(topology);
    },
    log,
    timers: time,
  });
  onTestFinished(end);
  const policies = (): string[] => seen.map(({ routing }) => routing.policy);
  return { file, lines, time, policies, end };
}

test('a file that stays as it is is not read again', async () => {
  const { time, policies, lines } = await watched();
  time.advance(60_000);
  expect(policies()).toEqual([]);
  expect(lines).toEqual([]);
});

test('a change is taken over once it has stood still for a second', async () => {
  const { file, time, policies } = await watched();
  writeFileSync(file, text('policy: fastest'));
  time.advance(1_000);
  expect(policies()).toEqual([]);
  // Still being written.
  writeFileSync(file, text('policy: rendezvous, order: lpt'));
  time.advance(1_000);
  expect(policies()).toEqual([]);
  time.advance(1_000);
  expect(policies()).toEqual(['rendezvous']);
  time.advance(10_000);
  expect(policies()).toEqual(['rendezvous']);
});

test('mistakes are said in a sentence each, once, and the next right version counts', async () => {
  const { file, time, policies, lines } = await watched();
  writeFileSync(file, text('policy: fastestest, order: never'));
  time.advance(10_000);
  expect(policies()).toEqual([]);
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(
    /^error mistake in the topology: line 6, routing\.policy: must be .*; what was read before stays$/,
  );
  expect(lines[1]).toContain('routing.order');
  writeFileSync(file, text('policy: fastest'));
  time.advance(2_000);
  expect(policies()).toEqual(['fastest']);
});

test('an editor may put another file in its place, or take it away for a while', async () => {
  const { file, time, policies, lines } = await watched();
  rmSync(file);
  time.advance(1_000);
  writeFileSync(`${file}.new`, text('policy: power-of-two'));
  renameSync(`${file}.new`, file);
  time.advance(2_000);
  expect(policies()).toEqual(['power-of-two']);
  expect(lines).toEqual([]);
  rmSync(file);
  time.advance(10_000);
  expect(lines).toEqual(['warn the topology file is gone; what was read before stays']);
});

test('what differs is told by its keys, without a value, and what a running service may take over is known', () => {
  const before = parse('policy: round-robin');
  const after = parseTopology(
    'farm.yaml',
    text('policy: fastest, order: lpt, settle: 5 s', ', weight: 2, disk: 1 TB, username: other'),
    { SECRET: 'another-secret' },
  );
  const changes = changesBetween(before, after);
  const paths = (isLive: boolean) => changes.filter((one) => one.isLive === isLive).map(({ path }) => path);
  expect(paths(true).toSorted()).toEqual([
    'backends.one.disk',
    'backends.one.password',
    'backends.one.username',
    'backends.one.weight',
    'routing.order',
    'routing.policy',
  ]);
  expect(paths(false).toSorted()).toEqual(['fronts.front.password', 'routing.settleMs']);
  expect(JSON.stringify(changes)).not.toContain('secret');
});

test('a backend that comes or goes is one change, and taken over', () => {
  const before = parse('policy: fastest');
  const [one] = before.backends;
  if (one === undefined) throw new Error('no backend');
  const after = { ...before, backends: [one, { ...one, name: 'two' }] };
  const expected = [{ path: 'backends.two', isLive: true }];
  expect(shortened(changesBetween(before, after), before, after)).toEqual(expected);
  expect(shortened(changesBetween(after, before), after, before)).toEqual(expected);
});

test('what could not be taken over is tried again at each look, and said once', async () => {
  let full = true;
  const { file, time, policies, lines } = await watched(() => {
    if (full) throw new Error('no space');
  });
  writeFileSync(file, text('policy: fastest'));
  time.advance(5_000);
  expect(policies()).toEqual([]);
  expect(lines).toEqual(['error the changed topology could not be taken over; what was read before stays']);
  full = false;
  time.advance(1_000);
  expect(policies()).toEqual(['fastest']);
  time.advance(10_000);
  expect(policies()).toEqual(['fastest']);
});
