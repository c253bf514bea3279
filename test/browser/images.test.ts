import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { sendAllDicom } from '../support/dicom-sender.ts';
import { countInstances, type Farm, holdings, startFarm, studiesOn } from '../support/farm.ts';
import { makeStudy, withOtherContent, writeInstances } from '../support/synthetic.ts';
import { until } from '../support/wait.ts';
import { drop, signIn, startBrowser, type Viewer, type Watched } from './browser.ts';
import { deliver, pixelsOf, seen } from './farm.ts';

/* Images: handed in, looked for, and decided about; and what became of them on the real Orthancs. */

let farm: Farm;
let viewer: Viewer;
let watched: Watched;

beforeAll(async () => {
  farm = await startFarm({ settle: '1 s', service: { accessionSearch: true } });
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

/** Waits until the row says that the study is delivered. @returns the backend it says, which has the study */
async function whereItWent(studyUid: string): Promise<string> {
  const { page } = watched;
  const row = page.getByRole('row').filter({ has: page.getByTitle(studyUid) });
  await row.getByText('delivered').waitFor();
  const backend = await row.getByRole('link', { name: /^orthanc\d$/ }).innerText();
  expect(await studiesOn(farm.backend(backend))).toContain(studyUid);
  return backend;
}

test('send: chosen files go to the front, what is no DICOM file is refused with the reason, and one sees where they went', async () => {
  const { page, wrongs, expectError } = watched;
  // A front that cannot take it just now is asked again.
  expectError(/(422|503).*instances/);
  const study = makeStudy({ instances: 4 });
  const folder = join(farm.folder, 'to-send');
  const files = await writeInstances(study.instances, folder);
  const note = join(folder, 'notes.txt');
  await writeFile(note, 'no image');

  await go('/send');
  await page.getByLabel('Files', { exact: true }).setInputFiles([...files, note]);
  await page.getByText('Done: 4 files sent, 1 not').waitFor();
  await page.getByRole('row').filter({ hasText: 'notes.txt' }).waitFor();
  await whereItWent(study.studyUid);
  expect(wrongs).toEqual([]);
});

test('send: several files and a folder with folders in it are dropped, progress is seen, and where they went', async () => {
  const { page, wrongs, expectError } = watched;
  expectError(/422.*instances/);
  const [loose, inFolder] = [makeStudy({ instances: 2 }), makeStudy({ instances: 6, series: 2 })];
  const dropped = join(farm.folder, 'dropped');
  const files = await writeInstances(loose.instances, dropped);
  const note = join(dropped, 'notes.txt');
  await writeFile(note, 'no image');
  const folder = join(dropped, 'CD');
  await writeInstances(inFolder.instances.slice(0, 3), join(folder, 'IMAGES', 'SERIES1'));
  await writeInstances(inFolder.instances.slice(3), join(folder, 'IMAGES', 'SERIES2'));
  await mkdir(join(folder, 'EMPTY'));
  await writeFile(join(folder, 'README.TXT'), 'no image');

  await go('/send');
  const area = page.getByRole('region', { name: 'Files to send' });
  await area.waitFor();
  // Half way the network stands still, so that what is shown on the way can be looked at.
  const goOn = Promise.withResolvers<void>();
  let uploads = 0;
  await page.route('**/api/v1/instances', async (route) => {
    if (++uploads > 4) await goOn.promise;
    await route.continue();
  });
  await drop(page, area, [note, ...files, folder]);
  await page.getByRole('heading', { name: /^Sending: [23] of 10 files$/ }).waitFor();
  await page.locator('[role=progressbar][aria-label="Files sent"][aria-valuenow="40"]').waitFor();
  goOn.resolve();
  await page.getByRole('heading', { name: 'Done: 8 files sent, 2 not' }).waitFor();
  await page.unroute('**/api/v1/instances');
  const refused = page.getByRole('region', { name: 'What was not sent, and why' });
  await refused.getByText('notes.txt', { exact: true }).waitFor();
  await refused.getByText('CD/README.TXT', { exact: true }).waitFor();

  for (const { studyUid, instances } of [loose, inFolder]) {
    const there = await holdings(farm.backend(await whereItWent(studyUid)));
    for (const { orthancId } of instances) expect(there.has(orthancId)).toBe(true);
  }
  expect(wrongs).toEqual([]);
});

test('search: a study is found by its accession number on the backends, and the number stands in no log', async () => {
  const { page, wrongs } = watched;
  const accession = 'ACC-20260102-77';
  const [study, other] = [
    await deliver(farm, { accession }),
    await deliver(farm, { accession: 'ACC-OTHER' }),
  ];

  await go('/studies');
  await page.getByTitle(other.studyUid).waitFor();
  await named('More fields').click();
  await page.getByLabel('Accession number').fill(accession);
  await named('Search').click();
  await page.getByRole('heading', { name: 'Found' }).waitFor();
  await page.getByTitle(other.studyUid).waitFor({ state: 'detached' });
  expect(await whereItWent(study.studyUid)).toBe(study.backend);

  await page.getByLabel('Accession number').fill('ACC-NOWHERE');
  await named('Search').click();
  await page.getByText('Nothing matches').waitFor();

  // With the backend away it is told that there may be more, instead of an empty list that looks final.
  const away = farm.backend(study.backend);
  await away.kill('SIGSTOP');
  await page.getByLabel('Accession number').fill(accession);
  await named('Search').click();
  await page.getByText(`${study.backend} did not answer in time: there may be more there.`).waitFor();
  await away.kill('SIGCONT');
  await named('Search').click();
  expect(await whereItWent(study.studyUid)).toBe(study.backend);

  expect(farm.service.log()).not.toContain('ACC-');
  expect(wrongs).toEqual([]);
});

test('quarantine: tried again in vain while the backend has other content, and with success once it has not', async () => {
  const { page, wrongs } = watched;
  const study = await deliver(farm);
  const [first] = study.instances;
  if (first === undefined) throw new Error('the study has instances');
  const other = withOtherContent(first);
  const files = await writeInstances([other], join(farm.folder, 'again'));
  await sendAllDicom(files, { port: farm.front.dicomPort });

  await go('/queue');
  const list = page.getByRole('region', { name: 'Quarantine', exact: true });
  const item = list.getByRole('listitem').filter({ hasText: first.sopUid });
  const tryAgain = async (): Promise<void> => {
    const [answer] = await Promise.all([
      page.waitForResponse('**/quarantine/retry'),
      item.getByRole('button', { name: 'Try again' }).click(),
    ]);
    expect(await answer.json()).toEqual({ retried: 1 });
  };
  await item.getByText('other content there').waitFor();
  await tryAgain();
  const since = async () =>
    (await farm.service.get<{ items: { since: string }[] }>('/api/v1/quarantine')).items[0]?.since;
  await until(async () => (await since()) !== undefined, { what: 'it to be back in quarantine' });
  const backend = farm.backend(study.backend);
  const held = async () =>
    Buffer.from(await (await backend.fetch(`/instances/${first.orthancId}/file`)).arrayBuffer());
  expect(pixelsOf(await held())).toBe(pixelsOf(first.file));

  // Whoever looks after the backend deletes the wrong one there.
  await backend.fetch(`/instances/${first.orthancId}`, { method: 'DELETE' });
  await item.getByText('other content there').waitFor();
  await tryAgain();
  await list.getByText('Nothing is in quarantine').waitFor();
  await until(async () => (await countInstances(farm.front)) === 0, { what: 'the front to let go' });
  expect(pixelsOf(await held())).toBe(pixelsOf(other.file));

  await go('/journal');
  await named('What people did').click();
  await page
    .getByRole('row')
    .filter({ hasText: 'admin' })
    .filter({ hasText: `1 instances: ${first.orthancId}` })
    .first()
    .waitFor();
  expect(wrongs).toEqual([]);
});

test('quarantine: downloaded, released in place of what is there, discarded', async () => {
  const { page, wrongs, expectError } = watched;
  const study = await deliver(farm, { instances: 2 });
  const others = study.instances.map(withOtherContent);
  const files = await writeInstances(others, join(farm.folder, 'others'));
  await sendAllDicom(files, { port: farm.front.dicomPort });

  await go('/queue');
  const list = page.getByRole('region', { name: 'Quarantine', exact: true });
  await until(async () => (await list.getByText('other content there').count()) === 2, {
    what: 'both to be in quarantine',
  });
  const [one, two] = others;
  if (one === undefined || two === undefined) throw new Error('the study has two instances');
  const item = (sopUid: string) => list.getByRole('listitem').filter({ hasText: sopUid });

  const [download] = await Promise.all([
    page.waitForEvent('download'),
    item(one.sopUid).getByRole('link', { name: 'Download' }).click(),
  ]);
  expect(pixelsOf(await readFile(await download.path()))).toBe(pixelsOf(one.file));

  expectError(/409.*release/);
  await item(one.sopUid).getByRole('button', { name: 'Release' }).click();
  await page.getByLabel('To', { exact: true }).selectOption(study.backend);
  await named('Send it now').click();
  await page.getByRole('dialog').getByRole('alert').waitFor();
  await page.getByText(/Replace what the backend has/).click();
  await named('Replace it there').click();
  await item(one.sopUid).waitFor({ state: 'detached' });

  await item(two.sopUid).getByRole('button', { name: 'Discard' }).click();
  expect(await named('Discard it').isDisabled()).toBe(true);
  await page.getByLabel(/Type .discard/).fill('discard');
  await named('Discard it').click();
  await list.getByText('Nothing is in quarantine').waitFor();

  const backend = farm.backend(study.backend);
  const held = await (await backend.fetch(`/instances/${one.orthancId}/file`)).arrayBuffer();
  expect(pixelsOf(Buffer.from(held))).toBe(pixelsOf(one.file));
  const kept = await (await backend.fetch(`/instances/${two.orthancId}/file`)).arrayBuffer();
  expect(pixelsOf(Buffer.from(kept))).not.toBe(pixelsOf(two.file));
  expect((await holdings(farm.front)).size).toBe(0);
  expect((await seen(farm, study.studyUid)).state).not.toBe('quarantined');
  expect(wrongs).toEqual([]);
});
