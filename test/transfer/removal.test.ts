import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLogger } from '../../src/log.ts';
import { type Service, startService } from '../../src/service.ts';
import { expectDelivered } from '../e2e/expect.ts';
import { sendAllDicom } from '../support/dicom-sender.ts';
import { countInstances, type Farm, frontsEmpty, startFarm } from '../support/farm.ts';
import { type Fault, type FaultProxy, type Only, startProxy } from '../support/proxy.ts';
import { makeStudy, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';

const removals: Only = ({ path }) => path === '/tools/bulk-delete';

let farm: Farm;
let service: Service;
let proxy: FaultProxy;

beforeAll(async () => {
  farm = await startFarm({ settle: '100 ms', startService: false, routing: { reconcile: '* * * * * *' } });
  proxy = await startProxy({ target: farm.front.httpPort });
  service = await startService({
    topology: {
      ...farm.topology,
      fronts: farm.topology.fronts.map((front) => ({ ...front, url: proxy.url })),
    },
    home: farm.home,
    adminToken: farm.service.token,
    hookToken: 'hook-token-of-this-test-farm',
    version: 'test',
    log: silentLogger(),
    onDurabilityLost: (error) => {
      throw error;
    },
  });
});
afterAll(async () => {
  await service?.stop(0);
  await farm?.stop();
  await proxy?.close();
});

const cases: [string, Fault][] = [
  ['refuses to remove', { kind: 'respond', status: 500, only: removals }],
  ['says it removed, and did not', { kind: 'respond', status: 200, body: '{}', only: removals }],
  ['removed, and says it did not', { kind: 'respond', status: 500, deliver: true, only: removals }],
  ['breaks off when asked to remove', { kind: 'cut', afterBytes: 0, only: removals }],
];

test.each(cases)(
  'a front that %s: nothing is lost or sent twice, and it is empty in the end',
  async (what, fault) => {
    await using dir = await tempDir();
    const study = makeStudy({ seed: what, instances: 12 });
    const now = () => service.ledger.study(study.studyUid);
    await proxy.set(fault);
    const asked = () => proxy.requests.filter((request) => request === 'POST /tools/bulk-delete').length;
    const before = asked();
    try {
      await sendAllDicom(await writeInstances(study.instances, dir.path), { port: farm.front.dicomPort });
      await until(() => asked() > before, { what: 'the front to be asked' });
      if (fault.kind === 'respond' && fault.deliver !== true)
        expect(await countInstances(farm.front)).toBe(12);
    } finally {
      await proxy.set({ kind: 'pass' });
    }
    await frontsEmpty(farm);
    await until(() => now()?.state === 'removed', { what: 'the study to be removed' });
    expect(now()?.instances).toMatchObject({
      received: 12,
      verified: 12,
      removed: 12,
      vanished: 0,
      quarantined: 0,
    });
    await expectDelivered(farm, study.instances);
  },
);
