import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createOrthanc } from '../../src/orthanc/client.ts';
import { IdListReader } from '../../src/orthanc/id-list.ts';
import { busyFor } from '../support/busy.ts';

const read = (...pieces: readonly string[]): readonly string[] => {
  const list = new IdListReader();
  const ids = pieces.flatMap((piece) => list.read(Buffer.from(piece)));
  list.end();
  return ids;
};

test('it reads what a parser of JSON reads, wherever the pieces are cut', () => {
  const ids = fc.array(fc.stringMatching(/^[0-9a-f-]{0,44}$/), { maxLength: 30 });
  const space = fc.constantFrom(undefined, 0, 1, '\t');
  fc.assert(
    fc.property(ids, space, fc.array(fc.nat(200), { maxLength: 8 }), (list, indent, cuts) => {
      const text = `${JSON.stringify(list, null, indent)}\n`;
      const at = [0, ...cuts.map((cut) => cut % text.length).sort((a, b) => a - b), text.length];
      const pieces = at.slice(1).map((to, index) => text.slice(at[index], to));
      expect(read(...pieces)).toEqual(list);
    }),
  );
});

test.each([
  '',
  '[',
  '["a"',
  '["a",',
  '["a",]',
  '["a" "b"]',
  '[,"a"]',
  '["a"]]',
  '["a"]["b"]',
  '["a"],',
  '[["a"]]',
  '"a"',
  '[1]',
  '["a",null]',
  '{"a":1}',
  '["a\\n"]',
  '["ä"]',
  '["a"] and more',
  '<html>',
])('%s is no list of identifiers', (text) => {
  expect(() => read(text)).toThrow(SyntaxError);
  expect(() => read(...text.split(''))).toThrow(SyntaxError);
});

test('however fast a list comes, everything else has its turn between two pieces of it', async () => {
  const ids = Array.from({ length: 60_000 }, (_, number) => number.toString(16).padStart(44, '0'));
  const body = JSON.stringify(ids);
  const server = createServer((request, response) => {
    request.resume().once('end', () => response.end(body));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const client = createOrthanc({
    name: 'SUT',
    url: `http://127.0.0.1:${port}`,
    username: 'orthanc',
    password: 'orthanc',
    requestTimeoutMs: 20_000,
  });
  let turn = 0;
  const count = (): void => {
    turn++;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  try {
    const taken: string[] = [];
    const turns: number[] = [];
    await client.instanceIds((some) => {
      taken.push(...some);
      turns.push(turn);
      // Longer than a piece may hold up anybody.
      busyFor(3);
    });
    expect(taken).toEqual(ids);
    expect(turns.length).toBeGreaterThan(10);
    expect(new Set(turns).size).toBe(turns.length);
  } finally {
    clearImmediate(next);
    client.close();
    server.closeAllConnections();
    server.close();
  }
});
