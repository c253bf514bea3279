import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { expectDelivered } from '../e2e/expect.ts';
import { sendAllDicom } from '../support/dicom-sender.ts';
import { countInstances, frontsEmpty, startFarm } from '../support/farm.ts';
import { freePort } from '../support/ports.ts';
import { type FaultProxy, startProxy } from '../support/proxy.ts';
import { makeStudy, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';

test('a service that is stopped while its backend stalls ends soon, with 0, and loses nothing', async () => {
  const proxies: FaultProxy[] = [];
  await using farm = await startFarm({
    backends: 1,
    settle: '200 ms',
    routing: { stall: '60 s' },
    via: async (_name, url) => {
      const proxy = await startProxy({ target: Number(new URL(url).port) });
      proxies.push(proxy);
      return proxy.url;
    },
  });
  const [proxy] = proxies;
  if (proxy === undefined) throw new Error('the farm asked for no way to its backend');
  try {
    await using dir = await tempDir();
    const study = makeStudy({ seed: 'stopping', instances: 30 });
    await proxy.set({ kind: 'stall', only: ({ method }) => method === 'POST' });
    await sendAllDicom(await writeInstances(study.instances, dir.path), { port: farm.front.dicomPort });
    await until(
      async () =>
        (await farm.service.get<{ state: string }>(`/api/v1/studies/${study.studyUid}`)).state === 'sending',
      { what: 'a transfer to be under way' },
    );
    const started = performance.now();
    expect(await farm.service.kill('SIGTERM')).toBe(0);
    // What is under way gets ten seconds. If it were waited for, it would end after some thirty.
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(await countInstances(farm.front)).toBe(30);

    await proxy.set({ kind: 'pass' });
    await farm.service.start();
    await frontsEmpty(farm);
    await expectDelivered(farm, study.instances);
  } finally {
    for (const one of proxies) await one.close();
  }
});

test('a second service on the same ledger ends with 2 and a sentence, and disturbs nothing', async () => {
  await using farm = await startFarm({ backends: 1, settle: '200 ms' });
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../src/main.ts')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      DDE_HOME: farm.home,
      DDE_TOPOLOGY: join(farm.home, 'orthanc-config', 'topology.yaml'),
      DDE_ADMIN_TOKEN: 'another-token-of-this-test',
      DDE_HOOK_TOKEN: 'another-hook-token-of-this-test',
      DDE_FRONT_PASSWORD: 'front-password',
      DDE_BACKEND_PASSWORD: 'orthanc',
      DDE_SERVICE_URL: `http://127.0.0.1:${await freePort()}`,
    },
  });
  const [said] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  expect(child.exitCode).toBe(2);
  expect(said.trim().split('\n')).toHaveLength(1);
  expect(said).toMatch(/another service is using the ledger/);

  const study = makeStudy({ seed: 'second', instances: 5 });
  await using dir = await tempDir();
  await sendAllDicom(await writeInstances(study.instances, dir.path), { port: farm.front.dicomPort });
  await frontsEmpty(farm);
  await expectDelivered(farm, study.instances);
});
