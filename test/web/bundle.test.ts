import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';

const dist = join(import.meta.dirname, '../../web/dist');
const files = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name !== '.sources')
  .map((entry) => join(entry.parentPath, entry.name));

test('all of the dashboard is at most 200 KB, gzipped', () => {
  const bytes = files.reduce((sum, file) => sum + gzipSync(readFileSync(file)).length, 0);
  expect(bytes).toBeGreaterThan(20_000);
  expect(bytes).toBeLessThanOrEqual(200_000);
});

test('it names no address elsewhere', () => {
  for (const file of files) {
    // What an XML namespace is called, nobody asks; links of libraries to their documents neither.
    const named = readFileSync(file, 'utf8').match(/https?:\/\/[\w.-]+\.[a-z]{2,}/g) ?? [];
    expect(named.filter((address) => !/\/\/(www\.w3\.org|github\.com|preactjs\.com)$/.test(address))).toEqual(
      [],
    );
  }
});

test('nothing stands inline: scripts and styles come as files of their own', () => {
  const page = readFileSync(join(dist, 'index.html'), 'utf8');
  expect(page).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/);
});
