import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Backlog, createAdmission, overLimit } from '../../src/intake/admission.ts';
import { LedgerError, type QueueView } from '../../src/ledger/ledger.ts';
import { silentLogger } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import type { AdmissionConfig } from '../../src/topology/topology.ts';

const limits: AdmissionConfig = {
  maxBacklogInstances: 100,
  maxBacklogBytes: 1000,
  maxBacklogAgeMs: 60_000,
  minFreeBytes: 1_000_000,
  resume: 0.5,
};

describe('the backlog', () => {
  const now = 1_000_000;

  test.each([
    ['instances', { instances: 101, bytes: 0, oldestAt: null }, /101 instances wait; the limit is 100/],
    ['bytes', { instances: 1, bytes: 1001, oldestAt: null }, /1001 bytes wait/],
    ['age', { instances: 1, bytes: 1, oldestAt: now - 60_001 }, /has waited 60 s; the limit is 60 s/],
  ])('is over its limit of %s', (_what, backlog, reason) => {
    expect(overLimit(backlog, limits, 1, now)).toMatch(reason);
  });

  test('at its limits is not over them', () => {
    expect(overLimit({ instances: 100, bytes: 1000, oldestAt: now - 60_000 }, limits, 1, now)).toBeNull();
  });

  test('that is within a lower mark is within the higher one', () => {
    const backlog = fc.record({
      instances: fc.nat(300),
      bytes: fc.nat(3000),
      oldestAt: fc.option(fc.integer({ min: now - 200_000, max: now })),
    });
    fc.assert(
      fc.property(backlog, fc.double({ min: 0.1, max: 1, noNaN: true }), (b, factor) => {
        return overLimit(b, limits, factor, now) !== null || overLimit(b, limits, 1, now) === null;
      }),
    );
  });
});

describe('the sign a front looks at', () => {
  let folder: string;
  let now: number;
  let backlog: Backlog | LedgerError;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dde-admission-'));
    now = 1_000_000;
    backlog = { instances: 0, bytes: 0, oldestAt: null };
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const admission = (file: string) =>
    createAdmission({
      ledger: {
        queue(): QueueView {
          if (backlog instanceof LedgerError) throw backlog;
          return {
            ...backlog,
            quarantined: 0,
            unplacedStudies: 0,
            settling: 0,
            backends: [],
            formerCopies: 0,
            formerConflicts: 0,
          };
        },
      },
      limits,
      fronts: new Map([['front', file]]),
      clock: () => now,
      log: silentLogger(),
      metrics: createMetrics(),
    });

  test('goes up above the limit and comes down below the lower mark only', () => {
    const file = join(folder, 'admission', 'front');
    const under = admission(file);
    under.check();
    expect(existsSync(file)).toBe(false);

    backlog = { instances: 150, bytes: 0, oldestAt: null };
    under.check();
    expect(under.state('front')).toMatchObject({ open: false, since: now });
    expect(readFileSync(file, 'utf8')).toBe('closed 1005 150 instances wait; the limit is 100\n');

    backlog = { instances: 60, bytes: 0, oldestAt: null };
    now += 1000;
    under.check();
    expect(readFileSync(file, 'utf8')).toMatch(/^closed 1006 60 instances/);

    backlog = { instances: 50, bytes: 0, oldestAt: null };
    under.check();
    expect(existsSync(file)).toBe(false);
    expect(under.state('front').open).toBe(true);
  });

  test('is not renewed when nobody knows the backlog, so that it runs out', () => {
    const file = join(folder, 'front');
    const under = admission(file);
    backlog = { instances: 150, bytes: 0, oldestAt: null };
    under.check();
    const sign = readFileSync(file, 'utf8');
    backlog = new LedgerError('full', 'disk full');
    now += 10_000;
    expect(() => under.check()).toThrow(LedgerError);
    expect(readFileSync(file, 'utf8')).toBe(sign);
  });

  test('is taken down when the service stops', () => {
    const file = join(folder, 'front');
    const under = admission(file);
    backlog = { instances: 150, bytes: 0, oldestAt: null };
    under.check();
    under.stop();
    expect(existsSync(file)).toBe(false);
  });
});

