import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FaultyFarm, startFaultyFarm, stores, throughFault } from './fault-case.ts';

let faulty: FaultyFarm;
beforeAll(async () => {
  faulty = await startFaultyFarm();
});
afterAll(async () => {
  await faulty?.[Symbol.asyncDispose]();
});

test('a backend that answers 500 to every store', async () => {
  const reasons = await throughFault(faulty, 'answers-500', { kind: 'respond', status: 500, only: stores });
  expect([...reasons].join(' ')).toMatch(/orthanc1/);
});

test('a backend that says 200 and keeps nothing', async () => {
  const body = JSON.stringify({ ID: 'x', Status: 'Success', Path: '/instances/x' });
  const reasons = await throughFault(faulty, 'lies', { kind: 'respond', status: 200, body, only: stores });
  expect([...reasons].join(' ')).toMatch(/does not hold/);
});

test('a backend whose connections stay open without a byte', async () => {
  const reasons = await throughFault(faulty, 'stalls', { kind: 'stall' });
  expect([...reasons].join(' ')).toMatch(/orthanc1/);
});
