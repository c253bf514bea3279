import { createServer } from 'node:http';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { timelineAnswer } from '../../src/admin/observe-schemas.ts';
import { problemAnswer, studiesAnswer } from '../../src/admin/schemas.ts';
import { createOrthanc } from '../../src/orthanc/client.ts';
import type { Orthanc } from '../../src/orthanc/orthanc.ts';
import { arrival } from '../backends/rig.ts';
import { concludeAll, placing, proven, wide } from '../ledger/driving.ts';
import { type AdminRig, adminRig, rigTopology } from './rig.ts';

const uidsOf = async (rig: AdminRig, query: string): Promise<string[]> => {
  const uids: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const page: { items: { studyInstanceUID: string }[]; next: string | null } = await rig.get(
      `/studies?${query}${cursor === '' ? '' : `&cursor=${cursor}`}`,
      studiesAnswer,
    );
    uids.push(...page.items.map(({ studyInstanceUID }) => studyInstanceUID));
    cursor = page.next;
  }
  return uids;
};

describe('studies', () => {
  test('are found by the beginning of their UID, page by page, also with other filters', async () => {
    const rig = await adminRig();
    for (let index = 0; index < 30; index++) {
      const modality = index % 2 === 0 ? 'CT' : 'MR';
      rig.ledger.received(arrival(`1.2.${index}`, { modality }), rig.time.clock() + index);
    }
    const tens = Array.from({ length: 10 }, (_, index) => `1.2.2${index}`);
    expect(await uidsOf(rig, 'uid=1.2.2&limit=3')).toEqual(['1.2.2', ...tens]);
    expect(await uidsOf(rig, 'uid=1.2.2&limit=2&modality=MR')).toEqual(
      tens.filter((_, index) => index % 2 === 1),
    );
    expect(await uidsOf(rig, 'uid=1.2.29')).toEqual(['1.2.29']);
    expect(await uidsOf(rig, 'uid=1.2.29.1')).toEqual([]);
    // What SQL takes for any sign is one like others here.
    expect(await uidsOf(rig, 'uid=1.2.%25')).toEqual([]);
  });

  test('are found however many others are looked at on the way', async () => {
    const rig = await adminRig();
    const { ledger, time } = rig;
    const many = Array.from({ length: 4500 }, (_, index) =>
      arrival(`1.2.${index}`, { remoteAet: index % 1500 === 0 ? 'RARE' : 'OFTEN' }),
    );
    for (let from = 0; from < many.length; from += 500)
      ledger.receivedMany(many.slice(from, from + 500), time.clock() + from);
    ledger.decide(placing('orthanc2', { studyUid: '1.2.7' }));
    expect((await uidsOf(rig, 'aet=RARE')).toSorted()).toEqual(['1.2.0', '1.2.1500', '1.2.3000']);
    expect(await uidsOf(rig, 'backend=orthanc2')).toEqual(['1.2.7']);
    expect(await uidsOf(rig, 'uid=1.2&backend=orthanc2')).toEqual(['1.2.7']);
    expect(await uidsOf(rig, 'aet=NOBODY')).toEqual([]);
    expect(await uidsOf(rig, 'aet=OFTEN&limit=1000')).toHaveLength(4497);
    expect(new Set(await uidsOf(rig, 'limit=700')).size).toBe(4500);
    // A call of the ledger looks at no more than it is told to.
    const piece = ledger.studies({ aet: 'NOBODY' }, { limit: 10, walk: 1000 });
    expect(piece.items).toEqual([]);
    expect(piece.next).not.toBeNull();
  });
});

describe('accession numbers', () => {
  const asked: unknown[] = [];
  beforeEach(() => {
    asked.length = 0;
  });

  /** A backend that answers a search with these studies, and with more than was asked for; null: it fails. */
  async function answering(name: string, uids: readonly string[] | null): Promise<Orthanc> {
    const server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        asked.push(JSON.parse(Buffer.concat(pieces).toString()));
        const found = (uids ?? []).map((uid, index) => ({
          ID: `id-${index}`,
          Type: 'Study',
          Series: [],
          MainDicomTags: { StudyInstanceUID: uid, AccessionNumber: 'A 1' },
          PatientMainDicomTags: { PatientName: 'SOMEBODY' },
        }));
        response.writeHead(uids === null ? 500 : 200, { 'content-type': 'application/json' });
        response.end(JSON.stringify(uids === null ? { Message: 'no index' } : found));
      });
    });
    await new Promise<void>((done) => {
      server.listen(0, '127.0.0.1', done);
    });
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const access = {
      name,
      url: `http://127.0.0.1:${port}`,
      username: 'u',
      password: 'p',
      requestTimeoutMs: 1000,
    };
    const orthanc = createOrthanc(access);
    onTestFinished(() => {
      orthanc.close();
      server.close();
      server.closeAllConnections();
    });
    return orthanc;
  }

  async function searching(answers: Readonly<Record<string, readonly string[] | null>>): Promise<AdminRig> {
    const backends = await Promise.all(
      Object.entries(answers).map(async ([name, uids]) => [name, await answering(name, uids)] as const),
    );
    return await adminRig(true, () => ({
      topology: { ...rigTopology, service: { ...rigTopology.service, accessionSearch: true } },
      backends: new Map(backends),
    }));
  }

  test('are asked of the backends, and what came through here is shown', async () => {
    const rig = await searching({ orthanc1: ['1.2.3', '9.9'], orthanc2: ['1.2.3', '1.2.4'], orthanc3: null });
    rig.ledger.received(arrival('1.2.3'), rig.time.clock());
    rig.ledger.received(arrival('1.2.4', { modality: 'MR' }), rig.time.clock() + 1);
    const found = await rig.get('/studies?accession=A%201', studiesAnswer);
    expect(found.items.map(({ studyInstanceUID }) => studyInstanceUID)).toEqual(['1.2.4', '1.2.3']);
    expect(found).toMatchObject({ next: null, unanswered: ['orthanc3'] });
    expect(JSON.stringify(found)).not.toMatch('SOMEBODY');
    expect(asked).toHaveLength(3);
    expect(asked[0]).toMatchObject({ Level: 'Study', Query: { AccessionNumber: 'A 1' } });
    const some = await rig.get('/studies?accession=A1&modality=MR&uid=1.2', studiesAnswer);
    expect(some.items.map(({ studyInstanceUID }) => studyInstanceUID)).toEqual(['1.2.4']);
  });

  test('are not asked of a backend that is down, and have no wildcards', async () => {
    const rig = await searching({ orthanc1: [], orthanc2: [], orthanc3: [] });
    for (let times = 0; times < 2; times++)
      rig.pool.observed('orthanc2', { at: rig.time.clock(), up: false, reason: 'refused', latencyMs: null });
    expect(await rig.get('/studies?accession=A1', studiesAnswer)).toMatchObject({ unanswered: ['orthanc2'] });
    expect((await rig.ask('GET', '/studies?accession=A*')).status).toBe(400);
  });

  test('are nobody’s business where the topology does not allow it', async () => {
    const rig = await adminRig();
    const { status, body } = await rig.ask('GET', '/studies?accession=A1');
    expect(status).toBe(403);
    expect(problemAnswer.parse(body).type).toMatch('accession-search-off');
  });
});

