import { afterAll, beforeAll, expect, test } from 'vitest';
import { sendAllDicom } from '../support/dicom-sender.ts';
import { type Farm, frontsEmpty, startFarm } from '../support/farm.ts';
import { makeStudy, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';
import { type Prometheus, startPrometheus } from './prometheus.ts';
import { alerts, asAsked, dashboard, metricsIn, promtool } from './promtool.ts';

let farm: Farm;
let prometheus: Prometheus;

beforeAll(async () => {
  farm = await startFarm({ backend: { orthanc1: { disk: '10 GB' }, orthanc2: { disk: '10 GB' } } });
  // A token as docs/monitoring.md has it made.
  const created = await farm.service.request('/api/v1/tokens', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'prometheus', role: 'view' }),
  });
  const token: unknown = await created.json();
  if (typeof token !== 'object' || token === null || !('token' in token))
    throw new Error('no token was made');
  const address = new URL(farm.service.url).host;
  prometheus = await startPrometheus(address, String(token.token));
  // Before the traffic: a counter that is first seen with its last value has no rate.
  await scraped(1);
  await send(1);
  await scraped(1);
  await send(2);
  await scraped(2);
}, 120_000);

afterAll(async () => {
  await prometheus?.[Symbol.asyncDispose]();
  await farm?.stop();
});

async function send(round: number): Promise<void> {
  await using dir = await tempDir();
  const studies = [0, 1, 2, 3].map((study) =>
    makeStudy({ seed: `monitored-${round}-${study}`, instances: 4 }),
  );
  const files = await writeInstances(
    studies.flatMap(({ instances }) => instances),
    dir.path,
  );
  await sendAllDicom(files, { port: farm.front.dicomPort });
  await frontsEmpty(farm);
}

/** So many more scrapes have been kept. */
async function scraped(times: number): Promise<void> {
  const count = async (): Promise<number> => {
    const [seen] = await prometheus.query('count_over_time(up{job="dde"}[10m])');
    return Number(seen?.value[1] ?? 0);
  };
  const before = await count();
  await until(async () => (await count()) >= before + times, { what: `${times} scrapes` });
}

/** Names of all metrics that the service has, also of those that have no sample yet. */
async function names(): Promise<ReadonlySet<string>> {
  const text = await (await farm.service.request('/metrics')).text();
  const found = new Set(['up']);
  for (const [, name = '', type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    found.add(name);
    if (type === 'histogram') for (const part of ['bucket', 'sum', 'count']) found.add(`${name}_${part}`);
  }
  return found;
}

test('promtool finds nothing wrong with what a scrape is answered', async () => {
  const text = await (await farm.service.request('/metrics')).text();
  const { code, said } = promtool(['check', 'metrics'], text);
  expect(said).toBe('');
  expect(code).toBe(0);
});

test('a real Prometheus reads the farm, and all rules are evaluated; of a farm that is well none fires', async () => {
  expect(await prometheus.targets()).toEqual([{ health: 'up', lastError: '' }]);
  const known = alerts().map(({ alert }) => alert);
  await until(async () => (await prometheus.rules()).every(({ health }) => health === 'ok'), {
    what: 'every rule to be evaluated',
  });
  const rules = await prometheus.rules();
  expect(rules.map(({ name }) => name).toSorted()).toEqual(known.toSorted());
  expect(rules.filter(({ state }) => state === 'firing')).toEqual([]);
});

test('every alert speaks of metrics that there are', async () => {
  const there = await names();
  for (const { alert, expr } of alerts()) {
    const named = metricsIn(expr);
    expect(named.length, alert).toBeGreaterThan(0);
    expect(
      named.filter((name) => !there.has(name)),
      alert,
    ).toEqual([]);
    await prometheus.query(expr);
  }
});

/** Panels that are empty in a farm that is well and has no certificate. */
const empty: ReadonlySet<string> = new Set(['Evacuation', 'Certificate ends in']);

test('every query of the dashboard is one, speaks of metrics that there are, and gives data', async () => {
  const there = await names();
  const { panels, templating, annotations } = dashboard();
  for (const { title, targets } of panels) {
    for (const { expr } of targets) {
      expect(
        metricsIn(expr).filter((name) => !there.has(name)),
        title,
      ).toEqual([]);
      const result = await prometheus.query(asAsked(expr));
      if (!empty.has(title)) expect(result.length, `${title}: ${expr}`).toBeGreaterThan(0);
    }
  }
  for (const { expr } of annotations.list) if (expr !== undefined) await prometheus.query(asAsked(expr));
  for (const { definition } of templating.list) {
    const [, selector, label] = /^label_values\((.*), (\w+)\)$/.exec(definition ?? '') ?? [];
    if (selector === undefined || label === undefined) continue;
    const series = await prometheus.query(asAsked(selector));
    expect(series.every(({ metric }) => (metric[label] ?? '') !== '')).toBe(true);
    expect(series.length).toBeGreaterThan(0);
  }
});

test('the figures are those of what was sent', async () => {
  const value = async (expr: string): Promise<number> => Number((await prometheus.query(expr))[0]?.value[1]);
  expect(await value('sum(dde_proof_delay_seconds_count)')).toBe(32);
  expect(await value('sum(dde_placement_delay_seconds_count)')).toBe(8);
  expect(await value('dde_decision_duration_seconds_count')).toBeGreaterThanOrEqual(8);
  expect(await value('histogram_quantile(0.99, sum by (le) (dde_proof_delay_seconds_bucket))')).toBeLessThan(
    30,
  );
  expect(await value('dde_ledger_commit_duration_seconds_count')).toBeGreaterThan(32);
  expect(await value('dde_ledger_sync_duration_seconds_count')).toBeGreaterThan(0);
  expect(await value('sum(dde_ledger_file_bytes)')).toBeGreaterThan(32 * 1024);
  expect(await value('sum(dde_backend_disk_limit_bytes)')).toBe(20e9);
  expect(await value('dde_front_up')).toBe(1);
  expect(await value('sum(dde_backend_breaker_state{state="closed"})')).toBe(2);
  expect(await value('max(1 / dde_backend_learnt_seconds_per_instance)')).toBeGreaterThan(1);
  expect(await value('dde_state_free_bytes / dde_state_size_bytes')).toBeLessThan(1);
});

test('a proof that is repeated is not counted as a late one', async () => {
  const count = () => prometheus.query('sum(dde_proof_delay_seconds_count)');
  await using dir = await tempDir();
  const { instances } = makeStudy({ seed: 'monitored-1-0', instances: 4 });
  await sendAllDicom(await writeInstances(instances, dir.path), { port: farm.front.dicomPort });
  await frontsEmpty(farm);
  await scraped(2);
  expect((await count())[0]?.value[1]).toBe('32');
});

test('a backend that is killed, and the service too, are on their way to an alert within seconds', async () => {
  const waiting = async (): Promise<readonly string[]> =>
    (await prometheus.rules()).filter(({ state }) => state !== 'inactive').map(({ name }) => name);
  // On a busy machine others may be under way as well, such as that the event loop lags.
  expect(await waiting()).not.toContain('DdeBackendOut');
  await farm.backend('orthanc2').kill('SIGKILL');
  await until(async () => (await waiting()).includes('DdeBackendOut'), { what: 'the alert of the backend' });
  expect(await waiting()).not.toContain('DdeServiceDown');
  await farm.service.kill('SIGKILL');
  await until(async () => (await waiting()).includes('DdeServiceDown'), { what: 'the alert of the service' });
});
