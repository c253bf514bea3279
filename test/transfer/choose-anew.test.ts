import { expect, test } from 'vitest';
import { prior } from '../../src/backends/model/service.ts';
import { expectedCompletion } from '../../src/decision/policies/expected-completion.ts';
import { chooseAnew } from '../../src/transfer/choose-anew.ts';
import { candidate } from '../decision/candidates.ts';
import { arrivalOf, placing } from '../ledger/driving.ts';
import { newLedger } from '../ledger/support.ts';

/** The covariance of what is known: nothing of it is taken from the others. */
const exactly = [0, 0, 0, 0, 0, 0] as const;

test('a study whose backend is out does not wait for a free lane elsewhere: new studies would take each one first', async () => {
  const { ledger } = await newLedger();
  ledger.received(arrivalOf(1), 0);
  ledger.decide(placing('a'));
  const full = { busyLanes: 2, instancesInFlight: 100, bytesInFlight: 100e6 };
  const candidates = [
    candidate('a', { health: 'down', healthReason: 'connection refused' }),
    candidate('b', { ...full, instancesInFlight: 900 }),
    candidate('c', full),
  ];
  const chosen = chooseAnew(
    {
      ledger,
      pool: { names: () => ['a', 'b', 'c'], outSince: () => null },
      policy: expectedCompletion,
      expected: ({ instances, bytes }) => ({ instances, bytes, arrivesIn: 0 }),
      now: 1_000,
    },
    {
      study: { studyUid: '1.2.3', copy: 0, epoch: 1, backend: 'a', refusedBy: [] },
      reason: 'rebound from a',
    },
    candidates,
  );
  if (chosen.kind !== 'chosen') throw new Error(chosen.reason);
  expect(chosen.backend).toBe('c');
  expect(chosen.request).toMatchObject({
    kind: 'rebound',
    backend: 'c',
    expectedEpoch: 1,
    reason:
      'rebound from a; soonest there, for this study and for those that come next, after waiting for a lane',
  });
  const reasons = new Map(chosen.request.considered.map(({ backend, passedOver }) => [backend, passedOver]));
  expect(reasons.get('c')).toBeNull();
  expect(reasons.get('a')).toContain('the study leaves it');
  expect(chosen.candidates.find(({ backend }) => backend === 'c')).toMatchObject({ instancesInFlight: 101 });
});

test('a study whose backend goes out while it arrives is chosen for by what it will be, and the rest is booked', async () => {
  const { ledger } = await newLedger();
  ledger.received(arrivalOf(1), 0);
  ledger.received(arrivalOf(2), 500);
  ledger.decide(placing('a'));
  const asked: unknown[] = [];
  const chosen = chooseAnew(
    {
      ledger,
      pool: { names: () => ['a', 'b', 'c'], outSince: () => null },
      policy: expectedCompletion,
      expected: (study) => {
        asked.push(study);
        return { instances: 1_000, bytes: 500e6, arrivesIn: 40 };
      },
      now: 1_000,
    },
    {
      study: { studyUid: '1.2.3', copy: 0, epoch: 1, backend: 'a', refusedBy: [] },
      reason: 'rebound from a',
    },
    [
      candidate('a', { health: 'down', healthReason: 'connection refused' }),
      // Sooner done with the two images that are here, and far too slow for the study.
      candidate('b', {
        service: {
          ...prior,
          covariance: exactly,
          secondsPerInstance: 0.001,
          secondsPerByte: 1 / 2e6,
          samples: 9,
        },
      }),
      candidate('c', { service: { ...prior, covariance: exactly, secondsPerInstance: 0.02, samples: 9 } }),
    ],
  );
  if (chosen.kind !== 'chosen') throw new Error(chosen.reason);
  expect(chosen.backend).toBe('c');
  expect(asked).toEqual([
    { modality: 'CT', station: 'CT1', instances: 2, bytes: 200, firstSeenAt: 0, lastNewsAt: 500 },
  ]);
  expect(chosen.candidates.find(({ backend }) => backend === 'c')).toMatchObject({
    instancesInFlight: 2,
    reserved: { instances: 998 },
  });
});
