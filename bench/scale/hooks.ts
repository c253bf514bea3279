import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { arrivalOf, imagesOf, type ScaleStudy } from './images.ts';
import type { LightFarm } from './light-farm.ts';
import { frontName, hookToken } from './rig.ts';

/** Images that arrive while others are sent: each is on the front first, then announced, one at a time, as the front's Lua does. */
export interface HookStream {
  /** Milliseconds of each answer, as the front waited for it. */
  readonly latenciesMs: readonly number[];
  /** Studies of which something was announced; of the last one perhaps a part. */
  announced(): readonly ScaleStudy[];
  stop(): Promise<void>;
}

/** @param perSecond so many at most; a service that is slower is announced less, since the front waits for it */
export function startHooks(
  farm: LightFarm,
  serviceUrl: string,
  studies: readonly ScaleStudy[],
  perSecond: number,
): HookStream {
  const latenciesMs: number[] = [];
  const said: ScaleStudy[] = [];
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let stopped = false;

  async function run(): Promise<void> {
    const began = performance.now();
    let sent = 0;
    for (const study of studies) {
      said.push({ ...study, instances: 0 });
      for (const image of imagesOf(study)) {
        const dueIn = began + (sent / perSecond) * 1000 - performance.now();
        if (dueIn > 0) await pause(dueIn);
        if (stopped) return;
        await farm.ask({ kind: 'receive', study, image });
        latenciesMs.push(await announce(agent, serviceUrl, study, image));
        said[said.length - 1] = { ...study, instances: image - study.first + 1 };
        sent += 1;
      }
    }
    if (!stopped) throw new Error('the images of this bench ran out: it took longer than was thought');
  }
  const done = run();
  // Whoever stops it hears of a failure; until then it must not count as unhandled.
  done.catch(() => undefined);
  return {
    latenciesMs,
    announced: () => said.filter(({ instances }) => instances > 0),
    async stop() {
      stopped = true;
      await done;
      agent.destroy();
    },
  };
}

/** @throws when the service does not take it */
function announce(agent: Agent, url: string, study: ScaleStudy, image: number): Promise<number> {
  const { orthancId, studyUid, seriesUid, sopUid, ...rest } = arrivalOf(study, image, frontName);
  const body = JSON.stringify({
    front: frontName,
    instance: orthancId,
    study: studyUid,
    series: seriesUid,
    sop: sopUid,
    modality: rest.modality,
    station: rest.station,
    remoteAet: rest.remoteAet,
    calledAet: rest.calledAet,
    remoteIp: rest.remoteIp,
    transferSyntax: rest.transferSyntax,
  });
  const headers = {
    authorization: `Bearer ${hookToken}`,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  };
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const asked = request(`${url}/hook/stored`, { method: 'POST', agent, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      answer.once('end', () => {
        const took = performance.now() - began;
        if (answer.statusCode === 200 && text.includes(orthancId)) resolve(took);
        else reject(new Error(`the hook was answered ${answer.statusCode} ${text}`));
      });
    });
    asked.once('error', reject);
    asked.end(body);
  });
}
