import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type HealthState, healthReason, observe, unheard } from '../../src/backends/health.ts';

const url = 'http://b:8042';
const noon = Date.parse('2026-03-01T12:00:00Z');
const hit = (state: HealthState, at: number): HealthState =>
  observe(state, { at, up: true, reason: null }, 2);
const miss = (state: HealthState, at: number, reason = 'connection refused'): HealthState =>
  observe(state, { at, up: false, reason }, 2);

describe('health', () => {
  test('unknown until the first answer or the second silence', () => {
    const start = unheard(noon);
    expect(start.kind).toBe('unknown');
    expect(healthReason(start, url)).toBe('not heard from yet');
    const once = miss(start, noon + 1);
    expect(once.kind).toBe('unknown');
    expect(healthReason(once, url)).toBe('no answer yet at http://b:8042 (connection refused)');
    expect(miss(once, noon + 2).kind).toBe('down');
    expect(hit(once, noon + 2).kind).toBe('up');
  });

  test('up through one silence, down after two in a row, and said since when and why', () => {
    let state = hit(unheard(noon), noon);
    state = miss(state, noon + 5_000);
    expect(state.kind).toBe('up');
    expect(healthReason(state, url)).toBeNull();
    state = miss(hit(state, noon + 10_000), noon + 15_000);
    expect(state.kind).toBe('up');
    state = miss(state, noon + 20_000, 'did not answer in time');
    expect(state).toMatchObject({ kind: 'down', since: noon + 15_000 });
    const text = 'no usable answer at http://b:8042 since 2026-03-01 12:00:15Z (did not answer in time)';
    expect(healthReason(state, url)).toBe(text);
  });

  test('the time it is down since stays while what is wrong changes', () => {
    const down = miss(miss(unheard(noon), noon + 1_000), noon + 2_000);
    const other = miss(down, noon + 60_000, 'refuses the user name or password');
    expect(other).toMatchObject({
      kind: 'down',
      since: noon + 1_000,
      reason: 'refuses the user name or password',
    });
  });

  test('one answer is enough to be up again', () => {
    const down = miss(miss(unheard(noon), noon), noon + 1);
    expect(hit(down, noon + 2)).toMatchObject({ kind: 'up', since: noon + 2 });
  });

  test('what began before the newest knowledge changes nothing', () => {
    const up = hit(unheard(noon), noon + 100);
    expect(miss(up, noon + 99)).toBe(up);
    const down = miss(miss(up, noon + 200), noon + 300);
    expect(hit(down, noon + 250)).toBe(down);
  });

  test('never down without so many silences in a row, never up without an answer', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean()), fc.integer({ min: 1, max: 4 }), (answers, downAfter) => {
        let state = unheard(0);
        for (const [index, up] of answers.entries()) {
          state = observe(state, { at: index, up, reason: up ? null : 'silent' }, downAfter);
          const silentSince = answers
            .slice(0, index + 1)
            .toReversed()
            .indexOf(true);
          const misses = silentSince === -1 ? index + 1 : silentSince;
          const expected = misses >= downAfter ? 'down' : silentSince === -1 ? 'unknown' : 'up';
          expect(state.kind).toBe(expected);
        }
      }),
    );
  });
});
