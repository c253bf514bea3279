import { connect, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import {
  type FarmAnswer,
  farmAnswer,
  type JournalAnswer,
  journalAnswer,
} from '../../src/admin/observe-schemas.ts';
import { pageOf } from '../../src/admin/schemas.ts';
import { prior } from '../../src/backends/model/service.ts';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { arrival, backendConfig } from '../backends/rig.ts';
import { placing } from '../ledger/driving.ts';
import { busyFor } from '../support/busy.ts';
import { until } from '../support/wait.ts';
import { type AdminRig, adminRig, rigTopology } from './rig.ts';
import { listen } from './sse.ts';

const front = { ...backendConfig('front'), associations: 4 };
const topology = { ...rigTopology, fronts: [front] };

function observed(): Promise<AdminRig> {
  return adminRig(true, () => ({
    topology,
    freeBytes: () => 12_345,
    learnt: (backend) =>
      backend === 'orthanc1'
        ? { ...prior, samples: 3, secondsPerInstance: 0.01, secondsPerByte: 1e-8, secondsPerTransfer: 0.5 }
        : prior,
  }));
}

describe('the farm', () => {
  test('says what waits, where, since when, and what flows', async () => {
    const rig = await observed();
    const one = arrival('1.2.3');
    rig.ledger.received(one, rig.time.clock());
    rig.ledger.received(arrival('1.2.4'), rig.time.clock());
    rig.ledger.decide(placing('orthanc1', { at: rig.time.clock() }));
    rig.pool.setOperator('orthanc1', { state: 'maint' }, rig.time.clock());
    rig.flow.arrived(one);
    rig.flow.carried({ front: 'front', backend: 'orthanc2', instances: 20, bytes: 5000 });
    rig.time.advance(4000);

    const farm = await rig.get('/farm', farmAnswer);
    expect(farm).toMatchObject({
      version: '0.0.0',
      notice: null,
      policy: { name: 'least-in-flight', order: 'fifo', shadow: null },
      waiting: {
        instances: 2,
        bytes: 2000,
        oldestAgeSeconds: 4,
        quarantined: 0,
        unplacedStudies: 1,
        settling: 0,
      },
      rates: { inInstances: 0.1, inBytes: 100, outInstances: 2, outBytes: 500 },
      modalities: [
        {
          aet: 'MODALITY',
          station: 'CT1',
          modality: 'CT',
          fronts: [{ front: 'front', instancesPerSecond: 0.1, bytesPerSecond: 100 }],
          lastSeenAt: '2026-03-01T12:00:00.000Z',
        },
      ],
      fronts: [
        {
          name: 'front',
          takesImages: true,
          freeBytes: 12_345,
          edges: [{ backend: 'orthanc2', instancesPerSecond: 2, bytesPerSecond: 500 }],
        },
      ],
    });
    const [first, second, third] = farm.backends;
    expect(first).toMatchObject({
      name: 'orthanc1',
      state: 'maint',
      waiting: { studies: 1, instances: 1, bytes: 1000, oldestAgeSeconds: 4 },
      held: 'orthanc1 is in maint',
      learnt: { instancesPerSecond: 100, bytesPerSecond: 1e8, secondsPerTransfer: 0.5, measured: true },
      rate: { instances: 0, bytes: 0 },
    });
    expect(second).toMatchObject({
      waiting: { studies: 0, instances: 0, bytes: 0, oldestAgeSeconds: null },
      held: null,
      learnt: { instancesPerSecond: null, measured: false },
      rate: { instances: 2, bytes: 500 },
    });
    expect(third?.name).toBe('orthanc3');
  });

  test('says the policy as it is now, and not as the service was started with', async () => {
    const rig = await adminRig(true, () => ({
      topology,
      routing: () => ({ policy: 'fastest', order: 'lpt', shadow: 'round-robin' }),
    }));
    expect((await rig.get('/farm', farmAnswer)).policy).toEqual({
      name: 'fastest',
      order: 'lpt',
      shadow: 'round-robin',
    });
  });

  test('says what a backend that came since the start may fill', async () => {
    const rig = await observed();
    rig.pool.configure([...rigTopology.backends, backendConfig('later', { disk: 5e12 })]);
    const { backends } = await rig.get('/farm', farmAnswer);
    expect(backends.at(-1)).toMatchObject({ name: 'later', diskLimitBytes: 5e12 });
  });
});

describe('the stream', () => {
  test('tells of the farm when it changes, once a second at most', async () => {
    const rig = await observed();
    const listening = await listen(rig);
    const [first] = await listening.got<FarmAnswer>('farm', 1);
    expect(farmAnswer.parse(first).waiting.instances).toBe(0);

    rig.time.advance(5000);
    rig.ledger.received(arrival('1.2.3'), rig.time.clock());
    rig.ledger.received(arrival('1.2.3'), rig.time.clock());
    rig.time.advance(1000);
    const farms = await listening.got<FarmAnswer>('farm', 2);
    expect(farms).toHaveLength(2);
    expect(farms[1]).toMatchObject({ at: '2026-03-01T12:00:06.000Z', waiting: { instances: 2 } });
    // What waits grows older, which is a change.
    rig.time.advance(1000);
    expect((await listening.got<FarmAnswer>('farm', 3))[2]?.waiting.oldestAgeSeconds).toBe(2);
  });

  test('says now and then that it is still there', async () => {
    const rig = await observed();
    const listening = await listen(rig);
    await listening.got('farm', 1);
    rig.time.advance(14_000);
    rig.time.advance(1000);
    await until(() => listening.comments === 1, { what: 'a heartbeat' });
    expect(listening.events).toHaveLength(1);
  });

  test('twenty who listen share one look at the farm, and nobody is looked for when nobody listens', async () => {
    let looks = 0;
    const rig = await adminRig(true, () => ({
      topology,
      frontHealth: () => {
        looks++;
        return new Map();
      },
    }));
    const before = rig.time.waiting;
    const all = await Promise.all(Array.from({ length: 20 }, () => listen(rig)));
    await Promise.all(all.map((one) => one.got('farm', 1)));
    expect(looks).toBe(1);
    rig.ledger.received(arrival('1.2.3'), rig.time.clock());
    rig.time.advance(1000);
    await Promise.all(all.map((one) => one.got('farm', 2)));
    expect(looks).toBe(2);
    expect(rig.time.waiting).toBe(before + 1);
    for (const one of all) one.close();
    await until(() => rig.time.waiting === before, { what: 'the end of looking' });
  });

  test('tells the journal as it happens, and goes on where a listener was cut off', async () => {
    const rig = await observed();
    const { ledger, time } = rig;
    ledger.received(arrival('1.2.3'), time.clock());
    ledger.decide(placing('orthanc2', { at: time.clock() }));
    ledger.addEvent('1.2.3', { at: time.clock(), kind: 'note', text: 'before anybody listened' });

    const first = await listen(rig);
    await first.got('farm', 1);
    ledger.addEvent('1.2.3', { at: time.clock(), kind: 'note', text: 'one' });
    await rig.ask('PATCH', '/backends/orthanc1', { state: 'drain' });
    time.advance(1000);
    const told = await first.got<JournalAnswer>('journal', 2);
    expect(told.map((entry) => journalAnswer.parse(entry))).toEqual([
      {
        id: 'e2',
        at: '2026-03-01T12:00:00.000Z',
        kind: 'note',
        studyInstanceUID: '1.2.3',
        backend: 'orthanc2',
        who: null,
        text: 'one',
      },
      {
        id: 'a1',
        at: '2026-03-01T12:00:00.000Z',
        kind: 'backend-set',
        studyInstanceUID: null,
        backend: 'orthanc1',
        who: 'admin',
        text: 'orthanc1: state drain',
      },
    ]);
    const { lastId } = first;
    first.close();
    ledger.addEvent('1.2.3', { at: time.clock(), kind: 'note', text: 'two' });
    ledger.addEvent('1.2.3', { at: time.clock(), kind: 'note', text: 'three' });

    const again = await listen(rig, lastId ?? '');
    const missed = await again.got<JournalAnswer>('journal', 2);
    expect(missed.map(({ text }) => text)).toEqual(['two', 'three']);
    // Nonsense is as good as none: from now on.
    const strange = await listen(rig, 'yesterday');
    ledger.addEvent('1.2.3', { at: time.clock(), kind: 'note', text: 'four' });
    time.advance(1000);
    expect((await strange.got<JournalAnswer>('journal', 1)).map(({ text }) => text)).toEqual(['four']);
    expect((await again.got<JournalAnswer>('journal', 3)).map(({ text }) => text)).toEqual([
      'two',
      'three',
      'four',
    ]);
  });

  test('who has nothing to go on from is told where to go on from', async () => {
    const rig = await observed();
    rig.ledger.received(arrival('1.2.3'), rig.time.clock());
    rig.ledger.addEvent('1.2.3', { at: 1, kind: 'note', text: 'old' });
    const first = await listen(rig);
    await first.got('farm', 1);
    expect(first.lastId).toBe('1.0');
  });

  test('a listener that does not read costs no memory and holds up nobody, and is let go in the end', async () => {
    // Large enough that the kernel's buffers are full after a while.
    const notice = 'x'.repeat(400_000);
    const rig = await adminRig(true, () => ({ topology, ledgerNotice: notice }));
    const { hostname, port } = new URL(rig.url);
    const socket = connect(Number(port), hostname);
    onTestFinished(() => {
      socket.destroy();
    });
    let closed = false;
    socket.on('close', () => {
      closed = true;
    });
    socket.pause();
    socket.write(
      `GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${rig.headers['authorization']}\r\n\r\n`,
    );
    const quick = await listen(rig);
    await quick.got('farm', 1);
    rig.ledger.received(arrival('1.2.3'), rig.time.clock());
    const before = process.memoryUsage();
    for (let second = 1; second <= 40; second++) {
      rig.time.advance(1000);
      await quick.got('farm', second + 1);
    }
    const after = process.memoryUsage();
    const grown = after.external + after.arrayBuffers - before.external - before.arrayBuffers;
    // Forty messages of 400 kB were made meanwhile.
    expect(grown).toBeLessThan(8_000_000);
    for (let second = 1; second <= 60; second++) rig.time.advance(1000);
    socket.resume();
    await until(() => closed, { what: 'the end of the connection nobody read from' });
    expect(quick.ended).toBe(false);
  }, 30_000);

  test('whoever is gone makes room, however it went and whether or not it was ever read from', async () => {
    const rig = await observed();
    const { hostname, port } = new URL(rig.url);
    const request = `GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${rig.headers['authorization']}\r\n\r\n`;
    const sockets: Socket[] = [];
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
    });
    const isFull = async (): Promise<boolean> => {
      const answer = await fetch(`${rig.url}/api/v1/stream`, { headers: rig.headers });
      await answer.body?.cancel();
      return answer.status === 503;
    };
    // Several questions on one connection: all but the first wait for their turn, which never comes.
    for (let round = 0; round < 60; round++) {
      const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
      socket.on('error', () => undefined).pause();
      socket.write(request.repeat(5));
      sockets.push(socket);
    }
    await until(isFull, { what: 'nobody more to be taken' });
    for (const [index, socket] of sockets.entries()) {
      if (index % 3 === 0) socket.end();
      else if (index % 3 === 1) socket.resetAndDestroy();
      else socket.destroy();
    }
    await until(
      async () => {
        rig.time.advance(1000);
        return !(await isFull());
      },
      { what: 'room for others' },
    );
    const others = await Promise.all(Array.from({ length: 100 }, () => listen(rig)));
    await Promise.all(others.map((one) => one.got('farm', 1)));
  }, 30_000);

  test('ends with the service, and takes nobody more', async () => {
    const rig = await observed();
    const listening = await listen(rig);
    await listening.got('farm', 1);
    rig.ending.abort();
    await until(() => listening.ended, { what: 'the end of the stream' });
    await expect(listen(rig)).rejects.toThrow('answered 503');
  });

  test('whoever listens for very long comes again, and is asked for its right to', async () => {
    const rig = await observed();
    const listening = await listen(rig);
    await listening.got('farm', 1);
    for (let minute = 0; minute < 15; minute++) rig.time.advance(60_000);
    await until(() => listening.ended, { what: 'the end of the stream' });
  });

  test('a journal that cannot be read is passed over, and told when it can', async () => {
    let fails = true;
    const rig = await adminRig(true, ({ ledger }) => ({
      topology,
      ledger: {
        ...ledger,
        journalAfter: (...asked) => {
          if (fails) throw new LedgerError('failed', 'disk I/O error');
          return ledger.journalAfter(...asked);
        },
      },
    }));
    rig.ledger.received(arrival('1.2.3'), rig.time.clock());
    const listening = await listen(rig);
    await listening.got('farm', 1);
    rig.ledger.addEvent('1.2.3', { at: rig.time.clock(), kind: 'note', text: 'one' });
    rig.time.advance(1000);
    fails = false;
    rig.time.advance(1000);
    expect((await listening.got<JournalAnswer>('journal', 1)).map(({ text }) => text)).toEqual(['one']);
  });

  test('many who are behind are told by and by: one look takes no longer than the hook can wait', async () => {
    let reads = 0;
    const rig = await adminRig(true, ({ ledger }) => ({
      topology,
      ledger: {
        ...ledger,
        journalAfter: (...asked) => {
          reads++;
          busyFor(6);
          return ledger.journalAfter(...asked);
        },
      },
    }));
    rig.ledger.received(arrival('1.2.3'), rig.time.clock());
    for (let event = 1; event <= 500; event++)
      rig.ledger.addEvent('1.2.3', { at: event, kind: 'note', text: `${event}` });
    // Each has been told as many as one go has, and is at a place of its own.
    const all = await Promise.all([1, 2, 3].map((position) => listen(rig, `${position}.0`)));
    await Promise.all(all.map((one) => one.got('journal', 200)));
    for (let turn = 1; turn <= 3; turn++) {
      const before = reads;
      rig.time.advance(1000);
      expect(reads).toBe(before + 1);
    }
    // Nobody had a second turn before all had their first.
    await Promise.all(all.map((one) => one.got('journal', 400)));
  });

  test('whoever was further than the ledger, which was restored, goes on from its end', async () => {
    const rig = await observed();
    rig.ledger.received(arrival('1.2.3'), rig.time.clock());
    const listening = await listen(rig, '500.500');
    await listening.got('farm', 1);
    rig.ledger.addEvent('1.2.3', { at: rig.time.clock(), kind: 'note', text: 'one' });
    rig.time.advance(1000);
    expect((await listening.got<JournalAnswer>('journal', 1)).map(({ text }) => text)).toEqual(['one']);
  });

  test('is not for strangers', async () => {
    const rig = await observed();
    expect((await fetch(`${rig.url}/api/v1/stream`)).status).toBe(401);
  });
});

