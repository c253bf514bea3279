import { describe, expect, onTestFinished, test } from 'vitest';
import { seriesAnswer } from '../../src/admin/observe-schemas.ts';
import { problemAnswer } from '../../src/admin/schemas.ts';
import { gridOf } from '../../src/admin/series/grid.ts';
import { createSeriesReader } from '../../src/admin/series/reader.ts';
import { createFarmSampler } from '../../src/backends/farm-sampler.ts';
import { silentLogger } from '../../src/log.ts';
import { arrival } from '../backends/rig.ts';
import { type AdminRig, adminRig, rigTopology } from './rig.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

describe('the grid of a chart', () => {
  const now = Date.parse('2026-03-01T12:00:03Z');
  const kept = { sampleMs: 5 * second, keepRawMs: day, keepMinutesMs: 30 * day };
  const grid = (spanMs: number, points = 400, to = now) =>
    gridOf({ from: to - spanMs, to, points, now }, kept);

  test.each([
    ['15 minutes', 15 * minute, 400, 10 * second, 'raw'],
    ['an hour', hour, 400, 10 * second, 'raw'],
    ['two hours', 2 * hour, 400, 20 * second, 'raw'],
    ['two hours in few points', 2 * hour, 50, 5 * minute, 'minute'],
    ['a day', day, 400, 5 * minute, 'minute'],
    ['a week', 7 * day, 400, 30 * minute, 'minute'],
    ['a month', 30 * day, 400, 2 * hour, 'hour'],
    ['a year', 365 * day, 400, day, 'hour'],
    ['a year in many points', 365 * day, 2000, 6 * hour, 'hour'],
  ] as const)('%s', (_what, span, points, stepMs, resolution) => {
    const made = grid(span, points);
    expect(made).toMatchObject({ stepMs, resolution, to: now });
    expect(made.from % stepMs).toBe(0);
    expect(made.from).toBeLessThanOrEqual(now - span);
    expect(made.from).toBeGreaterThan(now - span - stepMs);
    expect((made.to - made.from) / stepMs).toBeLessThanOrEqual(points + 1);
  });

  test('long ago there are only minutes, and longer ago only hours', () => {
    expect(grid(hour, 400, now - 2 * day)).toMatchObject({ stepMs: minute, resolution: 'minute' });
    expect(grid(hour, 400, now - 40 * day)).toMatchObject({ stepMs: hour, resolution: 'hour' });
  });

  test('no interval is without a sample where samples are seldom', () => {
    const seldom = { ...kept, sampleMs: minute };
    expect(gridOf({ from: now - hour, to: now, points: 400, now }, seldom).stepMs).toBe(2 * minute);
  });
});

function withSeries(): Promise<AdminRig> {
  return adminRig(true, ({ ledgerFile }) => {
    const series = createSeriesReader(ledgerFile);
    onTestFinished(() => series.close());
    const history = { ...rigTopology.history, sampleMs: 5000, keepRawMs: day };
    return { topology: { ...rigTopology, history }, series };
  });
}

