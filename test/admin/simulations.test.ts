import { describe, expect, onTestFinished, test } from 'vitest';
import { listOf, problemAnswer } from '../../src/admin/schemas.ts';
import {
  type SimulationAnswer,
  scenarioAnswer,
  simulationAnswer,
  simulationStarted,
} from '../../src/admin/simulation-schemas.ts';
import { createSimulationDesk } from '../../src/admin/simulations/desk.ts';
import { silentLogger } from '../../src/log.ts';
import { runScenario } from '../../src/simulate/run.ts';
import { loadScenario } from '../../src/simulate/scenario.ts';
import { arrival } from '../backends/rig.ts';
import { concludeAll, placing, proven, wide } from '../ledger/driving.ts';
import { until } from '../support/wait.ts';
import { type AdminRig, adminRig } from './rig.ts';

/** @param ledger what a day is replayed from; default: the rig's own */
function simulating(ledger?: string): Promise<AdminRig> {
  return adminRig(true, ({ ledgerFile }) => {
    const simulations = createSimulationDesk({ ledgerFile: ledger ?? ledgerFile, log: silentLogger() });
    onTestFinished(() => simulations.close());
    return { simulations };
  });
}

async function start(rig: AdminRig, body: unknown): Promise<string> {
  const answer = await rig.ask('POST', '/simulations', body);
  expect(answer.status).toBe(200);
  return simulationStarted.parse(answer.body).id;
}

function over(rig: AdminRig, id: string): Promise<SimulationAnswer> {
  return until(
    async () => {
      const seen = await rig.get(`/simulations/${id}`, simulationAnswer);
      return seen.state !== 'running' && seen;
    },
    { what: 'the end of the simulation', timeoutMs: 60_000 },
  );
}

/** Infinite times have no JSON. */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test('the scenarios that come along are listed', async () => {
  const { items } = await (await adminRig()).get('/scenarios', listOf(scenarioAnswer));
  expect(items.length).toBeGreaterThan(5);
  expect(items.find(({ name }) => name === 'batch-hetero')).toMatchObject({ title: 'Batch hetero' });
});

test('a scenario comes out as on the command line, with a curve for each policy', async () => {
  const rig = await simulating();
  const policies = ['round-robin', 'oracle'] as const;
  const id = await start(rig, { scenario: 'live-differing', policies, seeds: 1 });
  const { state, progress, error, result } = await over(rig, id);
  expect({ state, progress, error }).toEqual({ state: 'done', progress: 1, error: null });
  if (result === null || !('scenario' in result)) throw new Error('no result of a scenario');
  const { curves, ...report } = result;
  const there = await runScenario(loadScenario('live-differing'), { policies, order: 'fifo', seeds: 1 });
  expect(report).toEqual(asJson(there));
  expect(curves.map(({ policy }) => policy)).toEqual(['round-robin', 'oracle', 'lower bound']);
  const [first] = curves;
  const at = (q: number) => first?.quantiles.find((point) => point.q === q)?.seconds;
  expect(at(0.5)).toBe(report.rows[0]?.p50);
  expect(at(0.99)).toBe(report.rows[0]?.p99);
  expect(at(1)).toBe(report.rows[0]?.max);
});

test('the last day is replayed from the ledger, while the service goes on with it', async () => {
  const rig = await simulating();
  const { ledger, time } = rig;
  for (let index = 0; index < 20; index++) {
    const studyUid = `1.2.${index}`;
    for (let image = 0; image < 3; image++) ledger.received(arrival(studyUid), time.clock());
    ledger.decide(placing(`orthanc${1 + (index % 3)}`, { studyUid, at: time.clock() }));
    const transfer = ledger.claim(`orthanc${1 + (index % 3)}`, wide, time.clock());
    if (transfer === null) throw new Error('nothing to claim');
    time.advance(500);
    concludeAll(ledger, transfer, proven, time.clock(), { bytesSent: 3000 });
    time.advance(60_000);
  }
  const id = await start(rig, { day: 'last', policies: ['round-robin', 'fastest'] });
  const { state, error, result } = await over(rig, id);
  expect({ state, error }).toEqual({ state: 'done', error: null });
  if (result === null || 'scenario' in result) throw new Error('no result of a replay');
  expect(result).toMatchObject({
    to: new Date(time.clock()).toISOString(),
    order: 'fifo',
    studies: 20,
    images: 60,
    was: { policy: 'least-in-flight', studies: 20, p50: 0.5 },
  });
  // What was is replayed too, to be held against it.
  expect(result.rows.map(({ policy }) => policy)).toEqual(['least-in-flight', 'round-robin', 'fastest']);
  expect(result.curves.map(({ policy }) => policy)).toEqual([
    'as it was (least-in-flight)',
    'least-in-flight',
    'round-robin',
    'fastest',
  ]);
});

