import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { countInstances, type Farm } from '../support/farm.ts';
import { makeStudy } from '../support/synthetic.ts';
import { until } from '../support/wait.ts';
import { expectDelivered } from './expect.ts';
import {
  atRest,
  type FailoverFarm,
  otherThan,
  rebind,
  send,
  sendThrough,
  startFailoverFarm,
  studyNow,
} from './failover-farm.ts';

// Enough on a machine that is busy with other tests too.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });

const verified = async (farm: Farm, uid: string, count: number): Promise<boolean> =>
  (await studyNow(farm, uid)).instances.verified >= count;

describe('a backend that goes in the middle of a study', () => {
  let bench: FailoverFarm;
  let farm: Farm;
  beforeAll(async () => {
    // So long that nothing leaves the front before the backend goes.
    bench = await startFailoverFarm({ settle: '6 s' });
    farm = bench.farm;
  });
  afterEach(async () => {
    for (const backend of farm.backends.values()) {
      await backend.kill('SIGCONT');
      if (!backend.running) await backend.restart();
    }
  });
  afterAll(async () => {
    await bench?.stop();
  });

  test.each([
    ['is killed', 'SIGKILL'],
    ['hangs', 'SIGSTOP'],
  ] as const)(
    '%s: the whole study goes to the other, and nothing stays where it was',
    async (name, signal) => {
      const study = makeStudy({ seed: `middle-${name}`, instances: 300 });
      const { studyUid: uid } = study;
      const sending = send(farm, study.instances);
      await until(() => verified(farm, uid, 40), { what: '40 instances to be proven' });
      const { backend } = await studyNow(farm, uid);
      await farm.backend(backend).kill(signal);
      const other = otherThan(backend);
      await sending;
      await until(
        async () => {
          const now = await studyNow(farm, uid);
          return now.backend === other && now.instances.verified === 300;
        },
        { what: 'it to be whole on the other', timeoutMs: 40_000, intervalMs: 100 },
      );
      expect(await countInstances(farm.backend(other))).toBeGreaterThanOrEqual(300);
      expect((await studyNow(farm, uid)).epoch).toBe(2);
      const { items } = await farm.service.get<{ items: { kind: string; reason: string }[] }>(
        `/api/v1/studies/${uid}/decisions`,
      );
      expect(items.find((decision) => decision.kind === 'rebound')?.reason).toMatch(
        new RegExp(`^rebound from ${backend}, out since .+: .+`),
      );

      if (signal === 'SIGSTOP') await farm.backend(backend).kill('SIGCONT');
      else await farm.backend(backend).restart();
      await atRest(farm);
      const studyOn = await expectDelivered(farm, study.instances);
      expect(studyOn.get(uid)).toBe(other);
      const ids = new Set(study.instances.map((instance) => instance.orthancId));
      const left = await (await farm.backend(backend).fetch('/instances')).json();
      expect(Array.isArray(left) ? left.filter((id) => ids.has(id)) : left).toEqual([]);
      expect((await studyNow(farm, uid)).state).toBe('removed');
    },
  );

  test('that was wiped after the proof, before the front let go: everything is delivered again', async () => {
    const study = makeStudy({ seed: 'wiped', instances: 20 });
    await send(farm, study.instances);
    await until(() => verified(farm, study.studyUid, 20), { what: 'it to be proven' });
    const { backend } = await studyNow(farm, study.studyUid);
    const orthanc = farm.backend(backend);
    await orthanc.kill('SIGKILL');
    await rm(join(orthanc.folder, 'storage'), { recursive: true });
    await orthanc.restart();
    expect(await countInstances(orthanc)).toBe(0);
    await atRest(farm);
    await expectDelivered(farm, study.instances);
    const { items } = await farm.service.get<{ items: { kind: string }[] }>(
      `/api/v1/studies/${study.studyUid}/events`,
    );
    expect(items.map((event) => event.kind)).toContain('doubted');
  });
});

describe('a study of which a part has left the front', () => {
  let bench: FailoverFarm;
  let farm: Farm;
  beforeAll(async () => {
    bench = await startFailoverFarm();
    farm = bench.farm;
  });
  afterAll(async () => {
    await bench?.stop();
  });

  test('whose backend is out when the rest arrives is put together again where the rest went', async () => {
    const study = makeStudy({ seed: 'torn', instances: 60 });
    const first = { ...study, instances: study.instances.slice(0, 35) };
    const backend = await sendThrough(farm, first);
    await farm.backend(backend).kill('SIGKILL');
    await send(farm, study.instances.slice(35));
    const other = otherThan(backend);
    await until(async () => (await studyNow(farm, study.studyUid)).backend === other, {
      what: 'the rest to go to the other',
      timeoutMs: 20_000,
    });
    await until(async () => (await studyNow(farm, study.studyUid)).state === 'healing', {
      what: 'it to wait for the first part, visibly',
      timeoutMs: 20_000,
    });
    await farm.backend(backend).restart();
    await atRest(farm);
    const studyOn = await expectDelivered(farm, study.instances);
    expect(studyOn.get(study.studyUid)).toBe(other);
    expect((await studyNow(farm, study.studyUid)).instances).toMatchObject({
      received: 60,
      verified: 60,
      removed: 60,
    });
  });

  test('is moved by hand, with what never came through here, there and back again', async () => {
    const study = makeStudy({ seed: 'by-hand', instances: 25 });
    const backend = await sendThrough(farm, { ...study, instances: study.instances.slice(0, 20) });
    for (const { file } of study.instances.slice(20)) {
      await farm.backend(backend).fetch('/instances', { method: 'POST', body: new Uint8Array(file) });
    }
    for (const target of [otherThan(backend), backend]) {
      await rebind(farm, study.studyUid, target);
      await atRest(farm);
      const studyOn = await expectDelivered(farm, study.instances);
      expect(studyOn.get(study.studyUid)).toBe(target);
    }
  });
});
