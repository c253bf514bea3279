import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { prior, type ServiceModel } from '../../src/backends/model/service.ts';
import { emptyHistory, learnSize, predictSize, type SizeHistory } from '../../src/backends/model/size.ts';
import { expectedCompletion } from '../../src/decision/policies/expected-completion.ts';
import type { Candidate, Choice } from '../../src/decision/policy.ts';
import { policyNames, queueOrders } from '../../src/topology/topology.ts';
import { candidate, study } from './candidates.ts';

const now = Date.parse('2026-03-01T12:00:00Z');
const text = readFileSync(join(import.meta.dirname, '../../docs/balancing.md'), 'utf8');

/** Rows of the table below the mark, without its head. */
function tableAfter(mark: string): readonly (readonly string[])[] {
  const lines = text.split('\n');
  const begin = lines.findIndex((line) => line === `<!-- example: ${mark} -->`);
  if (begin === -1) throw new Error(`docs/balancing.md has no example "${mark}"`);
  const rows = lines.slice(begin + 3);
  const end = rows.findIndex((line) => !line.startsWith('|'));
  return rows.slice(0, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

function backends(): readonly Candidate[] {
  return tableAfter('backends').map(([name = '', ...figures]) => {
    const [c = 0, o = 0, r = 0, g = 0, images = 0, megabytes = 0] = figures.map(Number);
    const service: ServiceModel = {
      ...prior,
      // Long measured: nothing of it is taken from the others.
      covariance: [0, 0, 0, 0, 0, 0],
      secondsPerTransfer: c / 1000,
      secondsPerInstance: o / 1000,
      secondsPerByte: 1 / (r * 1e6),
      logEfficiency: Math.log(g),
      samples: 200,
      sampledAt: now,
    };
    return candidate(name, {
      service,
      instancesInFlight: images,
      bytesInFlight: megabytes * 1e6,
      studiesInFlight: images > 0 ? 3 : 0,
      busyLanes: images > 0 ? 2 : 0,
    });
  });
}

function rowsOf(choice: Choice, candidates: readonly Candidate[]): string[][] {
  const place = choice.kind === 'place' ? 'chosen' : 'waited for';
  return candidates.map(({ backend, lanes, busyLanes }) => {
    const inputs = choice.scores.find((score) => score.backend === backend)?.inputs ?? {};
    const isFree = busyLanes < lanes;
    const figure = (name: string): string => Number(inputs[name]).toFixed(1);
    const score = choice.scores.find((one) => one.backend === backend)?.score ?? Number.NaN;
    const remark = choice.backend === backend ? place : isFree ? '' : 'no lane free';
    return [
      backend,
      figure('backlogSeconds'),
      figure('ownSeconds'),
      figure('seconds'),
      figure('bookedSeconds'),
      score.toFixed(1),
      remark,
    ];
  });
}

test.each([
  { mark: 'CT 350 images 185 MB', instances: 350, bytes: 185e6, out: [] },
  { mark: 'CT 350 images 185 MB, without orthanc3', instances: 350, bytes: 185e6, out: ['orthanc3'] },
  { mark: 'MG 4 images 130 MB', instances: 4, bytes: 130e6, out: [] },
])('docs/balancing.md reckons right: $mark', ({ mark, instances, bytes, out }) => {
  const candidates = backends().filter(({ backend }) => !out.includes(backend));
  const choice = expectedCompletion.choose(study('1.2.3', { instances, bytes }), candidates, now);
  expect(tableAfter(mark)).toEqual(rowsOf(choice, candidates));
});

test('docs/balancing.md expects the right size', () => {
  const sizes = [300, 340, 350, 380, 400];
  const kind = { modality: 'CT', station: 'CT1' };
  const history = sizes.reduce<SizeHistory>(
    (before, instances) =>
      learnSize(before, { ...kind, instances, bytes: instances * 500_000, seconds: instances / 10 }),
    emptyHistory(),
  );
  const rows = tableAfter(`size of a CT after ${sizes.join(' ')}`);
  expect(rows.length).toBeGreaterThan(2);
  for (const [here, expected] of rows) {
    const instances = Number(here);
    const arriving = {
      ...kind,
      instances,
      bytes: instances * 500_000,
      firstSeenAt: now - instances * 100,
      lastNewsAt: now,
    };
    expect(String(predictSize(history, arriving, now).instances)).toBe(expected);
  }
});

test('docs/balancing.md and the topology name the same policies and orders', () => {
  const named = (heading: string): string[] => {
    const section = text.slice(text.indexOf(`## ${heading}`));
    return [...section.slice(0, section.indexOf('\n## ', 1)).matchAll(/^\| `([a-z-]+)` \|/gm)].map(
      ([, name = '']) => name,
    );
  };
  expect(named('Choosing a policy').toSorted()).toEqual(policyNames.toSorted());
  expect(named('Choosing an order').toSorted()).toEqual(queueOrders.toSorted());
});
