import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { sendAllDicom } from '../support/dicom-sender.ts';
import { type Farm, startFarm, studiesOn } from '../support/farm.ts';
import { makeStudy, writeInstances } from '../support/synthetic.ts';
import { until } from '../support/wait.ts';
import { confirm, signIn, startBrowser, type Viewer, type Watched } from './browser.ts';
import { deliver, peersOf, seen, setState } from './farm.ts';

/* Each action of the dashboard, and what became of it on the real Orthancs. */

let farm: Farm;
let viewer: Viewer;
let watched: Watched;

beforeAll(async () => {
  farm = await startFarm({ backends: 3, settle: '1 s' });
  viewer = await startBrowser(farm.service.url);
  watched = await viewer.open({ acceptDownloads: true });
  await signIn(watched, farm.service.url, farm.service.token);
});
afterAll(async () => {
  await viewer?.[Symbol.asyncDispose]();
  await farm?.stop();
});

beforeEach(() => {
  watched.wrongs.length = 0;
});

const go = (address: string) => watched.page.goto(`${farm.service.url}/#${address}`);
const named = (name: string) => watched.page.getByRole('button', { name, exact: true });

test('rebind: the study is moved to the backend that was chosen', async () => {
  const { page, wrongs } = watched;
  const study = await deliver(farm);
  const other = [...farm.backends.keys()].find((name) => name !== study.backend) ?? '';
  await go(`/studies/${study.studyUid}`);
  await named('Bind to another backend').click();
  await page.getByLabel('To', { exact: true }).selectOption(other);
  await named('Bind it anew').click();
  const where = page.getByRole('region', { name: 'Where it is' });
  await where.getByRole('link', { name: other, exact: true }).waitFor();
  await until(async () => (await studiesOn(farm.backend(other))).has(study.studyUid), {
    what: 'the study to be there',
  });
  await until(async () => !(await studiesOn(farm.backend(study.backend))).has(study.studyUid), {
    what: 'the former copy to be gone',
  });
  expect(wrongs).toEqual([]);
});

test('weight, maintenance, ready, echo', async () => {
  const { page, wrongs } = watched;
  await go('/backends/orthanc2');
  await named('Weight').click();
  await page.getByLabel('Weight in percent').fill('50');
  await named('Set the weight').click();
  await page.getByText('50 %').waitFor();
  await confirm(page, 'Maintenance', 'Stop sending to it');
  await page.getByText('maintenance', { exact: true }).waitFor();
  const { state, weight } = await farm.service.get<{ state: string; weight: number }>(
    '/api/v1/backends/orthanc2',
  );
  expect({ state, weight }).toEqual({ state: 'maint', weight: 0.5 });
  await confirm(page, 'Bring back (ready)', 'Bring it back');
  await page.getByText('ready', { exact: true }).first().waitFor();

  await named('Echo').click();
  const echo = page.getByRole('region', { name: 'Is it reached?' });
  await echo.getByText('Service → orthanc2, HTTP').waitFor();
  await echo.getByText('front → orthanc2, peer').waitFor();
  expect(await echo.getByText('fails', { exact: true }).count()).toBe(0);
  expect(wrongs).toEqual([]);
});

test('a backend is removed, refused while studies are bound to it, and added again; the front follows', async () => {
  const { page, wrongs, expectError } = watched;
  const name = 'orthanc3';
  await go(`/backends/${name}`);
  await confirm(page, 'Evacuate', 'Evacuate it');
  await page
    .getByRole('region', { name: `Evacuation of ${name}` })
    .getByText('empty')
    .waitFor({ timeout: 30_000 });
  // A late image of a study that is bound to it waits: the backend is in maintenance.
  for (const other of ['orthanc1', 'orthanc2']) await setState(farm, other, 'drain');
  await setState(farm, name, 'ready');
  const study = makeStudy({ instances: 2 });
  const [first = '', late = ''] = await writeInstances(study.instances, join(farm.folder, 'late'));
  await sendAllDicom([first], { port: farm.front.dicomPort });
  await until(async () => (await seen(farm, study.studyUid)).state === 'removed', { what: 'it to be there' });
  await setState(farm, name, 'maint');
  await sendAllDicom([late], { port: farm.front.dicomPort });
  await until(async () => (await seen(farm, study.studyUid)).state === 'assigned', { what: 'it to wait' });
  await named('Remove').click();
  expect(await named('Remove it').isDisabled()).toBe(true);
  await page.getByLabel(`Type ${name} to go on`).fill(name);
  expectError(/409.*backends/);
  await named('Remove it').click();
  await page.getByRole('dialog').getByRole('alert').waitFor();
  await page
    .getByRole('dialog')
    .getByRole('button', { name: `Evacuate ${name} instead` })
    .click();
  for (const other of ['orthanc1', 'orthanc2']) await setState(farm, other, 'ready');
  await setState(farm, name, 'drain');
  await named('Evacuate it').click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await until(async () => (await studiesOn(farm.backend(name))).size === 0, {
    what: 'the study to be elsewhere',
    timeoutMs: 30_000,
  });
  await page
    .getByRole('region', { name: `Evacuation of ${name}` })
    .getByText('empty')
    .waitFor({ timeout: 30_000 });

  await named('Remove').click();
  await page.getByLabel(`Type ${name} to go on`).fill(name);
  await named('Remove it').click();
  await page.getByText(`There is no backend ${name}`).waitFor();
  await until(async () => !(await peersOf(farm)).includes(name), { what: 'the front to forget it' });

  await go('/backends');
  await named('Add a backend').click();
  await page.getByLabel('Name').fill('orthanc1');
  await page.getByLabel('Address (HTTP)').fill(farm.backend(name).url);
  await page.getByLabel('Password').fill('orthanc');
  await named('Add it').click();
  // What is wrong is told in the dialog, and nothing typed is lost.
  await page.getByRole('dialog').getByRole('alert').waitFor();
  await page.getByLabel('Name').fill(name);
  await named('Add it').click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await until(async () => (await peersOf(farm)).includes(name), { what: 'the front to know it' });
  const row = page.getByRole('row').filter({ hasText: farm.backend(name).url });
  await row.getByText('ready').waitFor();
  expect(wrongs).toEqual([]);
});

