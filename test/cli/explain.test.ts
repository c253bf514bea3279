import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ConsideredAnswer } from '../../src/admin/schemas.ts';
import { printConsidered, reckonedWith } from '../../src/cli/explain/considered.ts';
import { createOutput } from '../../src/cli/output.ts';

function printed(considered: readonly ConsideredAnswer[]): string {
  let text = '';
  const out = createOutput({ write: (some: string) => (text += some) }, { write: () => true }, {});
  printConsidered(out, considered);
  return text;
}

const figures = {
  instances: 352,
  bytes: 187e6,
  arrivesIn: 40,
  seconds: 6.12,
  backlogSeconds: 2,
  bookedSeconds: 4.6,
  ownSeconds: 4.12,
  msPerTransfer: 15,
  msPerInstance: 8,
  megabytesPerSecond: 60,
  efficiency: 1,
  lanes: 2,
  busyLanes: 1,
};

test('the chosen one comes first, those out of question last, each figure in its column', () => {
  const text = printed([
    {
      backend: 'c',
      score: null,
      passedOver: 'drain: takes no new studies',
      inputs: { held: 0, state: 'drain, up' },
    },
    { backend: 'b', score: 9.5, passedOver: 'score 9.5 against 6.12', inputs: { ...figures, seconds: 9.5 } },
    {
      backend: 'a',
      score: 6.12,
      passedOver: null,
      inputs: { ...figures, state: 'ready, up', lookup: 'no answer' },
    },
  ]);
  const lines = text.trimEnd().split('\n');
  expect(lines[0]?.split(/ {2,}/)).toEqual([
    'BACKEND',
    'SECONDS',
    'BOOKED',
    'OWN',
    'c ms',
    'o ms',
    'r MB/s',
    'g',
    'LANES',
    'WHY NOT',
  ]);
  expect(lines.slice(1).map((line) => line.charAt(0))).toEqual(expect.arrayContaining(['a', 'b', 'c']));
  expect(lines[1]).toMatch(/^a +6\.1 +4\.6 +4\.1 +15 +8 +60 +1 +1\/2 +chosen; lookup/);
  expect(text).toMatch(/state\s+drain,\s+up/);
  expect(text).not.toContain('ready');
});

test('the size that was reckoned with is said once', () => {
  expect(reckonedWith([{ backend: 'a', score: 1, passedOver: null, inputs: figures }])).toBe(
    'Reckoned with 352 images, 187 MB, the last of it 40.0 s later.',
  );
  expect(reckonedWith([{ backend: 'a', score: 1, passedOver: null, inputs: { weight: 1 } }])).toBeNull();
});

test('whatever the figures are, no line is wider than 80 columns', () => {
  const considered = fc.record({
    backend: fc.stringMatching(/^[a-z][a-z0-9-]{0,30}$/),
    score: fc.option(fc.double({ noNaN: true })),
    passedOver: fc.option(fc.lorem()),
    inputs: fc.dictionary(
      fc.constantFrom(...Object.keys(figures), 'held', 'lookup', 'reservedShare'),
      fc.oneof(fc.double({ min: 0, max: 1e12, noNaN: true }), fc.constant(null)),
    ),
  });
  fc.assert(
    fc.property(fc.array(considered, { minLength: 1, maxLength: 6 }), (all) => {
      expect(
        printed(all)
          .split('\n')
          .filter((line) => line.length > 80),
      ).toEqual([]);
    }),
  );
});