describe('the answer', () => {
  test('has what was sampled, as JSON and as a table', async () => {
    const rig = await withSeries();
    const { ledger, time, flow } = rig;
    const sampler = createFarmSampler({
      ledger,
      flow,
      sampleMs: 5000,
      clock: time.clock,
      log: silentLogger(),
      timers: time,
    });
    sampler.start();
    for (let index = 0; index < 20; index++) {
      const one = arrival('1.2.3', { bytes: 500 });
      ledger.received(one, time.clock());
      flow.arrived(one);
    }
    flow.carried({ front: 'front', backend: 'orthanc1', instances: 5, bytes: 2500 });
    ledger.addSamples([
      {
        orthanc: 'orthanc1',
        at: time.clock(),
        up: true,
        latencyMs: 1 / 3,
        jobsPending: 0,
        jobsRunning: 1,
        activeRequests: 0,
        instances: 7,
        diskBytes: 8,
      },
    ]);
    time.advance(20 * second);
    sampler.stop();
    // Stopping keeps what came last, and only once.
    sampler.stop();

    const answer = await rig.get('/series?from=2026-03-01T11:00:00Z', seriesAnswer);
    const place = answer.at.indexOf(Date.parse('2026-03-01T12:00:00Z') / 1000);
    expect(answer).toMatchObject({
      from: '2026-03-01T11:00:00.000Z',
      to: '2026-03-01T12:00:20.000Z',
      step: 10,
    });
    expect(answer.farm.inInstances[place]).toBe(4);
    expect(answer.farm.inBytes[place]).toBe(2000);
    expect(answer.farm.outInstances[place]).toBe(1);
    expect(answer.farm.oldestAgeSeconds[place]).toBe(5);
    expect(answer.farm.waitingInstances[place + 1]).toBe(20);
    expect(answer.farm.inInstances[place - 1]).toBeNull();
    expect(answer.orthancs['orthanc1']?.latencyMs[place]).toBe(0.3333);
    expect(answer.orthancs['orthanc1']?.latencyMs).toHaveLength(answer.at.length);

    const table = await fetch(`${rig.url}/api/v1/series.csv?from=2026-03-01T11:00:00Z`, {
      headers: rig.headers,
    });
    expect(table.headers.get('content-type')).toMatch(/^text\/csv/);
    expect(table.headers.get('content-disposition')).toBe('attachment; filename=series.csv');
    const rows = (await table.text()).trimEnd().split('\r\n');
    expect(rows).toHaveLength(answer.at.length + 1);
    expect(rows[0]).toMatch(/^at,inInstances,inBytes,.*,orthanc1\.up,orthanc1\.latencyMs,/);
    expect(rows[place + 1]).toBe('2026-03-01T12:00:00.000Z,4,2000,1,500,20,5,0,1,0.3333,0,1,0,7,8,,0,0,0');
  });

  test('is asked for within limits', async () => {
    const rig = await withSeries();
    const detail = async (query: string) =>
      problemAnswer.parse((await rig.ask('GET', `/series?${query}`)).body).detail;
    expect(await detail('from=2026-03-01T11:59:00Z')).toBe(
      'query.from: must be 15 minutes to a year before `to`',
    );
    expect(await detail('from=2024-03-01T11:59:00Z')).toMatch('15 minutes to a year');
    expect(await detail('points=5')).toMatch('query.points');
    expect(await detail('points=2001&from=yesterday')).toMatch(/query\.from.*query\.points/);
    expect((await (await adminRig()).ask('GET', '/series')).status).toBe(501);
  });

  test('of many questions at once the same are asked once, and too many are turned away', async () => {
    const rig = await withSeries();
    const reader = createSeriesReader(rig.ledgerFile);
    onTestFinished(() => reader.close());
    const read = (index: number) =>
      reader
        .read({ from: index * hour, to: (index + 1) * hour, stepMs: minute, resolution: 'raw' }, 'json')
        .then(
          (body) => body,
          (error: unknown) => (error instanceof Error ? error.message : null),
        );
    const same = await Promise.all(Array.from({ length: 50 }, () => read(0)));
    expect(new Set(same).size).toBe(1);
    const many = await Promise.all(Array.from({ length: 50 }, (_, index) => read(index)));
    expect(many.filter((one) => one === 'Too many series are asked for at once')).toHaveLength(18);
  });

  test('says what is wrong with the ledger', async () => {
    const reader = createSeriesReader('/nowhere/ledger.sqlite');
    const query = { from: 0, to: hour, stepMs: minute, resolution: 'raw' } as const;
    await expect(reader.read(query, 'json')).rejects.toMatchObject({ name: 'LedgerError', code: 'failed' });
    await reader.close();
    await expect(reader.read(query, 'json')).rejects.toThrow('stopping');
  });
});