test('the policy is changed, and the change stands in the audit list', async () => {
  const { page, wrongs } = watched;
  await go('/backends');
  await page
    .getByRole('region', { name: 'How a backend is chosen' })
    .getByRole('button', { name: 'Change' })
    .click();
  await page.getByLabel('Policy').selectOption('round-robin');
  await named('Change it').click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  expect(await farm.service.get('/api/v1/routing')).toMatchObject({ policy: 'round-robin' });
  expect(await readFile(farm.topology.file, 'utf8')).toContain('policy: round-robin');
  await page
    .getByRole('row')
    .filter({ hasText: 'admin' })
    .filter({ hasText: 'round-robin' })
    .first()
    .waitFor();
  expect(wrongs).toEqual([]);
});

test('history: charts over the last minutes, a closer look by dragging, and the same as CSV', async () => {
  const { page, wrongs } = watched;
  await go('/history?range=15m');
  const chart = page.getByRole('figure').filter({ hasText: 'Images per second' }).first().locator('.u-over');
  await chart.waitFor();
  const box = await chart.boundingBox();
  if (box === null) throw new Error('the chart is not drawn');
  await page.mouse.move(box.x + box.width * 0.6, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.99, box.y + 40, { steps: 4 });
  await page.mouse.up();
  await named('Back to 15 min').waitFor();
  expect(page.url()).toMatch(/from=\d+&to=\d+/);
  await named('Back to 15 min').click();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'CSV' }).click(),
  ]);
  expect((await readFile(await download.path(), 'utf8')).split('\n').length).toBeGreaterThan(2);
  await page.getByText('Show the same as tables').click();
  await page.getByRole('group', { name: 'The farm over time' }).waitFor();
  expect(wrongs).toEqual([]);
});

test('simulate: a scenario and the last day are tried, and the figures and curves are shown', async () => {
  const { page, wrongs } = watched;
  await go('/simulate');
  await page.getByLabel('Scenario').selectOption('homogeneous');
  await named('Simulate').click();
  const result = page.getByRole('region', { name: /^Result/ });
  await result.getByRole('row').filter({ hasText: '(best)' }).waitFor({ timeout: 30_000 });
  await page.getByRole('figure').filter({ hasText: 'Seconds until available' }).locator('canvas').waitFor();
  expect(page.url()).toMatch(/#\/simulate\/[\da-f-]{36}$/);

  await named('The last 24 hours here').click();
  await named('Simulate').click();
  const day = page.getByRole('region', { name: 'The last 24 hours again' });
  await day.getByRole('row').filter({ hasText: 'What was' }).waitFor({ timeout: 30_000 });
  expect(wrongs).toEqual([]);
});

test('access: a token is created, let in, and refused once it is revoked', async () => {
  const { page, wrongs } = watched;
  await go('/access');
  await named('Create a token').click();
  await page.getByLabel('Name').fill('ward-7');
  await page.getByLabel('Role').selectOption('operate');
  await named('Create it').click();
  const token = await page.locator('code.token').innerText();
  const ask = () =>
    fetch(`${farm.service.url}/api/v1/queue`, { headers: { authorization: `Bearer ${token}` } });
  expect((await ask()).status).toBe(200);
  await page.getByRole('group', { name: 'Log level' }).getByRole('button', { name: 'warn' }).click();
  await until(async () => (await farm.service.get<{ level: string }>('/api/v1/log-level')).level === 'warn', {
    what: 'the log to be at warn',
  });
  await confirm(page, page.getByRole('button', { name: 'Revoke ward-7' }), 'Revoke it');
  await page.getByRole('row').filter({ hasText: 'ward-7' }).getByText('revoked').waitFor();
  expect((await ask()).status).toBe(401);
  expect(wrongs).toEqual([]);
});
