import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ScaleStudy } from './images.ts';

/** What the process of the light farm is asked. */
export type FarmRequest =
  | {
      readonly kind: 'listen';
      readonly frontPort: number;
      readonly backends: readonly { readonly name: string; readonly port: number }[];
    }
  /** Empties it; the front holds these studies then, and the backends are down or up. */
  | { readonly kind: 'begin'; readonly studies: readonly ScaleStudy[]; readonly down: boolean }
  | { readonly kind: 'up' }
  /** What the front sends at most; null: as fast as it goes. */
  | { readonly kind: 'pace'; readonly imagesPerSecond: number | null }
  /** The front receives an image of a study. */
  | { readonly kind: 'receive'; readonly study: ScaleStudy; readonly image: number }
  | { readonly kind: 'holdings' };

/** What the farm holds, by number of image. */
export interface Holdings {
  readonly front: readonly number[];
  readonly backends: readonly {
    readonly name: string;
    readonly images: readonly (readonly [image: number, md5: string])[];
  }[];
  readonly notUnderstood: readonly string[];
}

export type FarmAnswer = {
  readonly id: number;
  readonly holdings: Holdings | null;
  readonly failure: string | null;
};

/** One front and many backends in a process of their own, so that they do not take the turns of whoever measures. */
export interface LightFarm extends Disposable {
  readonly pid: number;
  ask(request: FarmRequest): Promise<Holdings | null>;
}

export async function startLightFarm(
  frontPort: number,
  backends: readonly { readonly name: string; readonly port: number }[],
): Promise<LightFarm> {
  const child: ChildProcess = fork(join(import.meta.dirname, 'light-farm-process.ts'), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: [],
  });
  await once(child, 'spawn');
  const waiting = new Map<number, PromiseWithResolvers<Holdings | null>>();
  let asked = 0;
  child.on('message', (answer: FarmAnswer) => {
    const one = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (answer.failure === null) one?.resolve(answer.holdings);
    else one?.reject(new Error(answer.failure));
  });
  child.once('exit', (code) => {
    for (const one of waiting.values()) one.reject(new Error(`the light farm ended with ${code}`));
  });
  const ask = (request: FarmRequest): Promise<Holdings | null> => {
    const id = ++asked;
    const done = Promise.withResolvers<Holdings | null>();
    waiting.set(id, done);
    child.send({ id, request }, (error) => {
      if (error !== null) done.reject(error);
    });
    return done.promise;
  };
  await ask({ kind: 'listen', frontPort, backends });
  return {
    pid: child.pid ?? 0,
    ask,
    [Symbol.dispose]() {
      child.kill('SIGKILL');
    },
  };
}
