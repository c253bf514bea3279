import { chromium } from 'playwright-core';
import { expect, onTestFinished, test } from 'vitest';
import { adminRig } from './rig.ts';

test('what changes seldom is not sent again to whoever has it', async () => {
  const { url, headers } = await adminRig();
  for (const path of ['/openapi.json', '/api/v1/scenarios']) {
    const first = await fetch(`${url}${path}`, { headers });
    const etag = first.headers.get('etag') ?? '';
    expect(first.headers.get('cache-control')).toMatch('no-cache');
    const ask = (known: string) =>
      fetch(`${url}${path}`, { headers: { ...headers, 'if-none-match': known } });
    const again = await ask(etag);
    expect([again.status, await again.text()]).toEqual([304, '']);
    expect((await ask(`"another", W/${etag}`)).status).toBe(304);
    expect((await ask('"another"')).status).toBe(200);
  }
});

test('of the package of the page only what it needs is served', async () => {
  const { url } = await adminRig();
  const status = async (path: string) =>
    (await fetch(`${url}/api-docs${path}`, { redirect: 'manual' })).status;
  expect(await status('')).toBe(301);
  expect(await status('/')).toBe(200);
  expect(await status('/swagger-ui.css')).toBe(200);
  for (const path of [
    '/package.json',
    '/swagger-initializer.js',
    '/oauth2-redirect.html',
    '/../package.json',
  ])
    expect(await status(path)).toBe(404);
});

test('the page shows every call and tries them out, asks nobody else, and keeps to the policy', async () => {
  const { url, headers } = await adminRig();
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  onTestFinished(() => browser.close());
  const page = await browser.newPage();
  const said: string[] = [];
  const elsewhere: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') said.push(message.text());
  });
  page.on('pageerror', (error) => said.push(String(error)));
  page.on('request', (request) => {
    const asked = request.url();
    if (!asked.startsWith(url) && !asked.startsWith('data:')) elsewhere.push(asked);
  });
  await page.goto(`${url}/api-docs/`);
  const totals = page.locator('.opblock', { has: page.locator('[data-path="/api/v1/totals"]') });
  await totals.waitFor();

  const token = headers['authorization']?.replace('Bearer ', '') ?? '';
  await page.locator('.btn.authorize').click();
  await page.locator('.auth-container input').first().fill(token);
  await page.locator('.auth-container button[type=submit]').first().click();
  await page.locator('.btn-done').first().click();
  await totals.locator('.opblock-summary-control').click();
  await totals.locator('.try-out__btn').click();
  await totals.locator('.execute').click();
  await totals.locator('.live-responses-table .response-col_status', { hasText: '200' }).waitFor();
  expect(said).toEqual([]);
  expect(elsewhere).toEqual([]);
}, 60_000);
