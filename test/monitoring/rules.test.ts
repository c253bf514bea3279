import { readFileSync } from 'node:fs';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempDir } from '../support/temp.ts';
import { alerts, dashboard, folder, metricsIn, type Panel, promtool } from './promtool.ts';

test('promtool finds nothing wrong with the rules, and each alert fires when it must and not otherwise', () => {
  expect(promtool(['check', 'rules', 'alerts.yml'])).toMatchObject({ code: 0 });
  const { code, said } = promtool(['test', 'rules', 'alerts.test.yml']);
  expect(code, said).toBe(0);
});

test('every alert has a test in which it fires', () => {
  const tested = readFileSync(join(folder, 'alerts.test.yml'), 'utf8');
  const names = alerts().map(({ alert }) => alert);
  expect(new Set(names).size).toBe(names.length);
  expect(names.filter((name) => !tested.includes(`alertname: ${name}\n        exp_alerts:`))).toEqual([]);
});

test('the example of Prometheus is valid', async () => {
  await using dir = await tempDir('prometheus');
  for (const file of ['prometheus.yml', 'alerts.yml'])
    await copyFile(join(folder, file), join(dir.path, file));
  await writeFile(join(dir.path, 'prometheus.token'), 'a-token\n');
  const { code, said } = promtool(['check', 'config', join(dir.path, 'prometheus.yml')]);
  expect(code, said).toBe(0);
});

test('each alert has its section in docs/operating.md, and each section its alert', () => {
  const text = readFileSync(join(folder, '../docs/operating.md'), 'utf8');
  const sections = [...text.matchAll(/^### (Dde\w+)$/gm)].map(([, name = '']) => name);
  expect(sections).toEqual(alerts().map(({ alert }) => alert));
  for (const { alert, annotations } of alerts())
    expect(annotations.runbook).toBe(`docs/operating.md#${alert.toLowerCase()}`);
  // Each says what it means, and what to do.
  for (const part of text.split(/^### (?=Dde)/m).slice(1)) {
    const [section = ''] = part.split(/^## /m);
    expect(section.trim().split('\n').slice(1).join(' ').length, section).toBeGreaterThan(150);
  }
});

test('the panels of the dashboard have titles, words and units, ask the data source one chooses, and do not overlap', () => {
  const { panels, templating } = dashboard();
  expect(templating.list.map(({ name }) => name)).toEqual(['datasource', 'instance', 'backend']);
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const charts = panels.filter(({ type }) => type !== 'row');
  expect(charts.length).toBeGreaterThan(20);
  for (const panel of charts) {
    expect(panel.description ?? '', panel.title).toMatch(/\.$/);
    expect(panel.fieldConfig?.defaults.unit, panel.title).toBeTruthy();
    expect(panel.targets.length, panel.title).toBeGreaterThan(0);
    for (const { uid } of [panel.datasource ?? { uid: '' }, ...panel.targets.map((t) => t.datasource)])
      expect(uid, panel.title).toBe('${datasource}');
    for (const { expr } of panel.targets) expect(expr, panel.title).toContain('$instance');
  }
  for (const [index, panel] of panels.entries()) {
    expect(panel.gridPos.x + panel.gridPos.w, panel.title).toBeLessThanOrEqual(24);
    const others = panels.slice(index + 1).filter((other) => overlap(panel, other));
    expect(
      others.map(({ title }) => title),
      panel.title,
    ).toEqual([]);
  }
});

test('metrics are found in a query, and nothing else is', () => {
  expect(
    metricsIn(`
      histogram_quantile(0.9, sum by (le, job) (rate(a_bucket{x="y{z}", q=~"b.*"}[5m]))) / on (backend) b_total
        > 500e6 unless c offset 1h or absent(up{job="dde"}) and predict_linear(d[1h], 4 * 3600) < 0`),
  ).toEqual(['a_bucket', 'b_total', 'c', 'up', 'd']);
});

function overlap({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}
