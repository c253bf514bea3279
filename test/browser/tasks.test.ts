import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Farm, holdings, startFarm, studiesOn } from '../support/farm.ts';
import { until } from '../support/wait.ts';
import { confirm, signIn, startBrowser, type Viewer, type Watched } from './browser.ts';
import { deliver, peersOf, seen, sendStudy, setState } from './farm.ts';

/*
 * What somebody who has never seen the farm must be able to find out and do with the dashboard alone. Each begins on the first
 * screen and goes on by what stands there.
 */

let farm: Farm;
let viewer: Viewer;
let watched: Watched;

beforeAll(async () => {
  farm = await startFarm({ backends: 3, settle: '1 s', routing: { policy: 'expected-completion' } });
  viewer = await startBrowser(farm.service.url);
  watched = await viewer.open();
  await signIn(watched, farm.service.url, farm.service.token);
});
afterAll(async () => {
  await viewer?.[Symbol.asyncDispose]();
  await farm?.stop();
});

test('which backend holds study X, and why it went there', async () => {
  const { page, wrongs } = watched;
  const study = await deliver(farm);

  await page.getByRole('link', { name: 'Studies' }).click();
  await page.getByLabel('StudyInstanceUID').fill(study.studyUid);
  await page.getByRole('button', { name: 'Search', exact: true }).click();
  await page.getByTitle(study.studyUid).click();

  const where = page.getByRole('region', { name: 'Where it is' });
  const said = await where.getByRole('link', { name: /^orthanc\d$/ }).innerText();
  expect(await studiesOn(farm.backend(said))).toContain(study.studyUid);
  await where.getByText('delivered').waitFor();
  const explorer = await where.getByRole('link', { name: /Orthanc Explorer/ }).getAttribute('href');
  expect(explorer).toMatch(new RegExp(`^${farm.backend(said).url}/app/explorer.html#study\\?uuid=`));

  const why = page.getByRole('region', { name: 'Why it went there' });
  await why.getByRole('heading', { name: `Placed on ${said}` }).waitFor();
  const chosen = why.getByRole('row').filter({ hasText: 'chosen' });
  expect(await chosen.getByRole('cell').first().innerText()).toContain(said);
  expect(await why.getByRole('row').count()).toBe(4);
  await why.getByText('Predicted').waitFor();
  await why.getByText('Happened').waitFor();

  const life = page.getByRole('region', { name: 'Its life' });
  await until(async () => (await life.getByRole('listitem').count()) >= 4, { what: 'its life to be listed' });
  const receipts = page.getByRole('table').filter({ hasText: 'MD5' });
  const md5s = new Set((await holdings(farm.backend(said))).values());
  for (const md5 of await receipts.locator('td:nth-child(3)').allInnerTexts())
    expect(md5s.has(md5)).toBe(true);
  expect(wrongs).toEqual([]);
});

test('what is waiting, and why', async () => {
  const { page, wrongs } = watched;
  for (const name of farm.backends.keys()) await setState(farm, name, 'maint');
  const study = await sendStudy(farm);

  await page.getByRole('link', { name: 'Farm' }).click();
  await page.getByRole('heading', { name: /3 images waiting, oldest \d+ s, 0 in quarantine/ }).waitFor();
  await page.getByText('Images are safe, but not getting through').waitFor();
  await page.getByRole('link', { name: 'See what waits, and why' }).click();
  const waiting = page.getByRole('region', { name: 'Studies that wait', exact: true }).first();
  const row = waiting.getByRole('row').filter({ has: page.getByTitle(study.studyUid) });
  await row.getByText('waits for a backend').waitFor();
  await row.getByText(/maint/).waitFor();

  for (const name of farm.backends.keys()) await setState(farm, name, 'ready');
  await waiting.getByText('Nothing waits').waitFor();
  expect(wrongs).toEqual([]);
});

test('a backend is taken out of service, and nothing is lost', async () => {
  const { page, wrongs } = watched;
  const study = await deliver(farm);
  const name = study.backend;
  const before = await allHoldings();

  await page.getByRole('link', { name: 'Farm' }).click();
  await page.getByRole('heading', { name, exact: true }).getByRole('link').click();
  await confirm(page, 'Drain', 'Drain it');
  await page.getByText('draining').first().waitFor();
  await confirm(page, 'Evacuate', 'Evacuate it');
  const evacuation = page.getByRole('region', { name: `Evacuation of ${name}` });
  await evacuation.getByText('empty').waitFor({ timeout: 30_000 });
  expect((await holdings(farm.backend(name))).size).toBe(0);
  expect(await allHoldings()).toEqual(before);

  // And now it goes for good: the front forgets it too.
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await page.getByLabel(`Type ${name} to go on`).fill(name);
  await page.getByRole('button', { name: 'Remove it' }).click();
  await page.getByText(`There is no backend ${name}`).waitFor();
  await until(async () => !(await peersOf(farm)).includes(name), { what: 'the front to forget the peer' });
  expect((await seen(farm, study.studyUid)).backend).not.toBe(name);

  await page.getByRole('link', { name: 'Journal' }).click();
  await page.getByRole('button', { name: 'What people did' }).click();
  const audit = page.getByRole('region', { name: 'What people did' }).first();
  await audit
    .getByRole('row')
    .filter({ hasText: 'admin' })
    .filter({ hasText: 'state drain' })
    .first()
    .waitFor();
  expect(wrongs).toEqual([]);
});

async function allHoldings(): Promise<Map<string, string>> {
  const all = await Promise.all([...farm.backends.values()].map(holdings));
  return new Map(all.flatMap((one) => [...one]));
}
