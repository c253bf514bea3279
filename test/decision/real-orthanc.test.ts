import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPoller } from '../../src/backends/poller.ts';
import { createPool } from '../../src/backends/pool-live.ts';
import { createDispatcher } from '../../src/decision/dispatcher.ts';
import { leastInFlight } from '../../src/decision/policies/least-in-flight.ts';
import { openLedger } from '../../src/ledger/open.ts';
import { silentLogger } from '../../src/log.ts';
import { createOrthanc } from '../../src/orthanc/client.ts';
import { arrival, backendConfig } from '../backends/rig.ts';
import { type OrthancProcess, startOrthanc } from '../support/orthanc-process.ts';
import { type FaultProxy, startProxy } from '../support/proxy.ts';
import { makeStudy } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';

/** Shorter than Orthanc keeps an idle connection: a stalled one is then still open when the time is over. */
const lookupTimeoutMs = 400;

describe('decisions about real Orthancs', () => {
  let orthancs: OrthancProcess[] = [];
  let proxies: FaultProxy[] = [];

  beforeAll(async () => {
    orthancs = await Promise.all([startOrthanc({ name: 'orthanc1' }), startOrthanc({ name: 'orthanc2' })]);
    proxies = await Promise.all(orthancs.map((each) => startProxy({ target: each.httpPort })));
  });

  afterAll(async () => {
    await Promise.all(proxies.map((each) => each.close()));
    await Promise.all(orthancs.map((each) => each.stop()));
  });

  /** A ledger, a pool, a poller and a dispatcher before the two Orthancs, each behind its proxy. */
  async function farm() {
    for (const proxy of proxies) await proxy.set({ kind: 'pass' });
    const folder = await tempDir('decision');
    const ledger = openLedger(`${folder.path}/ledger.sqlite`);
    const configs = proxies.map((proxy, index) => backendConfig(`orthanc${index + 1}`, { url: proxy.url }));
    const clients = new Map(
      configs.map((config, index) => [
        config.name,
        createOrthanc({
          name: config.name,
          url: config.url,
          username: orthancs[index]?.username ?? '',
          password: orthancs[index]?.password ?? '',
          requestTimeoutMs: 10_000,
        }),
      ]),
    );
    const log = silentLogger();
    const pool = createPool({ backends: configs, ledger, downAfter: 2, clock: Date.now, log });
    const poller = createPoller({ orthancs: clients, pool, ledger, sampleMs: 250, clock: Date.now, log });
    const placed = new Map<string, string>();
    const dispatcher = createDispatcher({
      ledger,
      pool,
      backends: clients,
      policy: () => leastInFlight,
      lookupTimeoutMs,
      clock: Date.now,
      log,
      onPlaced: (studyUid, backend) => placed.set(studyUid, backend),
    });
    return {
      ledger,
      pool,
      poller,
      placed,
      dispatcher,
      announce(studyUid: string) {
        ledger.received(arrival(studyUid), Date.now());
        dispatcher.studyWaits(studyUid);
      },
      async [Symbol.asyncDispose]() {
        await dispatcher.stop();
        await poller.stop();
        pool.close();
        for (const client of clients.values()) client.close();
        await ledger.close();
        await folder.remove();
      },
    };
  }

  test('a study that orthanc2 holds already follows it, and the others are spread', async () => {
    await using f = await farm();
    const study = makeStudy({ instances: 3, seed: 'follow' });
    for (const instance of study.instances) {
      const answer = await orthancs[1]?.fetch('/instances', {
        method: 'POST',
        body: new Uint8Array(instance.file),
      });
      expect(answer?.status).toBe(200);
    }
    await f.poller.pollAll();
    f.dispatcher.start();
    f.announce(study.studyUid);
    await until(() => f.placed.has(study.studyUid), { what: 'the placement' });
    expect(f.placed.get(study.studyUid)).toBe('orthanc2');
    expect(f.ledger.decisions(study.studyUid)[0]).toMatchObject({
      kind: 'followed',
      // Under load the other one may be late, and then that is said as well.
      reason: expect.stringContaining('holds 3 instances of this study already'),
    });
    for (const uid of ['1.2.901', '1.2.902', '1.2.903', '1.2.904']) f.announce(uid);
    await until(() => f.placed.size === 5, { what: 'four more placements' });
    const loads = f.pool.statuses().map((status) => status.studiesInFlight);
    expect(loads.toSorted((a, b) => a - b)).toEqual([2, 3]);
  });

  test('a study that both hold follows the larger part, and the other is named; nothing is deleted', async () => {
    await using f = await farm();
    const study = makeStudy({ instances: 3, seed: 'on-both' });
    const upload = async (index: number, files: readonly { file: Buffer }[]): Promise<void> => {
      for (const { file } of files) {
        const answer = await orthancs[index]?.fetch('/instances', {
          method: 'POST',
          body: new Uint8Array(file),
        });
        expect(answer?.status).toBe(200);
      }
    };
    await upload(0, study.instances.slice(0, 1));
    await upload(1, study.instances.slice(1));
    await f.poller.pollAll();
    f.dispatcher.start();
    f.announce(study.studyUid);
    await until(() => f.placed.has(study.studyUid), { what: 'the placement' });
    expect(f.placed.get(study.studyUid)).toBe('orthanc2');
    expect(f.ledger.decisions(study.studyUid)[0]?.reason).toContain(
      'a part is also on orthanc1 (1 instance)',
    );
    expect(f.ledger.events(study.studyUid)).toContainEqual(
      expect.objectContaining({
        kind: 'on-several-backends',
        text: expect.stringContaining('orthanc1 (1 instance)'),
      }),
    );
    expect(f.ledger.formerCopies({ studyUid: study.studyUid })).toEqual([]);
  });

  test('one that hangs delays a placement by the lookup time and no more', async () => {
    await using f = await farm();
    await f.poller.pollAll();
    await proxies[1]?.set({ kind: 'stall' });
    f.dispatcher.start();
    const began = performance.now();
    f.announce('1.2.910');
    await until(() => f.placed.has('1.2.910'), { what: 'the placement' });
    // With room for a busy machine; the client's own limit is 10 s.
    expect(performance.now() - began).toBeLessThan(lookupTimeoutMs + 1_500);
    expect(f.ledger.decisions('1.2.910')[0]?.reason).toContain('orthanc2 (did not answer in time)');
  });

  test('all down: it waits with the reason; one comes up: it is placed there', async () => {
    await using f = await farm();
    for (const proxy of proxies) await proxy.set({ kind: 'refuse' });
    f.poller.start();
    await until(() => f.pool.statuses().every((status) => status.health === 'down'), { what: 'both down' });
    f.dispatcher.start();
    f.announce('1.2.920');
    const reason = `no usable answer at ${proxies[0]?.url} since `;
    await until(() => f.ledger.study('1.2.920')?.waiting?.includes(reason), { what: 'the reason' });
    expect(f.ledger.study('1.2.920')?.waiting).toContain('(connection refused)');
    expect(f.placed.size).toBe(0);
    await proxies[1]?.set({ kind: 'pass' });
    await until(() => f.placed.has('1.2.920'), { what: 'the placement' });
    expect(f.placed.get('1.2.920')).toBe('orthanc2');
    await until(() => f.pool.status('orthanc2')?.version !== null, { what: 'its version' });
    const history = f.ledger.history({ from: 0, to: Date.now() + 1, resolution: 'raw', limit: 1000 });
    expect(history.some((point) => point.orthanc === 'orthanc1' && point.up === 0)).toBe(true);
    expect(
      history.some((point) => point.orthanc === 'orthanc2' && point.up === 1 && point.instances !== null),
    ).toBe(true);
  });
});
