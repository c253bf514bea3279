import { setImmediate } from 'node:timers/promises';

/** So long a piece of work may hold the event loop before hooks have their turn, milliseconds. */
const sliceMs = 2;

/**
 * For work in many small pieces: to be awaited after each. Gives the event loop back where that was not done for a while, so that hooks are
 * answered in time however much there is to do. By the machine's own time, since it is its processor that is taken.
 */
export function breather(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < sliceMs) return;
    await setImmediate();
    since = performance.now();
  };
}
