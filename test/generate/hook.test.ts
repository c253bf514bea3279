import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sendAllDicom, sendDicom } from '../support/dicom-sender.ts';
import { type OrthancProcess, startOrthanc } from '../support/orthanc-process.ts';
import { freePort } from '../support/ports.ts';
import { makeInstance, makeStudy, type SyntheticInstance, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';
import { type Manner, standIn } from './announcements.ts';

const project = join(import.meta.dirname, '../..');
const token = 'hook-token-of-the-test';

/** A front from the committed files, on free ports. */
function startFront(env: Readonly<Record<string, string>>): Promise<OrthancProcess> {
  return startOrthanc({
    name: 'front',
    password: 'of-the-front',
    configFiles: [join(project, 'orthanc-config/front.json')],
    env: { DDE_FRONT_PASSWORD: 'of-the-front', DDE_HOOK_TOKEN: token, ...env },
  });
}

async function send(front: OrthancProcess, instances: readonly SyntheticInstance[]): Promise<void> {
  await using folder = await tempDir('send');
  const files = await writeInstances(instances, folder.path);
  await sendAllDicom(files, { port: front.dicomPort, callingAet: 'SCANNER', calledAet: 'ANYBODY' });
}

async function countInstances(front: OrthancProcess): Promise<number> {
  const answer: unknown = await (await front.fetch('/statistics')).json();
  return typeof answer === 'object' && answer !== null && 'CountInstances' in answer
    ? Number(answer.CountInstances)
    : -1;
}

function lines(front: OrthancProcess, text: string): readonly string[] {
  return front
    .log()
    .split('\n')
    .filter((line) => line.includes(text));
}

/** Seconds since 1970, so many from now. */
function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}

/** StationName of an explicit VR file, replaced by any bytes, as a modality against the standard might send. */
function withStation({ file }: SyntheticInstance, value: Buffer): Buffer {
  const at = file.indexOf(Buffer.from([0x08, 0x00, 0x10, 0x10, 0x53, 0x48]));
  const padded = value.length % 2 === 0 ? value : Buffer.concat([value, Buffer.from(' ')]);
  const length = Buffer.alloc(2);
  length.writeUInt16LE(padded.length);
  const end = at + 8 + file.readUInt16LE(at + 6);
  return Buffer.concat([file.subarray(0, at + 6), length, padded, file.subarray(end)]);
}

describe('announcement', () => {
  it('says of each instance what the service needs, and no more', async () => {
    await using service = await standIn('well');
    await using front = await startFront({ DDE_SERVICE_URL: `${service.url}/` });
    const [instance] = makeStudy({
      modality: 'US',
      frames: 3,
      station: '00123',
      patientName: 'Secret^Name',
    }).instances;
    if (instance === undefined) throw new Error('no instance');

    await send(front, [instance]);

    const announced = await until(() => service.announced[0], { what: 'the announcement' });
    expect(announced.body).toEqual({
      front: 'front',
      instance: instance.orthancId,
      study: instance.studyUid,
      series: instance.seriesUid,
      sop: instance.sopUid,
      modality: 'US',
      station: '00123',
      remoteAet: 'SCANNER',
      calledAet: 'ANYBODY',
      remoteIp: '127.0.0.1',
      origin: 'DicomProtocol',
      transferSyntax: '1.2.840.10008.1.2.1',
      rows: '16',
      columns: '16',
      bitsAllocated: '8',
      samplesPerPixel: '1',
      frames: '3',
      freeBytes: expect.stringMatching(/^\d+$/),
      freeAt: expect.stringMatching(/^\d+$/),
    });
    expect(announced.headers['authorization']).toBe(`Bearer ${token}`);
    expect(announced.headers['content-type']).toBe('application/json');
    expect(announced.headers['expect'] ?? '').toBe('');
  });

  it('leaves out what an instance has not', async () => {
    await using service = await standIn('well');
    await using front = await startFront({ DDE_SERVICE_URL: service.url });
    const instance = makeInstance({ station: '' });

    const answer = await front.fetch('/instances', { method: 'POST', body: new Uint8Array(instance.file) });

    expect(answer.status).toBe(200);
    const { body } = await until(() => service.announced[0], { what: 'the announcement' });
    expect(body).toMatchObject({ instance: instance.orthancId, origin: 'RestApi' });
    for (const key of ['station', 'remoteAet', 'calledAet', 'frames']) expect(body).not.toHaveProperty(key);
  });

  it('is JSON whatever stands in the tags', async () => {
    await using service = await standIn('well');
    await using front = await startFront({ DDE_SERVICE_URL: service.url });
    const values = [
      Buffer.from('"quoted" \'too\' {} [] // </script> ${x} %s %d'),
      Buffer.from('tab\tline\r\nbell\x07 del\x7f'),
      Buffer.from('Zürich 東京 🩻'),
      Buffer.from([0x41, 0xff, 0xfe, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0x42]),
      Buffer.from('nul\0inside\0'),
      Buffer.from('ü'.repeat(20_000)),
      Buffer.from('00123'),
      Buffer.from('1e5'),
      Buffer.from('true'),
    ];
    const study = makeStudy({ instances: values.length });

    for (const [index, value] of values.entries()) {
      const instance = study.instances[index];
      if (instance === undefined) throw new Error('no instance');
      const body = new Uint8Array(withStation(instance, value));
      expect((await front.fetch('/instances', { method: 'POST', body })).status).toBe(200);
    }

    await until(() => service.announced.length === values.length, { what: 'all announcements' });
    const stations = service.announced.map(({ body }) => body['station'] ?? '');
    expect(new Set(service.announced.map(({ body }) => body['instance']))).toEqual(
      new Set(study.instances.map(({ orthancId }) => orthancId)),
    );
    expect(stations.every((station) => typeof station === 'string')).toBe(true);
    expect(stations[0]).toBe('"quoted" \'too\' {} [] // </script> ${x} %s %d');
    expect(stations[2]).toBe('Zürich 東京 🩻');
    // Older versions hand long values over as nothing; newer ones whole, and they are cut between two characters.
    expect(stations[5]).toMatch(/^(ü{120,128})?$/);
    expect(stations.slice(6)).toEqual(['00123', '1e5', 'true']);
    expect(lines(front, 'does not take announcements')).toEqual([]);
  });
});

