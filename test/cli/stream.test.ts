import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readStream, type StreamMessage } from '../../src/cli/events/stream.ts';

async function read(...pieces: readonly (string | Uint8Array)[]): Promise<readonly StreamMessage[]> {
  const encoder = new TextEncoder();
  async function* stream(): AsyncGenerator<Uint8Array> {
    for (const piece of pieces) yield typeof piece === 'string' ? encoder.encode(piece) : piece;
  }
  const messages: StreamMessage[] = [];
  for await (const message of readStream(stream())) messages.push(message);
  return messages;
}

test('messages end with a blank line; remarks and half ones are none', async () => {
  expect(
    await read(
      ': hello\n\nid: 7\nevent: journal\ndata: {"a":\ndata: 1}\n\ndata\n\nevent: farm\ndata: half\n',
    ),
  ).toEqual([
    { event: 'journal', data: '{"a":\n1}', id: '7' },
    { event: 'message', data: '', id: '7' },
  ]);
});

test('however the bytes are cut, and whatever ends the lines, it is the same', async () => {
  const text = 'id: 1\nevent: journal\ndata: größer\n\n: heartbeat\n\nid: 2\ndata: x: y\n\n';
  const wanted = await read(text);
  expect(wanted.map(({ data }) => data)).toEqual(['größer', 'x: y']);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('\n', '\r\n', '\r'),
      fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1 }),
      async (end, sizes) => {
        const bytes = new TextEncoder().encode(text.replaceAll('\n', end));
        const pieces: Uint8Array[] = [];
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          pieces.push(bytes.subarray(at, at + size));
          at += size;
        }
        // A lone "\r" at the very end may have a "\n" to come; what it ends is told when something follows.
        expect(await read(...pieces, ':')).toEqual(wanted);
      },
    ),
  );
});
