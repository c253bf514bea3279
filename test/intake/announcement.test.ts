import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { announcementSchema, arrivalOf, estimateBytes } from '../../src/intake/announcement.ts';

const plain = {
  front: 'front',
  instance: '6e2c0ec2-5d99c8ca-c1c21cee-79a09605-68391d12',
  study: '1.2.3',
  series: '1.2.3.4',
  sop: '1.2.3.4.5',
};

describe('an announcement', () => {
  test('needs no more than identifiers', () => {
    const arrival = arrivalOf(announcementSchema.parse(plain));
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
    const parsed = announcementSchema.parse({ ...plain, study: '1.2.3\0', station: 'CT 1  ', modality: ' ' });
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
  ])('is refused with %s', (_what, change) => {
    expect(announcementSchema.safeParse({ ...plain, ...change }).success).toBe(false);
  });

  test('of keys the service does not know is still understood', () => {
    expect(announcementSchema.safeParse({ ...plain, invented: { later: true } }).success).toBe(true);
  });
});

const estimate = (tags: Record<string, string>): number =>
  estimateBytes(announcementSchema.parse({ ...plain, transferSyntax: '1.2.840.10008.1.2.1', ...tags }));

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
