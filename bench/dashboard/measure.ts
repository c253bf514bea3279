import type { Page } from 'playwright-core';

export interface Figure {
  readonly name: string;
  /** From the key or the click until the browser has painted what came of it. */
  readonly paintMs: number;
  /** Until what was asked of the service for it is there as well. */
  readonly dataMs: number;
}

/** First contentful paint of a page whose files the browser does not have yet; somebody is signed in. */
export async function firstPaint(page: Page, url: string): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send('Network.clearBrowserCache');
  await session.detach();
  await page.goto('about:blank');
  await page.goto(`${url}/`);
  await page.getByText('Where images go').waitFor();
  return await page.evaluate<number>(`performance.getEntriesByName('first-contentful-paint')[0].startTime`);
}

/** What a person does, on every screen that has much to show. */
export async function interactions(page: Page): Promise<Figure[]> {
  await page.evaluate(`
    globalThis.slowest = 0;
    new PerformanceObserver((list) => {
      for (const { duration, interactionId } of list.getEntries())
        if (interactionId > 0) globalThis.slowest = Math.max(globalThis.slowest, duration);
    }).observe({ type: 'event', durationThreshold: 16, buffered: false });
  `);
  const figures: Figure[] = [];
  const measure = async (
    name: string,
    act: () => Promise<unknown>,
    there: () => Promise<unknown>,
  ): Promise<void> => {
    await page.evaluate('globalThis.slowest = 0');
    const began = performance.now();
    await act();
    await there();
    const dataMs = performance.now() - began;
    // Event timing is told after the frame that it is about.
    await page.evaluate('new Promise((done) => requestAnimationFrame(() => setTimeout(done, 60)))');
    // What lasts less than a frame is not told: 16 ms is what it took at most.
    figures.push({ name, paintMs: Math.max(16, await page.evaluate<number>('globalThis.slowest')), dataMs });
  };
  const link = (name: string) => () => page.getByRole('link', { name, exact: true }).first().click();
  const seen = (text: string) => () => page.getByText(text, { exact: false }).first().waitFor();
  const button = (name: string) => page.getByRole('button', { name, exact: true });

  await measure('open the list of studies', link('Studies'), () =>
    page.locator('tbody tr').nth(20).waitFor(),
  );
  await measure(
    'type into the search',
    () => page.getByLabel('StudyInstanceUID').pressSequentially('1.2.826'),
    seen('Search'),
  );
  await measure(
    'search',
    () => button('Search').click(),
    () => page.locator('tbody tr').nth(20).waitFor(),
  );
  await measure(
    'older studies',
    () => button('Older studies').click(),
    () => page.locator('tbody tr').nth(30).waitFor(),
  );
  await measure(
    'open a study',
    () => page.locator('tbody tr a').first().click(),
    seen('Let go by the front'),
  );
  await measure('open the backends', link('Backends'), () => page.locator('tbody tr').nth(63).waitFor());
  await measure(
    'open a backend',
    () => page.getByRole('link', { name: 'orthanc7', exact: true }).click(),
    seen('Is it reached?'),
  );
  await measure(
    'ask before a drain',
    () => button('Drain').click(),
    () => page.getByRole('dialog').waitFor(),
  );
  await measure(
    'close the dialog',
    () => button('Cancel').click(),
    () => page.getByRole('dialog').waitFor({ state: 'detached' }),
  );
  await measure('open the queue', link('Queue'), seen('By backend'));
  await measure('open history', link('History'), seen('Images per second to each'));
  await measure(
    'history of 30 days',
    () => button('30 d').click(),
    () => button('30 d').and(page.locator('[aria-pressed=true]')).waitFor(),
  );
  await measure('open the farm', link('Farm'), seen('Where images go'));
  await measure(
    'change the colours',
    () => page.getByRole('button', { name: /^Colours/ }).click(),
    seen('Where images go'),
  );
  return figures;
}
