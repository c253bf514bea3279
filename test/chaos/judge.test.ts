import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ChaosFarm, startChaosFarm } from '../../bench/chaos/farm.ts';
import { faultsOf, judge, noteSent, type Sent } from '../../bench/chaos/judge.ts';
import { recovered } from '../../bench/chaos/recovery.ts';
import type { RoundPlan } from '../../bench/chaos/schedule.ts';
import { sendRound } from '../../bench/chaos/senders.ts';
import type { OrthancProcess } from '../support/orthanc-process.ts';
import { makeInstance } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';

const study = {
  name: 'few',
  atMs: 0,
  instances: 4,
  bytes: 512,
  modality: 'CT',
  fronts: ['front1', 'front2'],
  late: 0,
  lateAfterMs: 0,
  senders: 1,
  altered: false,
} as const;
const plan: RoundPlan = {
  seed: 1,
  faults: [],
  studies: [study, { ...study, name: 'altered', fronts: ['front1'], altered: true }],
};

let chaos: ChaosFarm;
let sent: readonly Sent[];
let all: ReadonlyMap<string, Sent>;
const verdict = () => judge(chaos, sent, all);

beforeAll(async () => {
  chaos = await startChaosFarm();
  await using dir = await tempDir();
  sent = noteSent(await sendRound(chaos, plan, dir.path, performance.now()));
  all = new Map(sent.map((one) => [one.orthancId, one]));
  const { wholeMs } = await recovered(chaos, 60_000, 1);
  expect(wholeMs).not.toBeNull();
}, 120_000);
afterAll(async () => {
  await chaos?.[Symbol.asyncDispose]();
});

/** One of the study without a conflict, and where it is. */
async function someInstance(
  number: number,
): Promise<{ one: Sent; on: OrthancProcess; other: OrthancProcess }> {
  const one = sent[number];
  if (one === undefined) throw new Error('four were sent');
  const backends = [...chaos.farm.backends.values()];
  for (const on of backends) {
    if (!(await on.fetch(`/instances/${one.orthancId}`)).ok) continue;
    const other = backends.find((backend) => backend !== on);
    if (other !== undefined) return { one, on, other };
  }
  throw new Error('it is on no backend');
}

const fileOf = async (orthanc: OrthancProcess, id: string): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await (await orthanc.fetch(`/instances/${id}/file`)).arrayBuffer());
const store = async (orthanc: OrthancProcess, body: Uint8Array<ArrayBuffer>): Promise<void> => {
  expect((await orthanc.fetch('/instances', { method: 'POST', body })).ok).toBe(true);
};
const remove = async (orthanc: OrthancProcess, id: string): Promise<void> => {
  expect((await orthanc.fetch(`/instances/${id}`, { method: 'DELETE' })).ok).toBe(true);
};

test('says nothing where nothing is wrong, a conflict that waits for a person included', async () => {
  expect(sent.filter((one) => one.altered !== null)).toHaveLength(1);
  const found = await verdict();
  expect(found).toMatchObject({ sent: 8, acknowledged: 8 });
  expect(faultsOf(found), JSON.stringify(found)).toBe(0);
});

test('sees what is missing, and what came back under another content', async () => {
  const { one, on } = await someInstance(0);
  const file = await fileOf(on, one.orthancId);
  await remove(on, one.orthancId);
  expect((await verdict()).missing).toHaveLength(1);
  const changed = new Uint8Array(file);
  changed[changed.length - 1] = (file.at(-1) ?? 0) ^ 1;
  await store(on, changed);
  const found = await verdict();
  expect(found.missing).toEqual([]);
  expect(found.wrongContent).toHaveLength(1);
  expect(found.wrongContent[0]).toMatch('not what was sent');
  // No receipt has this content's MD5 either.
  expect(found.withoutReceipt).toHaveLength(1);
  await remove(on, one.orthancId);
  await store(on, file);
  expect(faultsOf(await verdict())).toBe(0);
});

test('sees a study on two backends, and what nobody sent', async () => {
  const { one, on, other } = await someInstance(1);
  await store(other, await fileOf(on, one.orthancId));
  const twice = await verdict();
  expect(twice.onTwoBackends).toHaveLength(1);
  expect(twice.withoutReceipt[0]).toMatch(`is on ${other.name}, and no receipt says so`);
  await remove(other, one.orthancId);
  const stranger = makeInstance();
  await store(other, new Uint8Array(stranger.file));
  expect((await verdict()).wrongContent).toEqual([`${stranger.orthancId} on ${other.name}: nobody sent it`]);
  await remove(other, stranger.orthancId);
  expect(faultsOf(await verdict())).toBe(0);
});

test('sees the content that was sent first, or later, gone from a conflict', async () => {
  const one = sent.find(({ altered }) => altered !== null);
  if (one === undefined) throw new Error('one was sent with two contents');
  const holders: OrthancProcess[] = [];
  for (const orthanc of [...chaos.farm.backends.values(), ...chaos.farm.fronts])
    if ((await orthanc.fetch(`/instances/${one.orthancId}`)).ok) holders.push(orthanc);
  expect(holders).toHaveLength(2);
  const [backend] = holders;
  if (backend === undefined) throw new Error('nobody holds it');
  const file = await fileOf(backend, one.orthancId);
  await remove(backend, one.orthancId);
  expect((await verdict()).missing).toEqual([`${one.orthancId} of ${one.studyUid}: the content sent first`]);
  await store(backend, file);
  expect(faultsOf(await verdict())).toBe(0);
});

test('sees what was removed without a receipt', async () => {
  await chaos.farm.service.kill('SIGSTOP');
  const { one } = await someInstance(2);
  const ledger = new Database(join(chaos.farm.home, 'ledger.sqlite'));
  ledger
    .prepare('DELETE FROM receipts WHERE instance IN (SELECT id FROM instances WHERE orthanc_id = ?)')
    .run(one.orthancId);
  ledger.close();
  const found = await verdict();
  expect(found.withoutReceipt.some((sentence) => sentence.includes('without a receipt'))).toBe(true);
});
