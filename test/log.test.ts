import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { createLogger, studiesIn } from '../src/log.ts';
import { smallDisk, testOnSmallDisk } from './support/small-disk.ts';

/** Fails as standard error does on a full disk: the callback hears of it, and later writes may succeed. */
class Memory extends Writable {
  text = '';
  isFull = false;
  override write(chunk: unknown, ...rest: unknown[]): boolean {
    const done = rest.find((one) => typeof one === 'function');
    const error = this.isFull
      ? Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
      : null;
    if (error === null) this.text += String(chunk);
    else this.emit('error', error);
    process.nextTick(() => done?.(error));
    return true;
  }
}

test('a readable line has time, level, message and fields; nothing from outside can forge a second line', () => {
  const stream = new Memory();
  const log = createLogger({ level: 'info', format: 'text', stream });
  log.info('study placed', { study: '1.2.3', transfer: 7, station: 'CT\n2026 error forged', nothing: null });
  log.debug('not at this level');
  expect(stream.text).toMatch(
    /^\d{4}-\d\d-\d\dT[\d:.]+Z info {2}study placed {2}study=1\.2\.3 transfer=7 station="CT\\n2026 error forged"\n$/,
  );
});

test('as JSON a line is one object', () => {
  const stream = new Memory();
  createLogger({ level: 'info', format: 'json', stream }).warn('transfer failed', {
    transfer: 7,
    backend: 'a',
  });
  expect(JSON.parse(stream.text)).toMatchObject({
    level: 'warn',
    message: 'transfer failed',
    transfer: 7,
    backend: 'a',
    timestamp: expect.stringMatching(/Z$/),
  });
});

test('the level counts from the moment it is changed', () => {
  const stream = new Memory();
  const log = createLogger({ level: 'warn', format: 'text', stream });
  log.info('one');
  log.level = 'info';
  log.info('two');
  expect(stream.text).toMatch(/^\S+ info {2}two\n$/);
});

test('one study is named as that, several as a list, each once', () => {
  expect(studiesIn([{ studyUid: '1.2' }, { studyUid: '1.2' }])).toEqual({ study: '1.2' });
  expect(studiesIn([{ studyUid: '1.2' }, { studyUid: '1.3' }, { studyUid: '1.2' }])).toEqual({
    studies: ['1.2', '1.3'],
  });
});

test('lines that cannot be written are lost, nobody hears of it, and how many there were is said afterwards', async () => {
  const stream = new Memory();
  const log = createLogger({ level: 'info', format: 'json', stream });
  log.info('before');
  stream.isFull = true;
  for (let line = 0; line < 3; line++) log.info('lost', { line });
  await new Promise(setImmediate);
  stream.isFull = false;
  log.info('after');
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  const lines = stream.text
    .split('\n')
    .filter((line) => line !== '')
    .map((line): unknown => JSON.parse(line));
  expect(lines).toEqual([
    expect.objectContaining({ message: 'before' }),
    expect.objectContaining({ message: 'after' }),
    expect.objectContaining({
      level: 'warn',
      message: 'lines of this log could not be written',
      lines: 3,
      code: 'ENOSPC',
    }),
  ]);
});

testOnSmallDisk(
  import.meta.filename,
  'a process whose log is on a full disk goes on, and its log too once there is room',
  {},
  async () => {
    await using disk = await smallDisk(1);
    const script = join(disk.path, 'script.ts');
    const module = pathToFileURL(join(import.meta.dirname, '../src/log.ts')).href;
    await writeFile(
      script,
      `import { rmSync } from 'node:fs';
       import { createLogger } from '${module}';
       const log = createLogger({ level: 'info', format: 'json' });
       log.info('first');
       for (let line = 0; line < 40; line++) log.info('x'.repeat(50_000));
       setTimeout(() => {
         rmSync('${join(disk.path, '.ballast')}');
         log.info('room again');
         setTimeout(() => process.stdout.write('alive'), 50);
       }, 50);`,
    );
    disk.fill(200_000);
    const file = join(disk.path, 'log');
    const output = openSync(file, 'a');
    const { status, stdout } = spawnSync(process.execPath, [script], {
      stdio: ['ignore', 'pipe', output],
      encoding: 'utf8',
    });
    closeSync(output);
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'alive' });
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    expect(lines[0]).toContain('first');
    expect(lines.at(-2)).toContain('room again');
    expect(lines.at(-1)).toMatch(/ENOSPC.*could not be written/);
  },
);
