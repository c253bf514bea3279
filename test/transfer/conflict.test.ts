import { expect, test } from 'vitest';
import { expectSamePixels } from '../e2e/expect.ts';
import { countInstances, frontsEmpty, startFarm } from '../support/farm.ts';
import { makeStudy, withOtherContent } from '../support/synthetic.ts';
import { send } from './sending.ts';

test.each([
  ['keep', 'conflict-kept'],
  ['replace', 'conflict-replaced'],
] as const)('%s: other content under a known identifier, with a word on the study', async (policy, kind) => {
  await using farm = await startFarm({ backends: 1, settle: '200 ms', routing: { conflict: policy } });
  const study = makeStudy({ seed: `conflict-${policy}`, instances: 5 });
  const [original] = study.instances;
  if (original === undefined) throw new Error('five instances were made');
  await send(farm, study.instances);
  await frontsEmpty(farm);

  const changed = withOtherContent(original);
  await send(farm, [changed, ...study.instances.slice(1)]);
  await frontsEmpty(farm);
  await expectSamePixels(farm, 'orthanc1', policy === 'keep' ? original : changed);
  expect(await countInstances(farm.backend('orthanc1'))).toBe(5);
  const { items } = await farm.service.get<{ items: { kind: string; text: string }[] }>(
    `/api/v1/studies/${study.studyUid}/events`,
  );
  expect(items.filter((event) => event.kind === kind)).toHaveLength(1);
  expect(items.find((event) => event.kind === kind)?.text).toMatch(original.orthancId);
  expect(await farm.service.get(`/api/v1/studies/${study.studyUid}`)).toMatchObject({
    state: 'removed',
    instances: { received: 5, verified: 5, removed: 5, quarantined: 0 },
  });
});
