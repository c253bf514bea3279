import { spawnSync } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { sendDicom } from '../support/dicom-sender.ts';
import { orthancAtLeast, startOrthanc } from '../support/orthanc-process.ts';
import { makeInstance, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';

const committed = {
  configFiles: [join(import.meta.dirname, '../../orthanc-config/front.json')],
  password: 'of-the-front',
  env: { DDE_FRONT_PASSWORD: 'of-the-front' },
};
/** What the committed file says counts, not the defaults of tests. */
const withoutDefaults = { config: { DicomCheckCalledAet: undefined, RemoteAccessAllowed: undefined } };

function dcmtk(program: string, ...options: readonly string[]): string {
  const run = spawnSync(program, options, { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`${program} failed: ${run.stderr}`);
  return `${run.stdout}${run.stderr}`;
}

it('a front takes any called AE title, compression and SOP class', async () => {
  await using folder = await tempDir('accepted');
  await using orthanc = await startOrthanc({ ...committed, ...withoutDefaults });
  const files = await writeInstances(
    Array.from({ length: 4 }, () => makeInstance()),
    folder.path,
  );
  const [plain = '', lossless = '', rle = '', privateClass = ''] = files;
  await copyFile(lossless, `${lossless}.src`);
  dcmtk('dcmcjpeg', '+e1', `${lossless}.src`, lossless);
  await copyFile(rle, `${rle}.src`);
  dcmtk('dcmcrle', `${rle}.src`, rle);
  dcmtk('dcmodify', '-nb', '-m', '0008,0016=1.3.6.1.4.1.99999.1.2.3', privateClass);

  const answers = await sendDicom([plain, lossless, rle, privateClass], {
    port: orthanc.dicomPort,
    calledAet: 'SOMETHING ELSE',
    callingAet: 'NEVER-SEEN',
  });

  expect(answers.map(({ status }) => status)).toEqual(['0x0000', '0x0000', '0x0000', '0x0000']);
  expect(orthanc.log()).not.toMatch(/deprecated|obsolete|unknown (option|configuration)|bad configuration/i);
});

it('a front offers the longest PDUs there are, and takes the shortest', async () => {
  await using folder = await tempDir('pdus');
  await using orthanc = await startOrthanc({ ...committed, ...withoutDefaults });
  const at = ['localhost', String(orthanc.dicomPort)];
  expect(dcmtk('echoscu', '-d', ...at)).toMatch(/Their Max PDU Receive Size: +131072\b/);
  const [file = ''] = await writeInstances([makeInstance({ bytes: 100_000 })], folder.path);
  expect(dcmtk('storescu', '-v', '--max-send-pdu', '4096', ...at, file)).toContain(
    'Received Store Response (Success)',
  );
});

it('a front lets nobody in without its password, and keeps connections for a while', async () => {
  await using orthanc = await startOrthanc(committed);
  expect((await fetch(`${orthanc.url}/instances`)).status).toBe(401);
  const authorization = `Basic ${Buffer.from('orthanc:orthanc').toString('base64')}`;
  expect((await fetch(`${orthanc.url}/instances`, { headers: { authorization } })).status).toBe(401);
  const answer = await orthanc.fetch('/instances');
  expect(answer.status).toBe(200);
  // Older versions do not know the setting.
  if (orthancAtLeast('1.11.3')) expect(answer.headers.get('keep-alive')).toBe('timeout=5');
});
