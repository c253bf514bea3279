import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { FarmSample, Ledger, LoadSample } from '../../src/ledger/ledger.ts';
import { openSeries, type Series, type SeriesQuery } from '../../src/ledger/series.ts';
import { arrivalOf, concludeAll, newLedger, placing, proven, wide } from './support.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const start = 500_000 * hour;

function sample(at: number, more: Partial<LoadSample> = {}): LoadSample {
  return {
    orthanc: 'b1',
    at,
    up: true,
    latencyMs: 4,
    jobsPending: 1,
    jobsRunning: 2,
    activeRequests: 3,
    instances: 10,
    diskBytes: 1000,
    ...more,
  };
}

function farmSample(at: number, more: Partial<FarmSample> = {}): FarmSample {
  return {
    at,
    spanMs: 5 * second,
    inInstances: 0,
    inBytes: 0,
    outInstances: 0,
    outBytes: 0,
    waitingInstances: 0,
    oldestAgeMs: 0,
    quarantined: 0,
    ...more,
  };
}

const silent = { up: false, latencyMs: null, jobsPending: null, jobsRunning: null, activeRequests: null };

async function withSeries(): Promise<{ ledger: Ledger; read: (query: SeriesQuery) => Series }> {
  const { ledger, file } = await newLedger();
  const source = openSeries(file);
  onTestFinished(() => source.close());
  return { ledger, read: (query) => source.read(query) };
}

/** Three samples of two Orthancs, a transfer of two images in the second interval, a placement in the first. */
function usual(ledger: Ledger): void {
  ledger.addSamples([
    sample(start + 1 * second),
    sample(start + 1 * second, { orthanc: 'front', latencyMs: 1, instances: null, diskBytes: null }),
    sample(start + 6 * second, { latencyMs: 8, instances: 12 }),
    sample(start + 11 * second, { ...silent, instances: null, diskBytes: null }),
    sample(start + 16 * second, { latencyMs: 6, jobsPending: 5 }),
  ]);
  ledger.received(arrivalOf(1, { bytes: 500 }), start);
  ledger.received(arrivalOf(2, { bytes: 500 }), start);
  ledger.decide(placing('b1', { at: start + 2 * second }));
  const transfer = ledger.claim('b1', wide, start + 10 * second);
  if (transfer === null) throw new Error('nothing to claim');
  concludeAll(ledger, transfer, proven, start + 13 * second, { bytesSent: 1000 });
  ledger.addFarmSample(
    farmSample(start + 5 * second, { inInstances: 2, inBytes: 1000, waitingInstances: 2, oldestAgeMs: 5000 }),
  );
  ledger.addFarmSample(farmSample(start + 9 * second, { spanMs: 4 * second, waitingInstances: 7 }));
  ledger.addFarmSample(farmSample(start + 15 * second, { outInstances: 2, outBytes: 1000, quarantined: 1 }));
}

test('each interval has the figures of its samples, transfers and decisions', async () => {
  const { ledger, read } = await withSeries();
  usual(ledger);
  const { at, farm, orthancs } = read({
    from: start,
    to: start + 30 * second,
    stepMs: 10 * second,
    resolution: 'raw',
  });
  expect(at).toEqual([start, start + 10 * second, start + 20 * second]);
  expect(farm).toEqual({
    inInstances: [2 / 9, 0, null],
    inBytes: [1000 / 9, 0, null],
    outInstances: [0, 2 / 5, null],
    outBytes: [0, 1000 / 5, null],
    waitingInstances: [7, 0, null],
    oldestAgeSeconds: [5, 0, null],
    quarantined: [0, 1, null],
  });
  expect(orthancs).toEqual({
    b1: {
      up: [1, 0.5, null],
      latencyMs: [6, 6, null],
      jobsPending: [1, 5, null],
      jobsRunning: [2, 2, null],
      activeRequests: [3, 3, null],
      instances: [12, 10, null],
      diskBytes: [1000, 1000, null],
      transferSeconds: [null, 3, null],
      outInstances: [0, 0.2, null],
      outBytes: [0, 100, null],
      decisions: [1, 0, null],
    },
    front: expect.objectContaining({
      up: [1, null, null],
      latencyMs: [1, null, null],
      instances: [null, null, null],
    }),
  });
});

test('minutes and hours tell the same as the samples they were made of', async () => {
  const { ledger, read } = await withSeries();
  usual(ledger);
  const raw = read({ from: start, to: start + minute, stepMs: minute, resolution: 'raw' });
  expect(raw.orthancs['b1']).toMatchObject({
    up: [0.75],
    latencyMs: [6],
    outInstances: [2 / 60],
    decisions: [1],
  });
  ledger.rollUp(start + 3 * hour);
  ledger.thin(start + 3 * hour, { rawMs: 0, minutesMs: 1e12, hoursMs: 1e12 });
  expect(ledger.history({ from: 0, to: start + hour, resolution: 'raw', limit: 10 })).toEqual([]);
  expect(read({ from: start, to: start + minute, stepMs: minute, resolution: 'minute' })).toEqual(raw);

  const hours = read({ from: start, to: start + hour, stepMs: hour, resolution: 'hour' });
  expect(hours.farm).toEqual(raw.farm);
  expect(hours.orthancs['b1']).toMatchObject({
    up: [0.75],
    latencyMs: [6],
    instances: [12],
    transferSeconds: [3],
    outInstances: [2 / 3600],
    outBytes: [1000 / 3600],
    decisions: [1],
  });
});

