import { spawnSync } from 'node:child_process';
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countInstances } from '../support/farm.ts';
import { type OrthancProcess, startOrthanc } from '../support/orthanc-process.ts';
import { freePort } from '../support/ports.ts';
import { makeInstance, withOtherContent, writeInstances } from '../support/synthetic.ts';
import { type TempDir, tempDir } from '../support/temp.ts';

/**
 * What counts as the same content under one SOPInstanceUID: on the version under test, Orthanc has to describe an image that
 * comes and the one it holds in the same words.
 */
let front: OrthancProcess;
let dir: TempDir;
beforeAll(async () => {
  dir = await tempDir('duplicates');
  front = await startOrthanc({
    name: 'front',
    password: 'p',
    configFiles: [join(import.meta.dirname, '../../orthanc-config/front.json')],
    env: { DDE_FRONT_PASSWORD: 'p', DDE_SERVICE_URL: `http://127.0.0.1:${await freePort()}` },
  });
});
afterAll(async () => {
  await front?.stop();
  await dir?.remove();
});

async function upload(file: string): Promise<number> {
  const body = new Uint8Array(await readFile(file));
  const answer = await front.fetch('/instances', { method: 'POST', body });
  await answer.arrayBuffer();
  return answer.status;
}

/** Another StudyInstanceUID is another instance, everything else stays. */
function modify(file: string, ...changes: readonly string[]): void {
  if (changes.length === 0) return;
  const options = changes.flatMap((change) => ['-i', change]);
  const run = spawnSync('dcmodify', ['-nb', '-nrc', ...options, file], { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`dcmodify ${changes.join(' ')}: ${run.stderr}`);
}

const long = 'x'.repeat(200);
const kinds: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['a plain tag', ['0008,0080=HOSPITAL'], ['0008,0080=HOSPITAL 2']],
  ['a tag that only one has', [], ['0008,0080=HOSPITAL']],
  ['an empty tag', ['0008,0080='], ['0008,0080=H']],
  ['text that looks like a number', ['0008,0050=00123'], ['0008,0050=123']],
  ['several values', ['0020,0037=1\\0\\0\\0\\1\\0'], ['0020,0037=1\\0\\0\\0\\0\\1']],
  ['a name with accents', ['0010,0010=Müller^Zoë'], ['0010,0010=Müller^Zoe']],
  ['letters of another alphabet', ['0010,0010=東京^太郎'], ['0010,0010=東京^次郎']],
  ['text of 200 letters', [`0020,4000=${long}`], [`0020,4000=${long}y`]],
  ['a floating point number', ['0018,9073=1.5'], ['0018,9073=1.25']],
  [
    'a sequence',
    ['0008,1140[0].0008,1155=1.2.3', '0008,1140[1].0008,1155=1.2.4'],
    ['0008,1140[0].0008,1155=1.2.3', '0008,1140[1].0008,1155=1.2.5'],
  ],
  [
    'a sequence in a sequence',
    ['0040,0275[0].0040,0008[0].0008,0100=A'],
    ['0040,0275[0].0040,0008[0].0008,0100=B'],
  ],
  [
    'a sequence of another length',
    ['0008,1140[0].0008,1155=1.2.3'],
    ['0008,1140[0].0008,1155=1.2.3', '0008,1140[1].0008,1155=1.2.3'],
  ],
];

describe('an image whose SOPInstanceUID is held', () => {
  it.each(kinds)('%s: the same is the same, other is other', async (what, first, second) => {
    const seed = what.replaceAll(/\W/g, '-');
    const [file = ''] = await writeInstances([makeInstance({ seed })], join(dir.path, seed));
    const other = `${file}.other`;
    await copyFile(file, other);
    modify(file, ...first);
    modify(other, ...second);
    const before = await countInstances(front);

    expect(await upload(file)).toBe(200);
    expect(await upload(file)).toBe(200);
    expect(await upload(other)).toBe(500);
    expect(await upload(file)).toBe(200);
    expect(await countInstances(front)).toBe(before + 1);
  });

  it.each([
    ['no PatientID', ['0010,0020=']],
    ['a PatientID with spaces and signs', ["0010,0020=A 'b' %c|d"]],
    ['a PatientID in another alphabet', ['0010,0020=東京']],
  ])('with %s is found', async (what, changes) => {
    const seed = what.replaceAll(/\W/g, '-');
    const [file = ''] = await writeInstances([makeInstance({ seed })], join(dir.path, seed));
    modify(file, ...changes);
    const other = `${file}.other`;
    await copyFile(file, other);
    modify(other, '0008,0080=ELSEWHERE');
    expect(await upload(file)).toBe(200);
    expect(await upload(file)).toBe(200);
    expect(await upload(other)).toBe(500);
  });

  it('of another patient is another image', async () => {
    const [file = ''] = await writeInstances([makeInstance({ seed: 'patient' })], join(dir.path, 'patient'));
    const other = `${file}.other`;
    await copyFile(file, other);
    modify(other, '0010,0020=SOMEBODY-ELSE');
    const before = await countInstances(front);
    expect(await upload(file)).toBe(200);
    expect(await upload(other)).toBe(200);
    expect(await upload(other)).toBe(200);
    expect(await countInstances(front)).toBe(before + 2);
  });

  it('with other pixels alone cannot be told, and is dropped for the one that is held', async () => {
    const instance = makeInstance({ seed: 'pixels' });
    const files = await writeInstances([instance], join(dir.path, 'pixels'));
    const others = await writeInstances([withOtherContent(instance)], join(dir.path, 'pixels', 'other'));
    expect(await upload(files[0] ?? '')).toBe(200);
    expect(await upload(others[0] ?? '')).toBe(200);
    const held = await front.fetch(`/instances/${instance.orthancId}/file`);
    expect(Buffer.from(await held.arrayBuffer()).equals(instance.file)).toBe(true);
  });

  it('is taken again as soon as the front has let go of it', async () => {
    const instance = makeInstance({ seed: 'let-go' });
    const [file = ''] = await writeInstances([instance], join(dir.path, 'let-go'));
    const other = `${file}.other`;
    await copyFile(file, other);
    modify(other, '0008,0080=ELSEWHERE');
    expect(await upload(file)).toBe(200);
    expect(await upload(other)).toBe(500);
    const later = Date.now() + 6000;
    await front.fetch(`/instances/${instance.orthancId}`, { method: 'DELETE' });
    // Within the settle time nothing but a person lets go of it; to the front it may still be arriving.
    for (let status = 500; status !== 200; ) {
      expect(Date.now()).toBeLessThan(later + 5000);
      status = await upload(other);
    }
  });
});
