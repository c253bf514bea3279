import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Farm, startFarm } from '../support/farm.ts';
import { until } from '../support/wait.ts';
import { desk, expectAccessible, phone, signIn, startBrowser, type Viewer, type Watched } from './browser.ts';
import { deliver, sendStudy, setState } from './farm.ts';

let farm: Farm;
let viewer: Viewer;
let uid: string;

/** Address after `#`, title, and what shows that it is drawn. */
const screens = (): readonly (readonly [address: string, title: string, drawn: string])[] => [
  ['/', 'Farm', 'Where images go'],
  ['/studies', 'Studies', 'Latest studies'],
  [`/studies/${uid}`, uid, 'Placed on'],
  ['/queue', 'Queue', 'By backend'],
  ['/backends', 'Backends', 'How a backend is chosen'],
  ['/backends/orthanc1', 'orthanc1', 'Is it reached?'],
  ['/history?range=15m', 'History', 'Images per second to each'],
  ['/journal', 'Journal', 'Everything, newest first'],
  ['/send', 'Send', 'Drop DICOM files or a folder here'],
  ['/simulate', 'Simulate', 'Policies'],
  ['/access', 'Access', 'Create a token'],
];

beforeAll(async () => {
  farm = await startFarm({ settle: '1 s', routing: { policy: 'expected-completion' } });
  viewer = await startBrowser(farm.service.url);
  uid = (await deliver(farm, { modality: 'MR', station: 'MR-1' }, 'MR-1')).studyUid;
  await setState(farm, 'orthanc2', 'drain');
  // History has its first points, and the farm its first figures.
  await until(
    async () => {
      const { at } = await farm.service.get<{ at: readonly number[] }>('/api/v1/series?points=100');
      return at.length > 0;
    },
    { what: 'history to begin' },
  );
});
afterAll(async () => {
  await viewer?.[Symbol.asyncDispose]();
  await farm?.stop();
});

async function visit(
  { page }: Watched,
  [address, title, drawn]: ReturnType<typeof screens>[number],
): Promise<void> {
  await page.goto(`${farm.service.url}/#${address}`);
  await page.getByText(drawn, { exact: false }).first().waitFor();
  await until(async () => (await page.title()).startsWith(title), { what: `the title to be ${title}` });
  await until(async () => (await page.locator('.loading').count()) === 0, { what: `${title} to be loaded` });
}

describe.each([
  ['desk', desk],
  ['phone', phone],
] as const)('%s, %o', (_, viewport) => {
  test('every screen is drawn, in its width, accessible in light and dark, without an error, and asks nobody else', async () => {
    await using watched = await viewer.open({ viewport, reducedMotion: 'reduce' });
    const { page } = watched;
    await signIn(watched, farm.service.url, farm.service.token);
    for (const screen of screens()) {
      await visit(watched, screen);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await expectAccessible(page, `${screen[1]} ${colorScheme} ${viewport.width}`);
      }
      const beyond = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
      expect(beyond, `${screen[1]} is wider than ${viewport.width}`).toBeLessThanOrEqual(0);
    }
    expect(watched.wrongs).toEqual([]);
  });
});

test('signing in: a wrong token is told, the right one is let in and leaves no trace in the address', async () => {
  await using watched = await viewer.open();
  const { page } = watched;
  watched.expectError(/401/);
  await page.goto(farm.service.url);
  await expectAccessible(page, 'sign-in');
  await page.getByLabel('Token').fill('not-the-one');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').waitFor();
  await page.getByLabel('Token').fill(farm.service.token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('Where images go').waitFor();

  await page.goto('about:blank');
  await signIn(watched, farm.service.url, farm.service.token);
  expect(page.url()).not.toContain(farm.service.token);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You are signed out.').waitFor();
  expect(watched.wrongs).toEqual([]);
});

test('who may only look is offered nothing else', async () => {
  const answer = await farm.service.request('/api/v1/tokens', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'looker', role: 'view' }),
  });
  const { token } = (await answer.json()) as { token: string };
  await using watched = await viewer.open();
  const { page } = watched;
  await signIn(watched, farm.service.url, token);
  await page.getByText('Where images go').waitFor();
  expect(await page.getByRole('link', { name: /^(Send|Access)$/ }).count()).toBe(0);
  await page.goto(`${farm.service.url}/#/backends/orthanc1`);
  await page.getByText('Learnt speed').waitFor();
  expect(await page.getByRole('button', { name: /^(Drain|Remove|Echo|Evacuate)$/ }).count()).toBe(0);
  await page.goto(`${farm.service.url}/#/access`);
  await page.getByText('Access is for administrators').waitFor();
  expect(watched.wrongs).toEqual([]);
});

test('the keyboard alone leads to a study', async () => {
  await using watched = await viewer.open();
  const { page } = watched;
  await signIn(watched, farm.service.url, farm.service.token);
  await page.getByText('Where images go').waitFor();
  await page.keyboard.press('Tab');
  expect(await page.evaluate<string>('document.activeElement.textContent')).toBe('Skip to content');
  await page.getByRole('link', { name: 'Studies' }).focus();
  await page.keyboard.press('Enter');
  await page.getByLabel('StudyInstanceUID').focus();
  await page.keyboard.type(uid);
  await page.keyboard.press('Enter');
  await page.getByTitle(uid).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('region', { name: 'Where it is' }).waitFor();
  expect(watched.wrongs).toEqual([]);
});

test('it is live: what flows and what dies is seen without a reload', async () => {
  await using watched = await viewer.open();
  const { page } = watched;
  await signIn(watched, farm.service.url, farm.service.token);
  await page.getByText('Where images go').waitFor();
  await setState(farm, 'orthanc2', 'ready');
  await sendStudy(farm, { instances: 20 }, 'CT-LIVE');
  await page.getByText('CT-LIVE', { exact: true }).waitFor();
  await page
    .locator('.edge.s1 .stream, .edge.s2 .stream, .edge.s3 .stream')
    .first()
    .waitFor({ state: 'attached' });

  const one = farm.backend('orthanc1');
  const card = page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: 'orthanc1' }) });
  await card.getByText('ready').waitFor();
  await one.kill('SIGKILL');
  await card.getByText('down', { exact: true }).waitFor();
  await page.getByText('Images are safe; something needs a look').waitFor();
  await expectAccessible(page, 'a backend is down');
  await one.restart();
  await card.getByText('ready').waitFor();

  watched.expectError(/ERR_|stream/);
  await farm.service.kill('SIGKILL');
  await page.getByText('Reconnecting…').waitFor();
  await farm.service.start();
  await page.getByText('Live', { exact: true }).waitFor();
  expect(watched.wrongs).toEqual([]);
});
