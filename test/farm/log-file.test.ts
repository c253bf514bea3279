import { closeSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lastLine, openLog, rotateWhileWritten } from '../../src/farm/log-file.ts';
import { smallDisk, testOnSmallDisk } from '../support/small-disk.ts';
import { tempDir } from '../support/temp.ts';

const limits = { maxBytes: 1000, files: 3 };
const read = (file: string): string => readFileSync(file, 'utf8');

test('a log that a program writes into is put aside, and what it writes afterwards begins a new one', async () => {
  await using dir = await tempDir();
  const file = join(dir.path, 'a.log');
  const { descriptor } = openLog(file, limits);
  writeSync(descriptor, 'small\n');
  expect(rotateWhileWritten(file, limits)).toBe(false);
  for (let round = 1; round <= 5; round++) {
    writeSync(descriptor, `${'x'.repeat(1000)} ${round}\n`);
    expect(rotateWhileWritten(file, limits)).toBe(true);
    expect(statSync(file).size).toBe(0);
  }
  writeSync(descriptor, 'last\n');
  closeSync(descriptor);
  expect(read(file)).toBe('last\n');
  expect([1, 2, 3].map((number) => read(`${file}.${number}`).trim().at(-1))).toEqual(['5', '4', '3']);
  expect(existsSync(`${file}.4`)).toBe(false);
  expect(existsSync(`${file}.new`)).toBe(false);
  expect(statSync(`${file}.1`).mode & 0o777).toBe(0o600);
});

test('a log that is large when its program is started is put aside first', async () => {
  await using dir = await tempDir();
  const file = join(dir.path, 'a.log');
  writeFileSync(file, 'y'.repeat(2000));
  const { descriptor, size } = openLog(file, limits);
  closeSync(descriptor);
  expect(size).toBe(0);
  expect(read(`${file}.1`)).toHaveLength(2000);
});

test('the last line is the one a program ended with', async () => {
  await using dir = await tempDir();
  const file = join(dir.path, 'a.log');
  writeFileSync(file, 'before\nat last\n\n');
  expect(lastLine(file, 0)).toBe('at last');
  expect(lastLine(file, 16)).toBe('');
  expect(lastLine(join(dir.path, 'none'), 0)).toBe('');
});

test('what cannot be put aside stays as it is', async () => {
  await using dir = await tempDir();
  const file = join(dir.path, 'a.log');
  writeFileSync(file, 'z'.repeat(2000));
  mkdirSync(`${file}.new`);
  expect(() => rotateWhileWritten(file, limits)).toThrow();
  expect(read(file)).toHaveLength(2000);
});

testOnSmallDisk(import.meta.filename, 'on a full disk a log stays, and the older ones too', {}, async () => {
  await using disk = await smallDisk(1);
  const file = join(disk.path, 'a.log');
  writeFileSync(`${file}.3`, 'oldest');
  writeFileSync(file, 'z'.repeat(20_000));
  disk.fill();
  expect(() => rotateWhileWritten(file, limits)).toThrow('ENOSPC');
  expect(read(file)).toHaveLength(20_000);
  expect(read(`${file}.3`)).toBe('oldest');
  disk.free();
  expect(rotateWhileWritten(file, limits)).toBe(true);
  expect(read(`${file}.1`)).toHaveLength(20_000);
});
