import { describe, expect, test } from 'vitest';
import { arrival, backendConfig, rig } from './rig.ts';

const two = [backendConfig('a', { weight: 2, lanes: 3 }), backendConfig('b')];

/** A decision that places, with nothing to say. */
const placed = (studyUid: string, backend: string, at: number) => ({
  studyUid,
  copy: 0,
  at,
  policy: 'test',
  kind: 'placed' as const,
  backend,
  reason: '',
  considered: [],
});

describe('the pool', () => {
  test('knows nothing of health at first: nothing is placed, nothing sent', async () => {
    await using r = await rig(two);
    expect(r.pool.names()).toEqual(['a', 'b']);
    expect(r.pool.candidates()).toMatchObject([
      {
        backend: 'a',
        weight: 2,
        lanes: 3,
        health: 'unknown',
        healthReason: 'not heard from yet',
        lastPlacement: 0,
      },
      { backend: 'b', weight: 1, lanes: 2, health: 'unknown' },
    ]);
    expect(r.pool.sendable('a', r.time.clock())).toEqual({
      ok: false,
      reason: 'waits until a answers: not heard from yet',
      until: null,
    });
  });

  test('loads and placements are the ledger’s, exactly', async () => {
    await using r = await rig(two);
    const now = r.time.clock();
    for (const uid of ['1.1', '1.1', '1.2', '1.3']) r.ledger.received(arrival(uid), now);
    r.ledger.decide(placed('1.1', 'b', now));
    r.ledger.decide(placed('1.2', 'a', now));
    const [a, b] = r.pool.candidates();
    expect(a).toMatchObject({ studiesInFlight: 1, instancesInFlight: 1, bytesInFlight: 1_000 });
    expect(b).toMatchObject({ studiesInFlight: 1, instancesInFlight: 2, bytesInFlight: 2_000 });
    expect(a?.lastPlacement).toBeGreaterThan(b?.lastPlacement ?? 0);
    r.ledger.received(arrival('1.2'), now);
    expect(r.pool.candidates()[0]).toMatchObject({ instancesInFlight: 2 });
    expect(r.pool.status('b')).toMatchObject({
      studiesInFlight: 1,
      instancesInFlight: 2,
      bytesInFlight: 2_000,
    });
  });

  test('what an operator says is durable, and the weight goes back to the topology’s', async () => {
    await using r = await rig(two);
    r.pool.setOperator('a', { state: 'drain' }, r.time.clock());
    expect(r.pool.setOperator('a', { weight: 0.5 }, r.time.clock())).toMatchObject({
      operator: 'drain',
      weight: 0.5,
    });
    const again = r.restartedPool();
    expect(again.status('a')).toMatchObject({ operator: 'drain', weight: 0.5 });
    expect(again.status('b')).toMatchObject({ operator: 'ready', weight: 1 });
    expect(again.setOperator('a', { state: 'ready', weight: null }, r.time.clock())).toMatchObject({
      weight: 2,
    });
    expect(r.restartedPool().status('a')).toMatchObject({ operator: 'ready', weight: 2 });
  });

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY])(
    'refuses the weight %d and changes nothing',
    async (weight) => {
      await using r = await rig(two);
      expect(() => r.pool.setOperator('a', { state: 'maint', weight }, 0)).toThrow(RangeError);
      expect(r.pool.status('a')).toMatchObject({ operator: 'ready', weight: 2 });
    },
  );

  test('drain still sends, maint and down do not, and each says why', async () => {
    await using r = await rig(two);
    r.allUp();
    const now = r.time.clock();
    expect(r.pool.sendable('a', now)).toEqual({ ok: true });
    r.pool.setOperator('a', { state: 'drain' }, now);
    expect(r.pool.sendable('a', now)).toEqual({ ok: true });
    r.pool.setOperator('a', { state: 'maint' }, now);
    expect(r.pool.sendable('a', now)).toEqual({ ok: false, reason: 'a is in maint', until: null });
    const silent = { up: false, reason: 'connection refused', latencyMs: null };
    r.pool.observed('b', { at: now + 1, ...silent });
    expect(r.pool.sendable('b', now)).toEqual({ ok: true });
    r.pool.observed('b', { at: now + 2, ...silent });
    expect(r.pool.sendable('b', now)).toEqual({
      ok: false,
      reason:
        'waits until b answers: no usable answer at http://b:8042 since 2026-03-01 12:00:00Z (connection refused)',
      until: null,
    });
  });

  test('names of an earlier topology are never sendable and have no lanes; changing them is an error', async () => {
    await using r = await rig(two);
    expect(r.pool.sendable('gone', 0)).toMatchObject({ ok: false, until: null });
    expect(r.pool.freeLanes('gone')).toBe(0);
    expect(r.pool.health('gone')).toBeNull();
    expect(r.pool.breaker('gone')).toBe('closed');
    expect(r.pool.status('gone')).toBeNull();
    expect(() => r.pool.setOperator('gone', { state: 'ready' }, 0)).toThrow(RangeError);
  });

  test('what was tried before may hold half of the lanes, at least one', async () => {
    const lanes = [1, 2, 3, 8].map((count) => backendConfig(`of${count}`, { lanes: count }));
    await using r = await rig(lanes);
    expect(lanes.map(({ name }) => r.pool.lanesForRetries(name))).toEqual([1, 1, 1, 4]);
  });

  test('lanes are counted, and freeing more than was taken makes no new ones', async () => {
    await using r = await rig(two);
    r.pool.laneTaken('b');
    r.pool.laneTaken('b');
    expect(r.pool.freeLanes('b')).toBe(0);
    expect(r.pool.candidates()[1]).toMatchObject({ busyLanes: 2 });
    for (let times = 0; times < 4; times++) r.pool.laneFreed('b');
    expect(r.pool.freeLanes('b')).toBe(2);
  });

  test('a failed transfer holds the backend back until its time, growing until one succeeds', async () => {
    await using r = await rig(two, () => 1);
    r.allUp();
    const heard: string[] = [];
    r.pool.onChange((name) => heard.push(name));
    const until = r.pool.transferFailed('a', 'send-failed', 'HTTP 500', r.time.clock());
    expect(until - r.time.clock()).toBe(1_000);
    expect(r.pool.sendable('a', r.time.clock())).toEqual({
      ok: false,
      reason: 'pause after a failure (send-failed: HTTP 500)',
      until,
    });
    expect(r.pool.status('a')).toMatchObject({ retryAt: until, lastFailure: 'send-failed: HTTP 500' });
    r.time.advance(999);
    expect(heard).toEqual([]);
    r.time.advance(1);
    expect(heard).toEqual(['a']);
    expect(r.pool.sendable('a', r.time.clock())).toEqual({ ok: true });
    expect(r.pool.status('a')).toMatchObject({ retryAt: null, lastFailure: 'send-failed: HTTP 500' });

    expect(r.pool.transferFailed('a', 'send-failed', '', r.time.clock()) - r.time.clock()).toBe(2_000);
    r.pool.transferSucceeded('a', r.time.clock());
    expect(r.pool.sendable('a', r.time.clock())).toEqual({ ok: true });
    expect(r.pool.status('a')).toMatchObject({ lastFailure: null });
    // The second failure in a row opened its breaker, the success closed it.
    expect(heard).toEqual(['a', 'a', 'a']);
    r.time.advance(20_000);
    expect(r.time.waiting).toBe(0);
    expect(r.pool.transferFailed('a', 'send-failed', '', r.time.clock()) - r.time.clock()).toBe(1_000);
  });

  test('two failures in a row open the breaker: out since the first, tried by one transfer, slow at first', async () => {
    await using r = await rig(two, () => 1);
    r.allUp();
    const first = r.time.clock();
    r.pool.transferFailed('a', 'send-failed', 'HTTP 500', first);
    expect(r.pool.outSince('a')).toBeNull();
    expect(r.pool.status('a')).toMatchObject({ breaker: 'closed', outSince: null });
    r.time.advance(1_000);
    r.pool.transferFailed('a', 'send-failed', 'HTTP 500', r.time.clock());
    expect(r.pool.outSince('a')).toMatchObject({ since: first });
    expect(r.pool.status('a')).toMatchObject({ breaker: 'open', outSince: first });
    expect(r.pool.candidates().find(({ backend }) => backend === 'a')?.breakerReason).toContain('HTTP 500');
    r.time.advance(2_000);
    expect(r.pool.status('a')).toMatchObject({ breaker: 'half-open' });
    expect(r.pool.freeLanes('a')).toBe(1);
    r.pool.laneTaken('a');
    expect(r.pool.freeLanes('a')).toBe(0);
    r.pool.laneFreed('a');
    r.pool.transferSucceeded('a', r.time.clock());
    expect(r.pool.outSince('a')).toBeNull();
    expect(r.pool.status('a')).toMatchObject({ breaker: 'closed' });
    expect(r.pool.freeLanes('a')).toBe(1);
    r.time.advance(20_000);
    expect(r.pool.freeLanes('a')).toBe(3);
  });

  test('one stall opens the breaker; a poll that finds the backend back closes it', async () => {
    await using r = await rig(two, () => 1);
    r.allUp();
    const now = r.time.clock();
    r.pool.transferFailed('a', 'stalled', 'nothing moved for 15 s', now);
    expect(r.pool.outSince('a')).toMatchObject({ since: now });
    for (const at of [now + 1, now + 2])
      r.pool.observed('a', { at, up: false, reason: 'x', latencyMs: null });
    expect(r.pool.outSince('a')).toMatchObject({ since: now });
    r.pool.observed('a', { at: now + 3, up: true, reason: null, latencyMs: 1 });
    expect(r.pool.outSince('a')).toBeNull();
  });

  test('maint counts as out since it was said, and so does a name that left the topology', async () => {
    await using r = await rig(two);
    r.allUp();
    r.time.advance(5_000);
    r.pool.setOperator('a', { state: 'maint' }, r.time.clock());
    r.time.advance(5_000);
    r.pool.setOperator('a', { state: 'maint' }, r.time.clock());
    expect(r.pool.outSince('a')).toMatchObject({ since: r.time.clock() - 5_000 });
    r.pool.setOperator('a', { state: 'drain' }, r.time.clock());
    expect(r.pool.outSince('a')).toBeNull();
    expect(r.pool.outSince('gone')).toMatchObject({ since: r.time.clock() - 10_000 });
  });

  test('coming back up ends the back-off of what is over', async () => {
    await using r = await rig(two, () => 1);
    r.allUp();
    const now = r.time.clock();
    for (const at of [now + 1, now + 2]) {
      r.pool.observed('a', { at, up: false, reason: 'x', latencyMs: null });
    }
    r.pool.transferFailed('a', 'backend-unreachable', '', now + 3);
    r.pool.observed('a', { at: now + 4, up: true, reason: null, latencyMs: 1 });
    expect(r.pool.sendable('a', now + 4)).toEqual({ ok: true });
  });

  test('listeners hear of what may let something start, and one that throws harms no other', async () => {
    await using r = await rig(two);
    const heard: string[] = [];
    r.pool.onChange(() => {
      throw new Error('mine');
    });
    const stop = r.pool.onChange((name) => heard.push(name));
    r.allUp();
    r.pool.observed('a', { at: r.time.clock() + 1, up: true, reason: null, latencyMs: 1 });
    expect(heard).toEqual(['a', 'b']);
    r.pool.laneTaken('a');
    r.pool.laneFreed('a');
    r.pool.setOperator('b', { state: 'drain' }, r.time.clock());
    expect(heard).toEqual(['a', 'b', 'a', 'b']);
    stop();
    r.pool.setOperator('b', { state: 'ready' }, r.time.clock());
    expect(heard).toHaveLength(4);
  });

  test('shows what polls have told', async () => {
    await using r = await rig(two);
    const at = r.time.clock();
    const told = { latencyMs: 3, instances: 12, diskBytes: 5_000 };
    r.pool.observed('a', { at, up: true, reason: null, ...told });
    r.pool.observed('a', { at, up: true, reason: null, latencyMs: 3, version: '1.12.7' });
    expect(r.pool.status('a')).toMatchObject({ health: 'up', healthSince: at, version: '1.12.7', ...told });
    expect(r.pool.statuses().map((status) => status.name)).toEqual(['a', 'b']);
    for (const late of [at + 1, at + 2])
      r.pool.observed('a', { at: late, up: false, reason: 'x', latencyMs: null });
    expect(r.pool.status('a')).toMatchObject({ health: 'down', latencyMs: null, instances: 12 });
  });

  test('what cannot be sent now is not in flight to those who decide, and what is bound meanwhile is', async () => {
    await using r = await rig(two);
    const now = r.time.clock();
    for (const uid of ['1.1', '1.1', '1.1', '1.2']) r.ledger.received(arrival(uid), now);
    r.ledger.decide(placed('1.1', 'a', now));
    expect(r.pool.candidates()[0]).toMatchObject({ instancesInFlight: 3, bytesInFlight: 3_000 });
    r.pool.nothingToSend('a');
    expect(r.pool.candidates()[0]).toMatchObject({ instancesInFlight: 0, bytesInFlight: 0 });
    r.ledger.decide(placed('1.2', 'a', now));
    expect(r.pool.candidates()[0]).toMatchObject({ instancesInFlight: 1, bytesInFlight: 1_000 });
    // To people all of it is.
    expect(r.pool.status('a')).toMatchObject({ instancesInFlight: 4 });
    r.pool.laneTaken('a', { transfer: 1, instances: 1, bytes: 1_000, startedAt: now });
    expect(r.pool.candidates()[0]).toMatchObject({ instancesInFlight: 4 });
    r.pool.nothingToSend('a');
    expect(r.pool.candidates()[0]).toMatchObject({ instancesInFlight: 1, bytesInFlight: 1_000 });
  });

  test('follows the topology: what comes is unheard of, what moved too, what stays is as it was', async () => {
    await using r = await rig(two);
    r.allUp();
    r.pool.setOperator('b', { state: 'drain', weight: 3 }, r.time.clock());
    const heard: string[] = [];
    r.pool.onChange((name) => heard.push(name));
    r.pool.configure([backendConfig('c'), ...two]);
    expect(heard).toEqual(['c']);
    expect(r.pool.names()).toEqual(['c', 'a', 'b']);
    expect(r.pool.statuses()).toMatchObject([
      { name: 'c', health: 'unknown', operator: 'ready' },
      { name: 'a', health: 'up' },
      { name: 'b', health: 'up', operator: 'drain', weight: 3 },
    ]);
    r.pool.configure([backendConfig('a', { url: 'http://elsewhere:1' }), backendConfig('b', { lanes: 9 })]);
    expect(r.pool.statuses()).toMatchObject([
      { name: 'a', health: 'unknown', url: 'http://elsewhere:1', weight: 1 },
      { name: 'b', health: 'up', lanes: 9 },
    ]);
    expect(r.pool.candidates()).toHaveLength(2);
    expect(r.pool.publicUrl('c')).toBeNull();
  });

  test('one that left is out since then, and transfers that were under way to it end without harm', async () => {
    await using r = await rig(two);
    r.allUp();
    r.pool.laneTaken('a');
    r.pool.laneTaken('a');
    r.time.advance(60_000);
    const at = r.time.clock();
    r.pool.configure([backendConfig('b')]);
    expect(r.pool.health('a')).toBeNull();
    expect(r.pool.outSince('a')).toEqual({ since: at, reason: 'a is not in the topology any more' });
    expect(r.pool.sendable('a', at)).toMatchObject({ ok: false });
    expect(r.pool.freeLanes('a')).toBe(0);
    r.pool.observed('a', { at, up: true, reason: null, latencyMs: 1 });
    r.pool.transferFailed('a', 'backend-unreachable', 'gone', at);
    r.pool.laneFreed('a');
    expect(r.pool.names()).toEqual(['b']);
    expect(() => r.pool.setOperator('a', { state: 'ready' }, at)).toThrow(RangeError);

    // Back before the other one has ended: that holds a lane still, and nothing else is left of what was.
    r.pool.configure(two);
    expect(r.pool.status('a')).toMatchObject({
      busyLanes: 1,
      health: 'unknown',
      lastFailure: null,
      outSince: null,
    });
    r.pool.laneFreed('a');
    expect(r.pool.status('a')).toMatchObject({ busyLanes: 0 });
    r.pool.close();
    expect(r.time.waiting).toBe(0);
  });
});
