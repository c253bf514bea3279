import { setTimeout as sleep } from 'node:timers/promises';
import type { Condition, ModelledBackend } from '../../src/simulate/world.ts';
import type { Fault, FaultProxy } from '../../test/support/proxy.ts';

/** Seconds that an Orthanc and the proof need for an image anyway: what a scenario says beyond them its proxy adds. */
const ownSecondsPerImage = 0.007;

/** The model's backend as a proxy before a real one: its line, and for how long each image is kept back. */
export function faultOf(
  { secondsPerInstance, secondsPerByte }: ModelledBackend,
  { speed, answers }: Pick<Condition, 'speed' | 'answers'>,
): Fault {
  if (!answers) return { kind: 'refuse' };
  // What else is asked is answered, as by a backend whose disk hangs.
  if (speed === 0) return { kind: 'stall', only: isImage };
  const delayMs = (1000 * Math.max(0, secondsPerInstance - ownSecondsPerImage)) / speed;
  return {
    kind: 'throttle',
    bytesPerSecond: speed / secondsPerByte,
    ...(delayMs > 0 ? { delayMs, only: isImage } : {}),
  };
}

/** Lets the backend's conditions come over its proxy, counted from now. Ends when they are over, or at the signal; never rejects for that. */
export async function drive(backend: ModelledBackend, proxy: FaultProxy, signal: AbortSignal): Promise<void> {
  const began = performance.now();
  for (const condition of backend.conditions) {
    const wait = began + 1000 * condition.at - performance.now();
    if (wait > 0) await sleep(wait, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    await proxy.set(faultOf(backend, condition));
  }
}

function isImage({ method, path }: { readonly method: string; readonly path: string }): boolean {
  return method === 'POST' && path === '/instances';
}
