import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IdListReader } from '../../src/orthanc/id-list.ts';

const read = (...pieces: readonly string[]): readonly string[] => {
  const list = new IdListReader();
  for (const piece of pieces) list.read(Buffer.from(piece));
  return list.end();
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
