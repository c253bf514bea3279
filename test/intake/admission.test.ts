import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Backlog, createAdmission, overLimit } from '../../src/intake/admission.ts';
import { LedgerError, type QueueView } from '../../src/ledger/ledger.ts';
import { silentLogger } from '../../src/log.ts';
import type { AdmissionConfig } from '../../src/topology/topology.ts';

const limits: AdmissionConfig = {
  maxBacklogInstances: 100,
  maxBacklogBytes: 1000,
  maxBacklogAgeMs: 60_000,
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
          return { ...backlog, quarantined: 0, unplacedStudies: 0, settling: 0, backends: [] };
        },
      },
      limits,
      files: [file],
      clock: () => now,
      log: silentLogger(),
    });

  test('goes up above the limit and comes down below the lower mark only', () => {
    const file = join(folder, 'admission', 'front');
    const under = admission(file);
    under.check();
    expect(existsSync(file)).toBe(false);

    backlog = { instances: 150, bytes: 0, oldestAt: null };
    under.check();
    expect(under.state()).toMatchObject({ open: false, since: now });
    expect(readFileSync(file, 'utf8')).toBe('closed 1005 150 instances wait; the limit is 100\n');

    backlog = { instances: 60, bytes: 0, oldestAt: null };
    now += 1000;
    under.check();
    expect(readFileSync(file, 'utf8')).toMatch(/^closed 1006 60 instances/);

    backlog = { instances: 50, bytes: 0, oldestAt: null };
    under.check();
    expect(existsSync(file)).toBe(false);
    expect(under.state().open).toBe(true);
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
