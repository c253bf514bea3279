import { expect, test } from 'vitest';
import { countingArrivals, createFlow, withoutAet } from '../../src/backends/flow.ts';
import { manualTime } from './rig.ts';

const image = { front: 'front', remoteAet: 'CT1', modality: 'CT', station: 'S', bytes: 1000 };

test('a rate is the average of the last ten whole seconds', () => {
  const time = manualTime();
  const flow = createFlow(time.clock);
  for (let second = 0; second < 4; second++) {
    for (let count = 0; count < 5; count++) flow.arrived(image);
    time.advance(1000);
  }
  expect(flow.now().in).toEqual({ instances: 2, bytes: 2000 });
  // The running second is not part of it.
  flow.arrived(image);
  expect(flow.now().in).toEqual({ instances: 2, bytes: 2000 });
  time.advance(1000);
  expect(flow.now().in).toEqual({ instances: 2.1, bytes: 2100 });
  time.advance(6000);
  expect(flow.now().in.instances).toBe(1.6);
  time.advance(60_000);
  expect(flow.now().in).toEqual({ instances: 0, bytes: 0 });
});

test('each edge has its own rate; an edge is kept when nothing flows', () => {
  const time = manualTime();
  const flow = createFlow(time.clock);
  flow.arrived(image);
  flow.arrived({ ...image, front: 'front2' });
  flow.arrived({ ...image, remoteAet: null, modality: null, station: null });
  flow.carried({ front: 'front', backend: 'orthanc1', instances: 30, bytes: 600 });
  flow.carried({ front: 'front', backend: 'orthanc2', instances: 10, bytes: 0 });
  flow.carried({ front: 'front', backend: 'orthanc3', instances: 0, bytes: 0 });
  time.advance(1000);
  const now = flow.now();
  expect(now.out).toEqual({ instances: 4, bytes: 60 });
  expect(now.edges).toEqual([
    { from: 'front', to: 'orthanc1', instances: 3, bytes: 60 },
    { from: 'front', to: 'orthanc2', instances: 1, bytes: 0 },
  ]);
  expect(now.senders.map(({ aet, fronts }) => [aet, fronts.map(({ to }) => to)])).toEqual([
    [withoutAet, ['front']],
    ['CT1', ['front', 'front2']],
  ]);
  time.advance(14 * 60_000);
  expect(flow.now().edges[0]).toEqual({ from: 'front', to: 'orthanc1', instances: 0, bytes: 0 });
  expect(flow.now().senders).toHaveLength(2);
  time.advance(60_000);
  expect(flow.now().senders).toEqual([]);
});

test('of many senders those that sent last are remembered, with what they last said', () => {
  const time = manualTime();
  const flow = createFlow(time.clock);
  for (let index = 0; index < 1000; index++) flow.arrived({ ...image, remoteAet: `AET${index}` });
  flow.arrived({ ...image, remoteAet: 'AET900', modality: 'MR', station: null });
  const { senders } = flow.now();
  expect(senders).toHaveLength(200);
  expect(senders[0]).toMatchObject({ aet: 'AET900', modality: 'MR', station: 'S' });
  expect(senders[1]?.aet).toBe('AET999');
});

test('what came and went is taken once', () => {
  const flow = createFlow(manualTime().clock);
  flow.arrived(image);
  flow.carried({ front: 'front', backend: 'orthanc1', instances: 3, bytes: 50 });
  expect(flow.take()).toEqual({ in: { instances: 1, bytes: 1000 }, out: { instances: 3, bytes: 50 } });
  expect(flow.take()).toEqual({ in: { instances: 0, bytes: 0 }, out: { instances: 0, bytes: 0 } });
});

test('what the ledger did not take has not come', () => {
  const flow = createFlow(manualTime().clock);
  const full = (): never => {
    throw new Error('no space left');
  };
  const counting = countingArrivals({ received: full, receivedMany: full }, flow);
  expect(() => counting.receivedMany([], 0)).toThrow('no space');
  expect(flow.take().in.instances).toBe(0);
});
