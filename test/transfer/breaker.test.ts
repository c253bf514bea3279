import { expect, test } from 'vitest';
import { expectDelivered } from '../e2e/expect.ts';
import { frontsEmpty } from '../support/farm.ts';
import { makeStudy, type SyntheticStudy } from '../support/synthetic.ts';
import { until } from '../support/wait.ts';
import { stores } from './fault-case.ts';
import { startInProcess } from './in-process.ts';
import { send } from './sending.ts';

test('a backend that has just died gets no new study once that is known, and all are delivered in the end', async () => {
  await using one = await startInProcess({
    routing: { policy: 'round-robin', rebindAfter: 'none', healAfter: 'none' },
    // So long that only transfers can tell in time; a failed one has it polled at once.
    history: { sample: '20 s' },
  });
  const { farm, service } = one;
  const studies: SyntheticStudy[] = [];
  const sendOne = async (): Promise<SyntheticStudy> => {
    const study = makeStudy({ seed: `dies-${studies.length}` });
    studies.push(study);
    await send(farm, study.instances);
    await until(() => service.ledger.assignments(study.studyUid).length > 0, { what: 'the placement' });
    return study;
  };
  for (let number = 0; number < 4; number++) await sendOne();
  await frontsEmpty(farm);

  await farm.backend('orthanc1').kill('SIGKILL');
  let sent = 0;
  while (service.pool.outSince('orthanc1') === null) {
    expect(sent++, 'studies until its death was noticed').toBeLessThan(40);
    await sendOne();
  }
  for (let number = 0; number < 6; number++) {
    const study = await sendOne();
    expect(service.ledger.assignments(study.studyUid)).toMatchObject([{ backend: 'orthanc2' }]);
  }
  await farm.backend('orthanc1').restart();
  service.pool.observed('orthanc1', { at: Date.now(), up: true, reason: null, latencyMs: 1 });
  await frontsEmpty(farm);
  await expectDelivered(
    farm,
    studies.flatMap((study) => study.instances),
  );
});

test('an answer that was lost: the backend is asked, and nothing is sent twice', async () => {
  await using one = await startInProcess({
    backends: 1,
    routing: { rebindAfter: 'none', healAfter: 'none' },
  });
  const { farm } = one;
  const proxy = one.proxy('orthanc1');
  const [instance] = makeStudy({ seed: 'lost-answer' }).instances;
  if (instance === undefined) throw new Error('one instance was made');
  await proxy.set({
    kind: 'respond',
    status: 502,
    deliver: true,
    only: stores,
  });
  await send(farm, [instance]);
  await frontsEmpty(farm);
  expect(proxy.requests.filter((request) => request === 'POST /instances')).toHaveLength(1);
  await expectDelivered(farm, [instance]);
});

test('backends that refuse everything, or keep nothing, are tried seldom', async () => {
  await using one = await startInProcess({
    backends: 2,
    routing: { policy: 'round-robin', rebindAfter: 'none', healAfter: 'none' },
  });
  const { farm } = one;
  const body = JSON.stringify({ ID: 'x', Status: 'Success', Path: '/instances/x' });
  await one.proxy('orthanc1').set({ kind: 'respond', status: 500, only: stores });
  await one.proxy('orthanc2').set({ kind: 'respond', status: 200, body, only: stores });
  const studies = Array.from({ length: 6 }, (_, index) => makeStudy({ seed: `hot-${index}`, instances: 30 }));
  await send(
    farm,
    studies.flatMap((study) => study.instances),
  );
  const transfers = async (backend: string): Promise<number> =>
    (await one.service.metrics.transfers.get()).values
      .filter(({ labels }) => labels.backend === backend)
      .reduce((sum, { value }) => sum + value, 0);
  const began = performance.now();
  await until(() => performance.now() - began > 20_000, { what: '20 s to pass', timeoutMs: 25_000 });
  for (const backend of ['orthanc1', 'orthanc2']) {
    const tried = await transfers(backend);
    expect(tried, `${backend} was tried`).toBeGreaterThan(2);
    // Pauses of half a second, one, two, four, … on average: seven would be usual.
    expect(tried, `${backend} was tried`).toBeLessThan(25);
    expect(one.proxy(backend).requests.length).toBeLessThan(1_500);
    expect(one.service.pool.status(backend)?.breaker).not.toBe('closed');
  }
});
