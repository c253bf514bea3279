import { expect, onTestFinished } from 'vitest';
import { sendAllDicom } from '../support/dicom-sender.ts';
import { countInstances, frontsEmpty, startFarm } from '../support/farm.ts';
import { smallDisk, testOnSmallDisk } from '../support/small-disk.ts';
import { makeStudy, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';
import { expectDelivered, expectSamePixels } from './expect.ts';

/** Less than the 4 KB that Orthanc writes without looking whether they fit. */
const small = { bytes: 1_000 };

interface Events {
  readonly items: readonly { readonly kind: string; readonly text: string }[];
}

testOnSmallDisk(
  import.meta.filename,
  'a backend whose full disk keeps empty files and acknowledges them is believed nothing',
  { timeout: 120_000 },
  async () => {
    const disk = await smallDisk(16);
    onTestFinished(() => disk.remove());
    await using index = await tempDir('index');
    await using farm = await startFarm({
      storage: { orthanc1: disk.path },
      // Its index has room: so Orthanc notices nothing.
      index: { orthanc1: index.path },
      settle: '300 ms',
      routing: { policy: 'round-robin', rebindAfter: '2 s' },
    });
    await using dir = await tempDir();
    const studies = Array.from({ length: 6 }, (_, number) =>
      makeStudy({ seed: `full-backend-${number}`, instances: 5, ...small }),
    );
    const images = studies.flatMap((study) => study.instances);
    disk.fill();
    await sendAllDicom(await writeInstances(images, dir.path), { port: farm.front.dicomPort });
    await frontsEmpty(farm, 60_000);

    const seen: string[] = [];
    for (const { studyUid } of studies) {
      const { items } = await farm.service.get<Events>(`/api/v1/studies/${studyUid}/events`);
      seen.push(...items.filter(({ kind }) => kind === 'damaged-on-disk').map(({ text }) => text));
    }
    expect(seen.length, 'files that were cut off, and found out').toBeGreaterThan(0);
    expect(seen[0]).toMatch(/orthanc1 received it whole, and its file there is missing, cut off/);
    const studyOn = await expectDelivered(farm, images);
    expect(new Set(studyOn.values())).toEqual(new Set(['orthanc2']));
    // From its disk, not from its memory.
    await farm.backend('orthanc2').restart('SIGKILL');
    for (const image of images) await expectSamePixels(farm, 'orthanc2', image);
    await until(async () => (await countInstances(farm.backend('orthanc1'))) === 0, {
      what: 'nothing to be left of them on the full backend',
    });
  },
);
