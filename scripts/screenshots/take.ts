import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type BrowserContextOptions } from 'playwright-core';
import { phone, signIn, startBrowser } from '../../test/browser/browser.ts';
import { setState } from '../../test/browser/farm.ts';
import { startFarm } from '../../test/support/farm.ts';
import { openTempRoot } from '../../test/support/temp.ts';
import { startModalities } from './modalities.ts';

/** So long images come in before the pictures are taken: history has something to show by then. */
const trafficMs = 100_000;
const images = join(import.meta.dirname, '../../docs/images');

interface Picture {
  readonly file: string;
  /** After `#`. */
  readonly address: string;
  /** What shows that it is drawn. */
  readonly drawn: string;
  readonly options: BrowserContextOptions;
}

const closeRoot = openTempRoot();
try {
  await using farm = await startFarm({
    fronts: 2,
    backends: 4,
    settle: '5 s',
    routing: { policy: 'expected-completion' },
    backend: { orthanc1: { disk: '2 GB' }, orthanc2: { disk: '2 GB' }, orthanc3: { disk: '1 GB' } },
  });
  await setState(farm, 'orthanc4', 'drain');
  const modalities = startModalities(farm);
  try {
    process.stderr.write(`images come in for ${trafficMs / 1000} s …\n`);
    await pause(trafficMs);
    await mkdir(images, { recursive: true });
    await using viewer = await startBrowser(farm.service.url);
    const { items } = await farm.service.get<{ items: { studyInstanceUID: string }[] }>(
      '/api/v1/studies?state=removed&modality=MR&limit=1',
    );
    const now = Math.floor(Date.now() / 1000);
    const pictures: readonly Picture[] = [
      { file: 'farm-light.png', address: '/', drawn: 'Where images go', options: { colorScheme: 'light' } },
      { file: 'farm-dark.png', address: '/', drawn: 'Where images go', options: { colorScheme: 'dark' } },
      {
        file: 'farm-phone.png',
        address: '/',
        drawn: 'Where images go',
        options: { colorScheme: 'light', viewport: phone },
      },
      {
        file: 'study.png',
        address: `/studies/${items[0]?.studyInstanceUID ?? ''}`,
        drawn: 'Placed on',
        options: { colorScheme: 'light' },
      },
      {
        file: 'history.png',
        address: `/history?range=15m&from=${now - trafficMs / 1000}&to=${now}`,
        drawn: 'Images per second to each',
        options: { colorScheme: 'dark' },
      },
      {
        file: 'backends.png',
        address: '/backends/orthanc4',
        drawn: 'Is it reached?',
        options: { colorScheme: 'light' },
      },
    ];
    for (const { file, address, drawn, options } of pictures) {
      await using watched = await viewer.open({ viewport: { width: 1280, height: 1000 }, ...options });
      await signIn(watched, farm.service.url, farm.service.token);
      await watched.page.goto(`${farm.service.url}/#${address}`);
      await watched.page.getByText(drawn).first().waitFor();
      // Until figures have come a few times, and nothing moves into its place any more.
      await pause(3_000);
      await watched.page.screenshot({ path: join(images, file) });
      process.stderr.write(`docs/images/${file}\n`);
    }
  } finally {
    await modalities.stop();
  }
} finally {
  closeRoot();
}
