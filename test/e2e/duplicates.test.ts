import { spawnSync } from 'node:child_process';
import { copyFile, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type SendAnswer, sendAllDicom, sendDicom } from '../support/dicom-sender.ts';
import { countInstances, type Farm, frontsEmpty, startFarm } from '../support/farm.ts';
import { makeInstance, makeStudy, type SyntheticInstance, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';
import { expectDelivered, expectSamePixels } from './expect.ts';

interface StudyAnswer {
  readonly state: string;
  readonly backend: string | null;
  readonly instances: Record<'received' | 'removed' | 'quarantined', number>;
}

const study = (farm: Farm, uid: string): Promise<StudyAnswer> =>
  farm.service.get(`/api/v1/studies/${encodeURIComponent(uid)}`);

/** With the backends in maintenance everything stays on the front. */
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

/** The file with another StationName, of the same length: another content under the same identifiers. */
function withOtherStation(instance: SyntheticInstance, station: string): SyntheticInstance {
  expect(station).toHaveLength(instance.station.length);
  const at = instance.file.indexOf(instance.station, 0, 'latin1');
  const file = Buffer.from(instance.file);
  file.write(station, at, 'latin1');
  return { ...instance, station, file };
}

/** So many senders at the same moment, each with an association of its own. */
function atOnce(farm: Farm, files: readonly string[]): Promise<(SendAnswer | undefined)[]> {
  return Promise.all(
    files.map(async (file, index) => {
      const front = farm.fronts[index % farm.fronts.length] ?? farm.front;
      return (await sendDicom([file], { port: front.dicomPort, callingAet: `SENDER-${index}` }))[0];
    }),
  );
}

describe('one front', () => {
  let farm: Farm;
  beforeAll(async () => {
    farm = await startFarm({ settle: '1 s' });
  });
  afterAll(async () => {
    await farm?.stop();
  });

  test('other content is refused while the front holds the first, and meets the policy afterwards', async () => {
    await setBackends(farm, 'maint');
    const sent = makeStudy({ seed: 'other-content', instances: 3, station: 'FIRST' });
    const [first] = sent.instances;
    if (first === undefined) throw new Error('no instance');
    const other = withOtherStation(first, 'OTHER');
    await using dir = await tempDir();
    const files = await writeInstances(sent.instances, `${dir.path}/1`);
    const [otherFile = ''] = await writeInstances([other], `${dir.path}/2`);
    const port = farm.front.dicomPort;
    await sendAllDicom(files, { port });

    expect(await sendDicom([otherFile], { port })).toMatchObject([{ acknowledged: false, status: '0xa700' }]);
    expect(farm.front.log()).toContain('still holds other content under this SOPInstanceUID');
    // The same again is what a sender does that has not heard the answer.
    await sendAllDicom(files, { port });
    expect(await countInstances(farm.front)).toBe(3);

    // A front that has been away knows what it holds.
    await farm.front.restart('SIGKILL');
    expect(await sendDicom([otherFile], { port })).toMatchObject([{ acknowledged: false, status: '0xa700' }]);
    await sendAllDicom(files, { port });

    await setBackends(farm, 'ready');
    await frontsEmpty(farm);
    const { backend } = await study(farm, sent.studyUid);
    await sendAllDicom([otherFile], { port });
    await until(async () => (await study(farm, sent.studyUid)).instances.quarantined === 1, {
      what: 'quarantine',
    });
    await expectDelivered(farm, sent.instances);
    await expectSamePixels(farm, backend ?? '', first);
    await farm.front.fetch(`/instances/${first.orthancId}`, { method: 'DELETE' });
    await frontsEmpty(farm);
  });

  test('the same instance ten times at once is one instance', async () => {
    const instance = makeInstance({ seed: 'ten-at-once', bytes: 500_000 });
    await using dir = await tempDir();
    const [file = ''] = await writeInstances([instance], dir.path);
    const answers = await atOnce(
      farm,
      Array.from({ length: 10 }, () => file),
    );
    expect(answers.some((answer) => answer?.acknowledged)).toBe(true);
    for (const answer of answers) expect(['0x0000', '0xa700']).toContain(answer?.status);
    await frontsEmpty(farm);
    await expectDelivered(farm, [instance]);
    await until(async () => (await study(farm, instance.studyUid)).state === 'removed', {
      what: 'it to be through',
    });
    expect(await study(farm, instance.studyUid)).toMatchObject({
      instances: { received: 1, removed: 1, quarantined: 0 },
    });
  });

  test('ten contents under one SOPInstanceUID at once: the one acknowledged is the one that arrives', async () => {
    const instance = makeInstance({ seed: 'ten-contents', station: 'S-0', bytes: 500_000 });
    await using dir = await tempDir();
    const files: string[] = [];
    for (let index = 0; index < 10; index++) {
      files.push(
        ...(await writeInstances([withOtherStation(instance, `S-${index}`)], `${dir.path}/${index}`)),
      );
    }
    await setBackends(farm, 'maint');
    const answers = await atOnce(farm, files);
    const acknowledged = answers.filter((answer) => answer?.acknowledged);
    expect(acknowledged).toHaveLength(1);
    await setBackends(farm, 'ready');
    await frontsEmpty(farm);
    const studyOn = await expectDelivered(farm, [instance]);
    const tags = await farm
      .backend(studyOn.get(instance.studyUid) ?? '')
      .fetch(`/instances/${instance.orthancId}/content/StationName`);
    expect((await tags.text()).trim()).toBe(`S-${files.indexOf(acknowledged[0]?.file ?? '')}`);
  });

  test('the same SOPInstanceUID in another study, or compressed otherwise, is not the same', async () => {
    await setBackends(farm, 'maint');
    const instance = makeInstance({ seed: 'elsewhere' });
    await using dir = await tempDir();
    const [file = ''] = await writeInstances([instance], dir.path);
    const elsewhere = `${file}.elsewhere`;
    const compressed = `${file}.rle`;
    await copyFile(file, elsewhere);
    dcmtk('dcmodify', '-nb', '-m', `0020,000d=${instance.studyUid}.1`, elsewhere);
    dcmtk('dcmcrle', file, compressed);
    const port = farm.front.dicomPort;
    await sendAllDicom([file], { port });
    await until(async () => (await sendDicom([elsewhere], { port }))[0]?.acknowledged, {
      what: 'the instance of the other study to be taken',
    });
    // By REST: senders of DCMTK may decompress what they send.
    const body = new Uint8Array(await readFile(compressed));
    expect((await farm.front.fetch('/instances', { method: 'POST', body })).status).toBe(500);
    expect(await countInstances(farm.front)).toBe(2);
    await setBackends(farm, 'ready');
    await frontsEmpty(farm);
    await expectDelivered(farm, [instance]);
  });
});

test('the same instance ten times at once over two fronts is one instance', async () => {
  await using farm = await startFarm({ fronts: 2, settle: '1 s' });
  const instance = makeInstance({ seed: 'two-fronts', bytes: 500_000 });
  await using dir = await tempDir();
  const [file = ''] = await writeInstances([instance], dir.path);
  const answers = await atOnce(
    farm,
    Array.from({ length: 10 }, () => file),
  );
  expect(answers.some((answer) => answer?.acknowledged)).toBe(true);
  for (const answer of answers) expect(['0x0000', '0xa700']).toContain(answer?.status);
  await frontsEmpty(farm);
  await expectDelivered(farm, [instance]);
  await until(async () => (await study(farm, instance.studyUid)).state === 'removed', {
    what: 'it to be through',
  });
  expect(await study(farm, instance.studyUid)).toMatchObject({ instances: { quarantined: 0 } });
});

function dcmtk(program: string, ...options: readonly string[]): void {
  const run = spawnSync(program, options, { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`${program} failed: ${run.stderr}`);
}