test('one at a time; what waits or runs can be ended', async () => {
  const rig = await simulating();
  const long = { scenario: 'live-batch', policies: ['expected-completion'], seeds: 100 };
  const first = await start(rig, long);
  const second = await start(rig, { ...long, seeds: 1 });
  const third = await start(rig, { ...long, seeds: 1 });
  await until(async () => (await rig.get(`/simulations/${first}`, simulationAnswer)).progress > 0, {
    what: 'the first to begin',
  });
  expect(await rig.get(`/simulations/${second}`, simulationAnswer)).toMatchObject({
    state: 'running',
    progress: 0,
  });
  const ended = async (id: string) =>
    simulationAnswer.parse((await rig.ask('DELETE', `/simulations/${id}`)).body);
  expect(await ended(second)).toMatchObject({ state: 'cancelled', result: null });
  expect(await ended(first)).toMatchObject({ state: 'cancelled' });
  expect((await over(rig, third)).state).toBe('done');
  // What is over stays as it is.
  expect((await ended(third)).state).toBe('done');
});

test('too many are turned away, and what is over long ago is forgotten', async () => {
  const rig = await simulating();
  const body = { scenario: 'homogeneous', policies: ['oracle'], seeds: 100 };
  const ids: string[] = [];
  for (let count = 0; count < 9; count++) ids.push(await start(rig, body));
  const refused = await rig.ask('POST', '/simulations', body);
  expect(refused.status).toBe(503);
  for (const id of ids) await rig.ask('DELETE', `/simulations/${id}`);
  for (let count = 0; count < 20; count++) await rig.ask('DELETE', `/simulations/${await start(rig, body)}`);
  expect((await rig.ask('GET', `/simulations/${ids[0]}`)).status).toBe(404);
});

describe('what cannot be simulated is said', () => {
  test.each([
    [{ policies: ['round-robin'] }, 'must have either scenario or day'],
    [{ policies: ['round-robin'], scenario: 'homogeneous', day: 'last' }, 'must have either scenario or day'],
    [{ policies: [], scenario: 'homogeneous' }, 'body.policies'],
    [{ policies: ['oracle'], day: 'last' }, 'nobody knows the true speeds'],
    [{ policies: ['perfect-learner'], day: 'last' }, 'nobody knows the true speeds'],
    [{ policies: ['fastest'], day: 'last', seeds: 2 }, 'body.seeds: must not stand beside day'],
    [
      { policies: ['fastest'], scenario: 'nowhere' },
      'body.scenario: there is no scenario nowhere; there are ',
    ],
    [{ policies: ['fastest'], scenario: '../../etc/passwd' }, 'there is no scenario'],
  ])('%j', async (body, detail) => {
    const rig = await simulating();
    const answer = await rig.ask('POST', '/simulations', body);
    expect(answer.status).toBe(400);
    expect(problemAnswer.parse(answer.body).detail).toMatch(detail);
  });

  test('where there is no simulator, and of one that nobody knows', async () => {
    const body = { policies: ['fastest'], scenario: 'homogeneous' };
    expect((await (await adminRig()).ask('POST', '/simulations', body)).status).toBe(501);
    const rig = await simulating();
    expect((await rig.ask('GET', '/simulations/9b2f0f0e-1d39-4b8e-8a53-0f4f1c8f7a11')).status).toBe(404);
    expect((await rig.ask('DELETE', '/simulations/yesterday')).status).toBe(400);
  });

  test('a ledger that cannot be read is why a replay failed', async () => {
    const rig = await simulating('/nowhere/ledger.sqlite');
    const id = await start(rig, { day: 'last', policies: ['fastest'] });
    expect(await over(rig, id)).toMatchObject({ state: 'failed', error: expect.stringMatching(/^Ledger: /) });
  });
});

test('one that takes too long is ended and says so, and the next one has its turn', async () => {
  const limited = await adminRig(true, ({ ledgerFile }) => {
    const simulations = createSimulationDesk({ ledgerFile, log: silentLogger(), limitMs: 4_000 });
    onTestFinished(() => simulations.close());
    return { simulations };
  });
  const policies = ['round-robin', 'least-in-flight', 'expected-completion', 'oracle'];
  const long = await start(limited, { scenario: 'many-cr', policies, seeds: 100 });
  const short = await start(limited, { scenario: 'homogeneous', policies: ['round-robin'], seeds: 1 });
  const { state, error, result } = await over(limited, long);
  expect({ state, result }).toEqual({ state: 'failed', result: null });
  expect(error).toContain('It took longer than 4 seconds and was ended. Ask for fewer policies');
  expect(['running', 'done', 'failed']).toContain((await over(limited, short)).state);
});
