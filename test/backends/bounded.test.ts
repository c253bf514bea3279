import { describe, expect, test } from 'vitest';
import { bounded, Stop, Stopped, TooLate } from '../../src/backends/bounded.ts';

const never = <T>(): Promise<T> => new Promise(() => undefined);

const throwing = (): Promise<number> => {
  throw new Error('at once');
};

describe('bounded', () => {
  test('gives what came in time, and what failed in time', async () => {
    await expect(bounded(10_000, () => Promise.resolve(7))).resolves.toBe(7);
    await expect(bounded(10_000, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await expect(bounded(10_000, throwing)).rejects.toThrow('at once');
  });

  test('gives up on what does not heed its signal', async () => {
    let signal: AbortSignal | null = null;
    const late = bounded(5, (own) => {
      signal = own;
      return never<void>();
    });
    await expect(late).rejects.toThrow(TooLate);
    expect(signal).toHaveProperty('aborted', true);
  });

  test('what heeds the signal is too late all the same, and its own failure harms nobody', async () => {
    const heeding = bounded(
      5,
      (own) =>
        new Promise<void>((_, reject) => own.addEventListener('abort', () => reject(new Error('aborted')))),
    );
    await expect(heeding).rejects.toThrow(TooLate);
  });

  test('ends early when it is told to, and does not begin when that was before', async () => {
    const outer = new Stop();
    const running = bounded(60_000, () => never<void>(), outer);
    outer.stop();
    await expect(running).rejects.toThrow(Stopped);
    let began = false;
    const late = bounded(
      60_000,
      () => {
        began = true;
        return never<void>();
      },
      outer,
    );
    await expect(late).rejects.toThrow(Stopped);
    expect(began).toBe(false);
  });
});
