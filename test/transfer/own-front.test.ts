import { expect, test } from 'vitest';
import { silentLogger } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import { createOrthanc } from '../../src/orthanc/client.ts';
import { createPeerBook } from '../../src/orthanc/peer-book.ts';
import { createCarry } from '../../src/transfer/carry.ts';
import { createFrontRest } from '../../src/transfer/front-rest.ts';
import { createPeers } from '../../src/transfer/peers.ts';
import { arrival, backendConfig, rig } from '../backends/rig.ts';
import { startOrthanc } from '../support/orthanc-process.ts';
import { makeInstance } from '../support/synthetic.ts';

/** A study that is new is followed to wherever it is found: to the front itself, if that is a backend too. */
test('a front that is a backend under another address proves nothing to itself', async () => {
  await using front = await startOrthanc({ name: 'front' });
  const alias = backendConfig('orthanc1', { url: front.url.replace('127.0.0.1', 'localhost') });
  await using bench = await rig([alias]);
  const { ledger, pool, time } = bench;
  bench.allUp();
  const image = makeInstance({ seed: 'own-front' });
  const { studyUid, orthancId } = image;
  await front.fetch('/instances', { method: 'POST', body: new Uint8Array(image.file) });
  ledger.received(arrival(studyUid, { orthancId }), time.clock());
  ledger.decide({
    studyUid,
    copy: 0,
    at: time.clock(),
    policy: 'lookup',
    kind: 'followed',
    backend: 'orthanc1',
    reason: 'it is there already',
    considered: [],
  });
  const transfer = ledger.claim('orthanc1', { instances: 50, bytes: 64_000_000 }, time.clock());
  if (transfer === null) throw new Error('there was something to claim');
  expect(transfer.deliveries.map((delivery) => delivery.askFirst)).toEqual([true]);
  const access = { username: 'orthanc', password: 'orthanc', requestTimeoutMs: 5000 };
  const clients = [
    createOrthanc({ ...access, name: 'front', url: front.url }),
    createOrthanc({ ...access, name: 'orthanc1', url: alias.url }),
  ] as const;
  const books = [
    createPeerBook({ ...access, name: 'front', url: front.url }),
    createPeerBook({ ...access, name: 'orthanc1', url: alias.url }),
  ] as const;
  const peers = createPeers({
    fronts: new Map([['front', books[0]]]),
    backends: [alias],
    timeoutSeconds: 77,
    peersOf: () => books[1].all(),
    log: silentLogger(),
  });
  const carry = createCarry({
    ledger,
    pool,
    frontRest: createFrontRest(),
    fronts: new Map([['front', clients[0]]]),
    backends: new Map([['orthanc1', clients[1]]]),
    peers,
    conflict: 'quarantine',
    transferTimeout: { baseMs: 5000, bytesPerSecond: 1_000_000 },
    stallMs: 5000,
    requestTimeoutMs: 5000,
    clock: time.clock,
    random: () => 0.5,
    log: silentLogger(),
    metrics: createMetrics(),
    onBackendTrouble: () => undefined,
  });
  await carry(transfer, new AbortController().signal);
  expect(ledger.receipts(studyUid)).toEqual([]);
  expect(ledger.study(studyUid)).toMatchObject({
    state: 'assigned',
    waiting: expect.stringContaining('one of the fronts'),
  });
  await peers.stop();
  for (const one of [...clients, ...books]) one.close();
});
