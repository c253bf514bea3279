import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  type Announcement,
  arrivalOf,
  estimateBytes,
  readAnnouncement,
} from '../../src/intake/announcement.ts';

const plain = {
  front: 'front',
  instance: '6e2c0ec2-5d99c8ca-c1c21cee-79a09605-68391d12',
  study: '1.2.3',
  series: '1.2.3.4',
  sop: '1.2.3.4.5',
};

function read(content: unknown): Announcement {
  const announcement = readAnnouncement(content);
  if ('front' in announcement) return announcement;
  throw new Error(announcement.join('; '));
}

/** Declared, field by field, what `readAnnouncement` has written out. */
const trimmed = z.string().transform((text) => text.replace(/[\s\0]+$/u, '').trimStart());
const uid = trimmed.pipe(z.string().min(1).max(128));
const text = trimmed
  .pipe(z.string().max(1024))
  .transform((value) => (value === '' ? null : value))
  .nullish()
  .transform((value) => value ?? null);
const digits = z
  .string()
  .regex(/^\d{1,16}(\.0+)?$/)
  .transform(Number);
const figure = z.union([z.number(), digits]).pipe(z.int().nonnegative()).nullable().catch(null);
const declared = z.object({
  front: z.string().min(1).max(64),
  instance: z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{8}){4}$/),
  study: uid,
  series: uid,
  sop: uid,
  modality: text,
  station: text,
  remoteAet: text,
  calledAet: text,
  remoteIp: text,
  transferSyntax: text,
  rows: text,
  columns: text,
  bitsAllocated: text,
  samplesPerPixel: text,
  frames: text,
  freeBytes: figure,
  freeAt: figure,
});

describe('an announcement', () => {
  test('needs no more than identifiers', () => {
    const arrival = arrivalOf(read(plain));
    expect(arrival).toMatchObject({
      front: 'front',
      studyUid: '1.2.3',
      modality: null,
      station: null,
      bytesExact: false,
    });
    expect(arrival.bytes).toBeGreaterThan(0);
  });

  test('has the padding of DICOM strings taken off', () => {
    const parsed = read({ ...plain, study: '1.2.3\0', station: 'CT 1  ', modality: ' ' });
    expect(parsed.study).toBe('1.2.3');
    expect(parsed.station).toBe('CT 1');
    expect(parsed.modality).toBeNull();
  });

  test.each([
    ['no study', { study: '' }],
    ['a study of blanks only', { study: ' \0' }],
    ['an instance id that is none', { instance: '../../etc/passwd' }],
    ['a front without a name', { front: '' }],
    ['a number where text belongs', { study: 123 }],
    ['a text that is none', { station: {} }],
    ['a text without end', { station: 'x'.repeat(1025) }],
  ])('is refused with %s', (_what, change) => {
    const [field] = Object.keys(change);
    expect(() => read({ ...plain, ...change })).toThrow(new RegExp(`^${field}: `));
  });

  test('has all that is wrong with it said at once', () => {
    expect(readAnnouncement({ ...plain, front: 1, sop: '', rows: 512 })).toEqual([
      'front: it is to be a name of 1 to 64 characters',
      'sop: it is to be a UID of 1 to 128 characters',
      'rows: it is to be text of at most 1024 characters',
    ]);
  });

  test.each([null, undefined, 'text', 1, [plain], []])('is not %j', (content) => {
    expect(() => read(content)).toThrow('it is no object');
  });

  test('is understood as it is declared, whatever is sent', () => {
    const padding = fc.constantFrom('', ' ', '\0', ' \0 ', '\t');
    const value = fc.oneof(
      fc.string(),
      fc.tuple(padding, fc.string({ maxLength: 8 }), padding).map((parts) => parts.join('')),
      fc.stringMatching(/^\d{1,17}(\.0{0,2})?$/),
      fc.constantFrom(
        plain.instance,
        '1.2.3',
        'x'.repeat(64),
        'x'.repeat(65),
        'x'.repeat(128),
        'x'.repeat(1025),
        null,
        undefined,
        true,
        0,
        -1,
        0.5,
        2 ** 53,
        Number.NaN,
        [],
        {},
      ),
      fc.nat(),
    );
    const keys = Object.keys(declared.shape);
    const changes = fc.dictionary(fc.constantFrom(...keys, 'invented'), value, { maxKeys: 4 });
    fc.assert(
      fc.property(changes, (change) => {
        const content = { ...plain, ...change };
        const is = readAnnouncement(content);
        const expected = declared.safeParse(content);
        if (expected.success) expect(is).toEqual(expected.data);
        else
          expect(is).toEqual(
            [...new Set(expected.error.issues.map(({ path }) => String(path[0])))].map(
              (key) => expect.stringMatching(new RegExp(`^${key}: `)) as string,
            ),
          );
      }),
      { numRuns: 2000 },
    );
  });

  test('of keys the service does not know is still understood', () => {
    expect(read({ ...plain, invented: { later: true } })).not.toHaveProperty('invented');
  });
});

const estimate = (tags: Record<string, string>): number =>
  estimateBytes(read({ ...plain, transferSyntax: '1.2.840.10008.1.2.1', ...tags }));

describe('the estimate of bytes', () => {
  test('is rows × columns × bytes × samples × frames and a header', () => {
    const pixels = 512 * 512 * 2;
    expect(estimate({ rows: '512', columns: '512', bitsAllocated: '16' }) - pixels).toBe(2048);
    expect(
      estimate({ rows: '100', columns: '50', bitsAllocated: '8', samplesPerPixel: '3', frames: '10' }),
    ).toBe(2048 + 100 * 50 * 3 * 10);
  });

  test('is smaller for compressed images', () => {
    const tags = { rows: '512', columns: '512', bitsAllocated: '16' };
    expect(estimate({ ...tags, transferSyntax: '1.2.840.10008.1.2.4.70' })).toBeLessThan(estimate(tags) / 2);
  });

  test('is a finite positive number whatever the tags say', () => {
    const tag = fc.oneof(fc.string(), fc.integer().map(String), fc.double().map(String));
    fc.assert(
      fc.property(
        fc.record({ rows: tag, columns: tag, bitsAllocated: tag, samplesPerPixel: tag, frames: tag }),
        (tags) => {
          const bytes = estimate(tags);
          return Number.isSafeInteger(bytes) && bytes > 0;
        },
      ),
    );
  });
});
