import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { smallDisk, testOnSmallDisk } from './small-disk.ts';

testOnSmallDisk(
  import.meta.filename,
  'a small disk is full when it is filled, and no longer when it is freed',
  {},
  async () => {
    const disk = await smallDisk(3);
    onTestFinished(() => disk.remove());
    const file = join(disk.path, 'file');
    disk.fill(4096);
    writeFileSync(file, Buffer.alloc(4096));
    expect(() => writeFileSync(`${file}2`, 'x')).toThrow('ENOSPC');
    disk.free();
    writeFileSync(`${file}2`, Buffer.alloc(1 << 20));
    await disk.remove();
    expect(existsSync(disk.path)).toBe(false);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(disk.path);
  },
);
