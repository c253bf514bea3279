import { expect, test } from 'vitest';
import { expectSamePixels } from '../e2e/expect.ts';
import { sendAllDicom } from '../support/dicom-sender.ts';
import { countInstances, frontsEmpty, startFarm } from '../support/farm.ts';
import { makeStudy, withOtherContent, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';

test.each([
  ['keep', 'conflict-kept'],
  ['replace', 'conflict-replaced'],
] as const)('%s: other content under a known identifier, with a word on the study', async (policy, kind) => {
  await using farm = await startFarm({ backends: 1, settle: '200 ms', routing: { conflict: policy } });
  await using dir = await tempDir();
  const study = makeStudy({ seed: `conflict-${policy}`, instances: 5 });
  const [original] = study.instances;
  if (original === undefined) throw new Error('five instances were made');
  const port = farm.front.dicomPort;
  await sendAllDicom(await writeInstances(study.instances, `${dir.path}/first`), { port });
  await frontsEmpty(farm);

  const changed = withOtherContent(original);
  const again = [changed, ...study.instances.slice(1)];
  await sendAllDicom(await writeInstances(again, `${dir.path}/again`), { port });
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