describe('what a front says of its own disk', () => {
  const metrics = createMetrics();
  let now: number;
  let waiting: number;
  beforeEach(() => {
    now = 1_000_000;
    waiting = 0;
    metrics.registry.resetMetrics();
  });

  const admission = () =>
    createAdmission({
      ledger: {
        queue: () => ({
          instances: waiting,
          bytes: 0,
          oldestAt: null,
          quarantined: 0,
          unplacedStudies: 0,
          settling: 0,
          backends: [],
          formerCopies: 0,
          formerConflicts: 0,
        }),
      },
      limits,
      fronts: new Map(
        ['a', 'b'].map((front) => [front, join(tmpdir(), `dde-no-sign-${process.pid}-${front}`)]),
      ),
      clock: () => now,
      log: silentLogger(),
      metrics,
    });
  const said = {
    front: 'a',
    open: false,
    reason: '1 MB free',
    freeBytes: 1_000_000,
    freeAt: 100,
    refused: 3,
    startedAt: 1,
  };
  const refusedBy = async (front: string): Promise<number | undefined> =>
    (await metrics.frontRefusedImages.get()).values.find(({ labels }) => labels.front === front)?.value;

  test('closes that front alone, until it says otherwise', async () => {
    const under = admission();
    under.reported(said);
    expect(under.state('a')).toEqual({ open: false, reason: '1 MB free', since: now });
    expect(under.state('b').open).toBe(true);
    expect((await metrics.frontTakesImages.get()).values).toMatchObject([
      { value: 0, labels: { front: 'a' } },
      { value: 1, labels: { front: 'b' } },
    ]);
    now += 5000;
    under.check();
    expect(under.state('a')).toMatchObject({ open: false, since: 1_000_000 });
    under.reported({ ...said, open: true, refused: 9, freeBytes: 3_000_000, freeAt: 105 });
    expect(under.state('a')).toEqual({ open: true, reason: null, since: now });
    expect((await metrics.frontFreeBytes.get()).values).toMatchObject([{ value: 3_000_000 }]);
  });

  test('is counted once, also when reports come twice or the front has started anew', async () => {
    const under = admission();
    for (const refused of [3, 3, 5, 4, 5]) under.reported({ ...said, refused });
    expect(await refusedBy('a')).toBe(5);
    under.reported({ ...said, startedAt: 2, refused: 2 });
    under.reported({ ...said, startedAt: 2, refused: null });
    under.reported({ ...said, startedAt: 2, refused: 3 });
    expect(await refusedBy('a')).toBe(8);
    expect(await refusedBy('b')).toBe(0);
  });

  test('is not undone by an announcement that was overtaken', async () => {
    const under = admission();
    const shown = async () => (await metrics.frontFreeBytes.get()).values.map(({ value }) => value);
    under.measured({ front: 'a', freeBytes: 9_000_000, freeAt: 98 });
    under.reported(said);
    under.measured({ front: 'a', freeBytes: 9_000_000, freeAt: 99 });
    under.measured({ front: 'a', freeBytes: null, freeAt: null });
    expect(await shown()).toEqual([1_000_000]);
    expect(under.state('a').open).toBe(false);
    under.measured({ front: 'a', freeBytes: 5_000_000, freeAt: 100 });
    expect(await shown()).toEqual([5_000_000]);
    // The front's clock was set.
    under.measured({ front: 'a', freeBytes: 6_000_000, freeAt: 100 - 86_400 });
    expect(await shown()).toEqual([6_000_000]);
  });

  test('stays true while too much waits, and afterwards', () => {
    const under = admission();
    under.reported(said);
    waiting = 101;
    under.check();
    expect(under.state('a').reason).toMatch('101 instances wait');
    expect(under.state('b').reason).toMatch('101 instances wait');
    waiting = 0;
    under.check();
    expect(under.state('a').reason).toBe('1 MB free');
    expect(under.state('b').open).toBe(true);
    under.stop();
  });

  test('of a front nobody knows is nothing', () => {
    const under = admission();
    under.reported({ ...said, front: '__proto__' });
    under.measured({ front: 'c', freeBytes: 1, freeAt: 1 });
    expect(under.state('c').open).toBe(true);
  });
});
