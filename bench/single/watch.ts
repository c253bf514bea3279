import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OrthancProcess } from '../../test/support/orthanc-process.ts';
import { epochMs } from '../throughput/sender.ts';

/** An image on an idle farm that is not there after so long is lost. */
const givenUpAfterMs = 30_000;

/** Looks for one image at a time on some backends. */
export interface Watch extends Disposable {
  /**
   * Asks all of them for the image, again and again, until one has it. Returns when that answer came, epoch milliseconds: late by up to
   * one interval and the asking itself.
   *
   * @throws Error when none has it after 30 s, or one answers neither 200 nor 404
   */
  seenAt(orthancId: string): Promise<number>;
}

/** A watch that asks every `intervalMs`, over connections that stay open: a new one each time would cost the backends more than the answer. */
export function watchOf(backends: readonly OrthancProcess[], intervalMs: number): Watch {
  // The margin that Node takes off Orthanc's hint of one second would otherwise be all of it.
  const agent = new Agent({ keepAlive: true, agentKeepAliveTimeoutBuffer: 400 });
  const asked = backends.map(({ name, url, username, password }) => ({
    name,
    url,
    auth: `${username}:${password}`,
  }));

  const holds = ({ name, url, auth }: (typeof asked)[number], orthancId: string): Promise<boolean> =>
    new Promise((resolve, reject) => {
      get(`${url}/instances/${orthancId}`, { agent, auth }, (answer) => {
        answer.resume();
        answer.on('error', reject);
        answer.on('end', () => {
          if (answer.statusCode === 200 || answer.statusCode === 404) resolve(answer.statusCode === 200);
          else reject(new Error(`${name} answers ${answer.statusCode} for ${orthancId}`));
        });
      }).on('error', reject);
    });

  return {
    async seenAt(orthancId) {
      const givenUpAt = performance.now() + givenUpAfterMs;
      for (;;) {
        const askedAt = performance.now();
        const answers = await Promise.all(asked.map((backend) => holds(backend, orthancId)));
        if (answers.includes(true)) return epochMs();
        if (performance.now() > givenUpAt) throw new Error(`${orthancId} is on no backend after 30 s`);
        await sleep(Math.max(0, askedAt + intervalMs - performance.now()));
      }
    },
    [Symbol.dispose]: () => agent.destroy(),
  };
}
