import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FaultyFarm, startFaultyFarm, stores, throughFault } from './fault-case.ts';

let faulty: FaultyFarm;
beforeAll(async () => {
  faulty = await startFaultyFarm();
});
afterAll(async () => {
  await faulty?.[Symbol.asyncDispose]();
});

test('a backend whose connections break in the middle of an image', async () => {
  const reasons = await throughFault(faulty, 'cut-request', {
    kind: 'cut-request',
    afterBytes: 500,
    only: stores,
  });
  expect([...reasons].join(' ')).toMatch(/orthanc1/);
});

test('a backend whose answers break off', async () => {
  await throughFault(faulty, 'cut', { kind: 'cut', afterBytes: 20 });
});

test('a backend that refuses connections', async () => {
  const reasons = await throughFault(faulty, 'refuses', { kind: 'refuse' });
  expect([...reasons].join(' ')).toMatch(/orthanc1/);
});

test('a backend behind a very slow line', async () => {
  await throughFault(faulty, 'slow', { kind: 'throttle', bytesPerSecond: 800 });
});