describe('events', () => {
  const page = pageOf(journalAnswer);

  test('of studies and of people come in one list, newest first, page by page', async () => {
    const rig = await observed();
    const { ledger, time } = rig;
    ledger.received(arrival('1.2.3'), time.clock());
    const expected: string[] = [];
    for (let index = 0; index < 450; index++) {
      time.advance(10);
      const text = `number ${index}`;
      if (index % 3 === 0)
        ledger.audit({ at: time.clock(), who: 'admin', action: 'reconcile', target: 'front', detail: text });
      else ledger.addEvent('1.2.3', { at: time.clock(), kind: 'note', text });
      expected.unshift(text);
    }
    const texts: string[] = [];
    let cursor: string | null = null;
    do {
      const more: string = cursor === null ? '' : `&cursor=${cursor}`;
      const { items, next }: z.infer<typeof page> = await rig.get(`/events?limit=70${more}`, page);
      texts.push(...items.map(({ text }) => text.replace('front: ', '')));
      cursor = next;
    } while (cursor !== null);
    expect(texts).toEqual(expected);
  });

  test('may be those of a study, of a backend, of a kind', async () => {
    const rig = await observed();
    const { ledger, time } = rig;
    for (const study of ['1.2.3', '1.2.4']) {
      ledger.received(arrival(study), time.clock());
      ledger.addEvent(study, { at: time.clock(), kind: 'note', text: `of ${study}` });
    }
    ledger.decide(placing('orthanc2', { studyUid: '1.2.4', at: time.clock() }));
    ledger.audit({ at: time.clock(), who: 'eve', action: 'rebind', target: '1.2.3', detail: 'by hand' });
    ledger.audit({ at: time.clock(), who: 'eve', action: 'evacuate', target: 'orthanc2', detail: '' });

    const ids = async (query: string) => (await rig.get(`/events?${query}`, page)).items.map(({ id }) => id);
    expect(await ids('study=1.2.3')).toEqual(['e1', 'a1']);
    expect(await ids('backend=orthanc2')).toEqual(['e2', 'a2']);
    expect(await ids('kind=rebind')).toEqual(['a1']);
    expect(await ids('kind=note&study=1.2.4')).toEqual(['e2']);
    expect(await ids('study=9.9')).toEqual([]);
    expect((await rig.ask('GET', '/events?limit=0&cursor=x')).status).toBe(400);
  });

  test('a filter that leaves out nearly all is answered in pieces', async () => {
    const rig = await observed();
    const { ledger, time } = rig;
    ledger.received(arrival('1.2.3'), time.clock());
    ledger.addEvent('1.2.3', { at: time.clock(), kind: 'rare', text: 'long ago' });
    for (let index = 0; index < 2500; index++)
      ledger.addEvent('1.2.3', { at: time.clock(), kind: 'note', text: String(index) });
    const first = await rig.get('/events?kind=rare', page);
    expect(first.items).toEqual([]);
    const second = await rig.get(`/events?kind=rare&cursor=${first.next}`, page);
    expect(second.items.map(({ text }) => text)).toEqual(['long ago']);
    expect(second.next).toBeNull();
  });
});
