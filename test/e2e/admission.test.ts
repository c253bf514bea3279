import { expect, test } from 'vitest';
import { type SendAnswer, sendDicom } from '../support/dicom-sender.ts';
import { type Farm, frontsEmpty, startFarm } from '../support/farm.ts';
import { makeInstance, makeStudy, type SyntheticInstance, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';
import { expectDelivered } from './expect.ts';

interface Fronts {
  readonly items: readonly { readonly takesImages: boolean; readonly refusing: string | null }[];
}

async function setBackends(farm: Farm, state: 'ready' | 'maint'): Promise<void> {
  for (const name of farm.backends.keys()) {
    const answer = await farm.service.request(`/api/v1/backends/${name}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ state }),
    });
    expect(answer.status).toBe(200);
  }
}

async function takesImages(farm: Farm): Promise<string> {
  const text = await (await farm.service.request('/metrics')).text();
  return /^dde_front_takes_images\{front="front"\} (\S+)$/m.exec(text)?.[1] ?? 'no such metric';
}

test.each([
  ['instances', { maxInstances: 20 }, /instances wait; the limit is 20/],
  ['bytes', { maxSize: '200 kB' }, /bytes wait; the limit is 200000/],
  ['age', { maxAge: '2 s' }, /the oldest instance has waited \d+ s; the limit is 2 s/],
])(
  'above its limit of %s a front refuses with 0xA700, says why, and takes images again below the lower mark',
  async (_what, limit, reason) => {
    await using farm = await startFarm({ settle: '500 ms', routing: { admission: limit } });
    await setBackends(farm, 'maint');
    await using dir = await tempDir();
    const acknowledged: SyntheticInstance[] = [];
    const port = farm.front.dicomPort;
    /** One image more; the modality remembers what was acknowledged. */
    const send = async (): Promise<SendAnswer | undefined> => {
      const instance = makeInstance({ bytes: 10_000 });
      const [answer] = await sendDicom(await writeInstances([instance], dir.path), { port });
      if (answer?.acknowledged) acknowledged.push(instance);
      return answer;
    };
    const first = makeStudy({ instances: 25, bytes: 10_000 }).instances;
    const answers = await sendDicom(await writeInstances(first, dir.path), { port });
    acknowledged.push(...first.filter((_, index) => answers[index]?.acknowledged));

    const refusal = await until(
      async () => {
        const answer = await send();
        return answer?.acknowledged ? null : answer;
      },
      { what: 'the front to refuse' },
    );
    expect(refusal.status).toBe('0xa700');
    expect(farm.front.log()).toMatch(reason);
    const { items } = await farm.service.get<Fronts>('/api/v1/fronts');
    expect(items).toMatchObject([{ takesImages: false, refusing: expect.stringMatching(reason) }]);
    expect(await takesImages(farm)).toBe('0');
    expect(farm.service.log()).toContain('front refuses new images');

    await setBackends(farm, 'ready');
    await until(async () => (await send())?.acknowledged, {
      what: 'the front to take images again',
      timeoutMs: 30_000,
    });
    expect(farm.service.log()).toContain('front takes new images again');
    await frontsEmpty(farm);
    await until(async () => (await takesImages(farm)) === '1', { what: 'the metric to say so' });
    await expectDelivered(farm, acknowledged);
  },
);

test('a service that dies while its sign is up does not keep the front closed', async () => {
  await using farm = await startFarm({ routing: { admission: { maxInstances: 5 } } });
  await setBackends(farm, 'maint');
  await using dir = await tempDir();
  const port = farm.front.dicomPort;
  const [probe = ''] = await writeInstances([makeInstance()], dir.path);
  const files = await writeInstances(makeStudy({ instances: 10 }).instances, dir.path);
  await sendDicom(files, { port });
  await until(async () => (await sendDicom([probe], { port }))[0]?.status === '0xa700', {
    what: 'the front to refuse',
  });
  await farm.service.kill('SIGKILL');
  await until(async () => (await sendDicom([probe], { port }))[0]?.acknowledged, {
    what: 'the sign to run out',
    intervalMs: 300,
  });
});