describe.concurrent('a service that answers', () => {
  const manners: readonly Manner[] = [
    'late',
    'never',
    'status 500',
    'status 500 with the mark',
    'no JSON',
    'JSON that is no object',
    'another identifier',
    'nothing',
    'hangs up',
    'endlessly',
  ];

  it.each(manners)('%s keeps no image from being received', { timeout: 90_000 }, async (manner) => {
    await using service = await standIn(manner);
    await using front = await startFront({ DDE_SERVICE_URL: service.url });
    const study = makeStudy({ instances: 40, patientName: 'Secret^Name', patientId: 'SECRET-ID' });

    await send(front, study.instances);

    expect(await countInstances(front)).toBe(40);
    await until(() => service.calls > 0, { what: 'the first announcement' });
    if (manner === 'late') return;
    // The outage is said once, and most of the backlog is passed over rather than tried.
    await until(() => lines(front, 'does not take announcements').length > 0, { what: 'a line in the log' });
    service.manner = 'well';
    await until(
      async () => {
        if (
          service.announced.some(({ body }) => body['station'] === 'AFTERWARDS') &&
          lines(front, 'again').length > 0
        ) {
          return true;
        }
        await front.fetch('/instances', {
          method: 'POST',
          body: new Uint8Array(makeInstance({ station: 'AFTERWARDS' }).file),
        });
        return false;
      },
      { what: 'announcements to begin again', timeoutMs: 45_000, intervalMs: 200 },
    );
    expect(lines(front, 'does not take announcements')).toHaveLength(1);
    expect(lines(front, 'takes announcements again')).toHaveLength(1);
    expect(front.log()).not.toMatch(/Secret|SECRET-ID/);
    expect(front.log()).not.toContain(token);
  });

  it('nowhere keeps no image from being received', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    await using front = await startFront({ DDE_SERVICE_URL: url });

    await send(front, makeStudy({ instances: 40 }).instances);

    expect(await countInstances(front)).toBe(40);
    await until(() => lines(front, 'does not take announcements').length > 0, { what: 'a line in the log' });
    expect(lines(front, 'does not take announcements')).toHaveLength(1);
  });
});

describe('admission', () => {
  it('refuses while the sign holds, and takes images in every other case', async () => {
    await using folder = await tempDir('admission');
    const sign = join(folder.path, 'front');
    await using service = await standIn('well');
    await using front = await startFront({ DDE_SERVICE_URL: service.url, DDE_ADMISSION: sign });
    const statusOf = async (): Promise<string | null | undefined> => {
      const files = await writeInstances([makeInstance()], folder.path);
      return (await sendDicom(files, { port: front.dicomPort }))[0]?.status;
    };

    const accepted: (string | null)[] = [
      null,
      '',
      'closed',
      `closed ${inSeconds(-1)} too much waits\n`,
      `closed ${inSeconds(86_400)} a year ahead\n`,
      'closed soon because\n',
      'closed 99999999999999999999999999 x\n',
      `open ${inSeconds(60)} all is well\n`,
      `\nclosed ${inSeconds(60)} second line\n`,
      '\0\0\0\xff'.repeat(10_000),
    ];
    for (const content of accepted) {
      if (content === null) await rm(sign, { force: true });
      else await writeFile(sign, content);
      expect([content?.slice(0, 40), await statusOf()]).toEqual([content?.slice(0, 40), '0x0000']);
    }
    await rm(sign, { force: true });
    await mkdir(sign);
    expect(await statusOf()).toBe('0x0000');
    await rm(sign, { recursive: true });
    const held = await countInstances(front);

    await writeFile(sign, `closed ${inSeconds(60)} 12 instances wait; the limit is 10\n`);
    expect(await statusOf()).toBe('0xa700');
    const refused = await front.fetch('/instances', {
      method: 'POST',
      body: new Uint8Array(makeInstance().file),
    });
    expect(refused.status).toBe(500);
    expect(await countInstances(front)).toBe(held);
    expect(front.log()).toContain('12 instances wait; the limit is 10');

    // Nobody takes the sign down: it runs out.
    await writeFile(sign, `closed ${inSeconds(2)} too much waits\n`);
    await until(async () => (await statusOf()) === '0x0000', {
      what: 'the sign to run out',
      intervalMs: 300,
    });
  });
});

it('a front whose password is not set does not start', async () => {
  await expect(startFront({ DDE_FRONT_PASSWORD: '' })).rejects.toThrow('the password of "orthanc" is empty');
});