describe('the timeline', () => {
  test('tells the life of a study, oldest first', async () => {
    const rig = await adminRig();
    const { ledger, time } = rig;
    const study = '1.2.3';
    const images = Array.from({ length: 6 }, () => arrival(study));
    for (const image of images.slice(0, 5)) {
      ledger.received(image, time.clock());
      time.advance(1000);
    }
    ledger.decide(
      placing('orthanc2', { kind: 'waiting', backend: null, reason: 'nobody is up', at: time.clock() }),
    );
    time.advance(1000);
    ledger.decide(placing('orthanc2', { at: time.clock() }));
    for (let index = 0; index < 2; index++) {
      const transfer = ledger.claim('orthanc2', { ...wide, instances: 3 }, time.clock());
      if (transfer === null) throw new Error('nothing to claim');
      time.advance(2000);
      concludeAll(ledger, transfer, proven, time.clock());
    }
    const [last] = images.slice(5);
    if (last === undefined) throw new Error('no last image');
    time.advance(600_000);
    ledger.received(last, time.clock());
    ledger.addEvent(study, { at: time.clock(), kind: 'late', text: 'an image came late' });
    ledger.audit({ at: time.clock(), who: 'eve', action: 'rebind', target: study, detail: 'to orthanc3' });

    const before = await rig.get(`/studies/${study}/timeline`, timelineAnswer);
    expect(before.items.map(({ kind, title }) => [kind, title])).toEqual([
      ['received', '5 images received on front'],
      ['decision', 'Waits'],
      ['decision', 'Placed on orthanc2'],
      ['transfer', '5 images sent to orthanc2 and proven there in 2 transfers'],
      ['received', '1 image received on front'],
      ['event', 'an image came late'],
      ['operator', 'eve: rebind'],
    ]);
    expect(before.items[0]).toMatchObject({ at: '2026-03-01T12:00:00.000Z', seconds: 4, bytes: 5000 });
    expect(before.items[1]).toMatchObject({ detail: 'least-in-flight: nobody is up', decisionId: 1 });
    expect(before.items[3]).toMatchObject({ seconds: 4, instances: 5, front: 'front', backend: 'orthanc2' });

    time.advance(1000);
    const transfer = ledger.claim('orthanc2', wide, time.clock());
    if (transfer === null) throw new Error('nothing to claim');
    time.advance(1000);
    concludeAll(ledger, transfer, proven, time.clock());
    time.advance(1000);
    for (const part of ledger.beginRemoval(study, time.clock(), time.clock()))
      ledger.removed(part.front, part.orthancIds, time.clock());
    const after = await rig.get(`/studies/${study}/timeline`, timelineAnswer);
    expect(after.items.slice(-3).map(({ kind, title }) => [kind, title])).toEqual([
      ['transfer', '1 image sent to orthanc2 and proven there'],
      ['proven', 'Everything proven on orthanc2'],
      ['removed', '6 images removed from front'],
    ]);
    expect((await rig.ask('GET', '/studies/9.9/timeline')).status).toBe(404);
  });

  test('shows what waits for a person', async () => {
    const rig = await adminRig();
    const { ledger, time } = rig;
    ledger.received(arrival('1.2.3'), time.clock());
    ledger.decide(placing('orthanc1', { at: time.clock() }));
    const transfer = ledger.claim('orthanc1', wide, time.clock());
    if (transfer === null) throw new Error('nothing to claim');
    time.advance(1000);
    concludeAll(
      ledger,
      transfer,
      { kind: 'quarantine', code: 'unreadable', detail: 'cut off' },
      time.clock(),
    );
    const { items } = await rig.get('/studies/1.2.3/timeline', timelineAnswer);
    expect(items.at(-1)).toMatchObject({
      at: '2026-03-01T12:00:01.000Z',
      kind: 'quarantined',
      title: '1 image in quarantine on front',
      detail: 'unreadable: cut off',
    });
  });
});
