import { expect, test } from 'vitest';
import { expectDelivered, expectSamePixels } from '../e2e/expect.ts';
import { sendAllDicom } from '../support/dicom-sender.ts';
import { countInstances, frontsEmpty } from '../support/farm.ts';
import { makeStudy, withOtherContent, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';
import { stores } from './fault-case.ts';
import { startInProcess } from './in-process.ts';
import { send } from './sending.ts';

const alone = { backends: 1, routing: { rebindAfter: 'none', healAfter: 'none' } };

test('what a bad line changed is deleted where it arrived, sent again, and said', async () => {
  await using one = await startInProcess(alone);
  const { farm, service } = one;
  const study = makeStudy({ seed: 'flipped', instances: 12 });
  let passing = 0;
  await one.proxy('orthanc1').set({
    kind: 'flip-request',
    fromEnd: 20,
    only: (request) => stores(request) && passing++ < 3,
  });
  await send(farm, study.instances);
  await frontsEmpty(farm);
  await expectDelivered(farm, study.instances);
  const events = service.ledger.events(study.studyUid).filter(({ kind }) => kind === 'damaged-in-transit');
  expect(events).toHaveLength(3);
  for (const { text } of events) expect(text).toMatch(/MD5 [0-9a-f]{32}.*MD5 [0-9a-f]{32}/);
});

test('damaged every time, it waits for a person on the front, and nothing damaged is left', async () => {
  await using one = await startInProcess({ ...alone, random: () => 0 });
  const { farm, service } = one;
  const study = makeStudy({ seed: 'always-flipped' });
  await one.proxy('orthanc1').set({ kind: 'flip-request', fromEnd: 20, only: stores });
  await send(farm, study.instances);
  const [quarantined] = await until(
    () => {
      const { items } = service.ledger.quarantined({ limit: 10 });
      return items.length > 0 ? items : null;
    },
    { what: 'the quarantine' },
  );
  expect(quarantined).toMatchObject({ code: 'conflict', orthancId: study.instances[0]?.orthancId });
  expect(quarantined?.detail).toMatch(/again and again/);
  expect(
    service.ledger.events(study.studyUid).filter(({ kind }) => kind === 'damaged-in-transit'),
  ).toHaveLength(5);
  expect(await countInstances(farm.backend('orthanc1'))).toBe(0);
  expect(await countInstances(farm.front)).toBe(1);
});

test('what somebody else put there is no damage: it stays, and a person decides', async () => {
  const [instance] = makeStudy({ seed: 'not-ours' }).instances;
  if (instance === undefined) throw new Error('one instance was made');
  const others = withOtherContent(instance);
  await using one = await startInProcess({
    ...alone,
    before: async (farm) => {
      const answer = await farm.backend('orthanc1').fetch('/instances', {
        method: 'POST',
        body: new Uint8Array(others.file),
      });
      expect(answer.status).toBe(200);
    },
  });
  const { farm, service } = one;
  await send(farm, [instance]);
  const [quarantined] = await until(
    () => {
      const { items } = service.ledger.quarantined({ limit: 10 });
      return items.length > 0 ? items : null;
    },
    { what: 'the quarantine' },
  );
  expect(quarantined).toMatchObject({ code: 'conflict' });
  await expectSamePixels(farm, 'orthanc1', others);
});

test('what came over two fronts and was changed on both ways is damage as well', async () => {
  await using one = await startInProcess({ ...alone, fronts: 2 });
  const { farm, service } = one;
  const study = makeStudy({ seed: 'flipped-twice', instances: 3 });
  await one.proxy('orthanc1').set({ kind: 'flip-request', fromEnd: 20, only: stores });
  await using dir = await tempDir();
  const paths = await writeInstances(study.instances, dir.path);
  await Promise.all(farm.fronts.map((front) => sendAllDicom(paths, { port: front.dicomPort })));
  await until(
    () =>
      service.ledger.events(study.studyUid).filter(({ kind }) => kind === 'damaged-in-transit').length >= 3,
    { what: 'the damage to be seen' },
  );
  await one.proxy('orthanc1').set({ kind: 'pass' });
  await frontsEmpty(farm);
  await expectDelivered(farm, study.instances);
  expect(service.ledger.events(study.studyUid).filter(({ kind }) => kind === 'conflict-quarantined')).toEqual(
    [],
  );
});

test('what a modality sent straight to the backend, after the study was bound to it, is no damage either', async () => {
  const study = makeStudy({ seed: 'straight', instances: 2 });
  const [first, second] = study.instances;
  if (first === undefined || second === undefined) throw new Error('two instances were made');
  const others = withOtherContent(second);
  await using one = await startInProcess(alone);
  const { farm, service } = one;
  await send(farm, [first]);
  await frontsEmpty(farm);
  await using dir = await tempDir();
  await sendAllDicom(await writeInstances([others], dir.path), { port: farm.backend('orthanc1').dicomPort });
  await send(farm, [second]);
  const [quarantined] = await until(
    () => {
      const { items } = service.ledger.quarantined({ limit: 10 });
      return items.length > 0 ? items : null;
    },
    { what: 'the quarantine' },
  );
  expect(quarantined).toMatchObject({ code: 'conflict', orthancId: second.orthancId });
  await expectSamePixels(farm, 'orthanc1', others);
});
