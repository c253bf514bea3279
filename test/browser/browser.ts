import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type BrowserContextOptions, chromium, type Locator, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { findProgram } from './program.ts';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const desk = { width: 1280, height: 800 };
export const phone = { width: 390, height: 844 };

/** A page that keeps what it must not do. */
export interface Watched extends AsyncDisposable {
  readonly page: Page;
  /** Errors of the console and of scripts, and requests to anywhere else; empty when all is well. */
  readonly wrongs: string[];
  /** From now on an error of this kind is what the test is about. */
  readonly expectError: (pattern: RegExp) => void;
}

export interface Viewer extends AsyncDisposable {
  /** A page in a context of its own: nobody is signed in. */
  open(options?: BrowserContextOptions): Promise<Watched>;
}

/** Debian's Chromium with a profile of its own, which is gone afterwards. */
export async function startBrowser(origin: string): Promise<Viewer> {
  const browser = await chromium.launch({
    executablePath: findProgram('chromium'),
    args: [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  return {
    async open(options = {}) {
      const context = await browser.newContext({ viewport: desk, ...options });
      const page = await context.newPage();
      page.setDefaultTimeout(15_000);
      const wrongs: string[] = [];
      const expected: RegExp[] = [];
      const wrong = (text: string): void => {
        if (!expected.some((pattern) => pattern.test(text))) wrongs.push(text);
      };
      page.on('console', (message) => {
        if (message.type() === 'error') wrong(`console: ${message.text()} ${message.location().url}`);
      });
      page.on('pageerror', (error) => wrong(`script: ${error.message}`));
      context.on('request', (request) => {
        const { protocol, origin: asked } = new URL(request.url());
        if (protocol !== 'data:' && protocol !== 'blob:' && asked !== origin)
          wrong(`request to ${request.url()}`);
      });
      return {
        page,
        wrongs,
        expectError: (pattern) => void expected.push(pattern),
        [Symbol.asyncDispose]: () => context.close(),
      };
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

/** Opened by the link that `npm start` prints. */
export async function signIn({ page }: Watched, url: string, token: string): Promise<void> {
  await page.goto(`${url}/#token=${token}`);
  await page.getByRole('navigation', { name: 'Screens' }).waitFor();
}

interface Violation {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

/** Nothing that axe finds wrong for people who hear, enlarge or tab through the page. */
export async function expectAccessible(page: Page, where: string): Promise<void> {
  // Half a megabyte: once a document.
  if (!(await page.evaluate<boolean>(`'axe' in globalThis`))) await page.evaluate(axeSource);
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } };
    return (await axe.run()).violations;
  });
  const said = violations.map(
    ({ id, help, nodes }) =>
      `${where}: ${id}: ${help}: ${nodes
        .slice(0, 3)
        .map(({ html, failureSummary }) => `${html} ${failureSummary ?? ''}`)
        .join(' | ')}`,
  );
  expect(said).toEqual([]);
}

/** Presses the button, and then the one of the dialog that asks. */
export async function confirm(page: Page, button: string | Locator, verb: string): Promise<void> {
  const first = typeof button === 'string' ? page.getByRole('button', { name: button, exact: true }) : button;
  await first.click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: verb }).click();
  await dialog.waitFor({ state: 'detached' });
}

/**
 * Drops files and folders of the disk as a person would from a file manager: the page gets entries of a file system, which a
 * `DataTransfer` made by a script has not.
 */
export async function drop(page: Page, target: Locator, paths: readonly string[]): Promise<void> {
  const box = await target.boundingBox();
  if (box === null) throw new Error('there is nothing to drop on');
  const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const data = { items: [], files: [...paths], dragOperationsMask: 1 };
  const session = await page.context().newCDPSession(page);
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
    await session.send('Input.dispatchDragEvent', { type, ...at, data });
  }
  await session.detach();
}