test('where hours end minutes go on, and where those end samples', async () => {
  const { ledger, read } = await withSeries();
  const end = start + 3 * hour;
  for (let at = start; at < end; at += 30 * second) {
    ledger.addSamples([sample(at)]);
    ledger.addFarmSample(farmSample(at, { spanMs: 30 * second, inInstances: 60 }));
  }
  ledger.rollUp(end - 20 * minute);
  const { at, farm, orthancs } = read({ from: start, to: end, stepMs: hour, resolution: 'hour' });
  expect(at).toHaveLength(3);
  expect(farm.inInstances).toEqual([2, 2, 2]);
  expect(orthancs['b1']).toMatchObject({ up: [1, 1, 1], latencyMs: [4, 4, 4] });
});

test('the running interval is left out in its first half, and counted by what of it is over after that', async () => {
  const { ledger, read } = await withSeries();
  usual(ledger);
  const to = (seconds: number) =>
    read({ from: start, to: start + seconds * second, stepMs: 10 * second, resolution: 'raw' });
  expect(to(14).at).toHaveLength(1);
  expect(to(16).at).toHaveLength(2);
  expect(to(16).orthancs['b1']?.outInstances).toEqual([0, 2 / 6]);
});

test('old samples of the farm are thinned as those of the Orthancs are', async () => {
  const { ledger, read } = await withSeries();
  usual(ledger);
  const now = start + 100 * hour;
  ledger.rollUp(now);
  ledger.thin(now, { rawMs: hour, minutesMs: hour, hoursMs: 1e12 });
  const query = { from: start, to: start + hour, stepMs: hour } as const;
  expect(read({ ...query, resolution: 'hour' }).farm.waitingInstances).toEqual([7]);
  expect(read({ ...query, resolution: 'minute' }).farm.waitingInstances).toEqual([null]);
  expect(read({ ...query, resolution: 'raw' }).farm.waitingInstances).toEqual([null]);
  ledger.thin(now, { rawMs: hour, minutesMs: hour, hoursMs: hour });
  expect(read({ ...query, resolution: 'hour' }).farm.waitingInstances).toEqual([null]);
});

test('what a file that is no ledger has is no series', () => {
  expect(() => openSeries('/nowhere/ledger.sqlite')).toThrow(
    expect.objectContaining({ name: 'LedgerError', code: 'failed' }),
  );
});

describe('whatever the samples', () => {
  const sampleOf = fc.record({
    minuteOf: fc.integer({ min: 0, max: 119 }),
    secondOf: fc.integer({ min: 0, max: 11 }).map((fifth) => fifth * 5),
    up: fc.boolean(),
    latencyMs: fc.integer({ min: 0, max: 1000 }),
    instances: fc.integer({ min: 0, max: 1000 }),
    inInstances: fc.integer({ min: 0, max: 1000 }),
    waiting: fc.integer({ min: 0, max: 1000 }),
  });

  test('a chart from minutes or hours is the chart from samples', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(sampleOf, {
          selector: ({ minuteOf, secondOf }) => minuteOf * 60 + secondOf,
          minLength: 1,
          maxLength: 40,
        }),
        fc.constantFrom(10 * minute, hour, 2 * hour),
        async (samples, stepMs) => {
          const { ledger, read } = await withSeries();
          for (const { minuteOf, secondOf, up, latencyMs, instances, inInstances, waiting } of samples) {
            const at = start + minuteOf * minute + secondOf * second;
            ledger.addSamples([sample(at, up ? { latencyMs, instances } : { ...silent, instances: null })]);
            ledger.addFarmSample(farmSample(at, { inInstances, waitingInstances: waiting }));
          }
          const query = { from: start, to: start + 2 * hour, stepMs };
          const raw = close(read({ ...query, resolution: 'raw' }));
          ledger.rollUp(start + 70 * minute);
          if (stepMs >= hour) expect(close(read({ ...query, resolution: 'hour' }))).toEqual(raw);
          ledger.rollUp(start + 2 * hour);
          expect(close(read({ ...query, resolution: 'minute' }))).toEqual(raw);
          if (stepMs >= hour) expect(close(read({ ...query, resolution: 'hour' }))).toEqual(raw);
        },
      ),
      { numRuns: 12 },
    );
  });
});

/** Averages of averages differ in their last digits. */
function close({ at, farm, orthancs }: Series): unknown {
  return JSON.parse(
    JSON.stringify({ at, farm, orthancs }, (_key, value: unknown) =>
      typeof value === 'number' ? Number(value.toPrecision(9)) : value,
    ),
  );
}
