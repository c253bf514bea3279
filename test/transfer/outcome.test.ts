import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OrthancError, type OrthancErrorCode } from '../../src/orthanc/orthanc.ts';
import { failureCodes } from '../../src/study.ts';
import { backendFailure, frontFailure, judge, nextTry } from '../../src/transfer/outcome.ts';

describe('the verdict on an instance', () => {
  test('is proof only where both ends hold the same content, and the backend on its disk', () => {
    const md5 = fc.option(fc.constantFrom('a', 'b', 'c'));
    const state = fc.option(fc.constantFrom('intact', 'damaged', 'absent'));
    fc.assert(
      fc.property(md5, md5, state, (front, backend, file) => {
        const proven = judge({ front, backend, file }).kind === 'proven';
        return proven === (front !== null && front === backend && file === 'intact');
      }),
    );
  });

  test('tells what is gone from the front from what has not arrived', () => {
    expect(judge({ front: null, backend: 'a', file: null }).kind).toBe('absent');
    expect(judge({ front: 'a', backend: null, file: null }).kind).toBe('missing');
    expect(judge({ front: 'a', backend: 'a', file: 'absent' }).kind).toBe('missing');
    expect(judge({ front: 'a', backend: 'a', file: 'damaged' }).kind).toBe('damaged');
    expect(judge({ front: 'a', backend: 'b', file: null })).toEqual({
      kind: 'conflict',
      front: 'a',
      backend: 'b',
    });
  });
});

describe('the next try', () => {
  test('lies between now and a growing limit of at most a minute', () => {
    fc.assert(
      fc.property(fc.nat(10_000), fc.double({ min: 0, max: 1, noNaN: true }), (attempts, random) => {
        const wait = nextTry(attempts, 5000, () => random) - 5000;
        return wait >= 0 && wait <= Math.min(60_000, 1000 * 2 ** Math.min(attempts, 6));
      }),
    );
    expect(nextTry(0, 0, () => 1)).toBe(1000);
    expect(nextTry(3, 0, () => 0.5)).toBe(4000);
    expect(nextTry(50, 0, () => 1)).toBe(60_000);
  });
});

describe('every failure of an Orthanc', () => {
  const codes: OrthancErrorCode[] = [
    'unreachable',
    'timeout',
    'unauthorized',
    'not-found',
    'rejected',
    'server-error',
    'nonsense',
  ];
  test.each(codes)('%s has a code that retry knows, and none is permanent', (code) => {
    const error = new OrthancError('orthanc1', code, 'for a test');
    expect(failureCodes[frontFailure(error)]).not.toBe('permanent');
    expect(failureCodes[backendFailure(error)]).not.toBe('permanent');
  });
});
