import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { OrthancProcess } from '../../test/support/orthanc-process.ts';
import type { ChaosFarm } from './farm.ts';
import type { Told } from './senders.ts';

/** What an instance is known by after its file is forgotten. */
export interface Sent {
  readonly orthancId: string;
  readonly studyUid: string;
  readonly acknowledged: boolean;
  /** SHA-256 of the data set: what follows the file header, of which each receiver writes its own. */
  readonly dataset: string;
  /** Of what was acknowledged later under the same identifiers; null: nothing was. */
  readonly altered: string | null;
}

/** Sentences about everything that is not as it must be; all empty is what the project promises. */
export interface Verdict {
  readonly sent: number;
  readonly acknowledged: number;
  readonly missing: readonly string[];
  readonly wrongContent: readonly string[];
  readonly onTwoBackends: readonly string[];
  readonly withoutReceipt: readonly string[];
}

export function noteSent(told: readonly Told[]): Sent[] {
  return told.map(({ instance, acknowledged, altered }) => ({
    orthancId: instance.orthancId,
    studyUid: instance.studyUid,
    acknowledged,
    dataset: datasetHash(instance.file),
    altered: altered === null ? null : datasetHash(altered.file),
  }));
}

/**
 * Compares what the senders were told with what the backends hold and what the ledger has in its hand for it. The backends' own
 * files are read from their disks, not only what they say about them. `all`: everything this farm was ever sent, so that
 * what nobody sent is seen.
 */
export async function judge(
  chaos: ChaosFarm,
  everything: readonly Sent[],
  all: ReadonlyMap<string, Sent>,
): Promise<Verdict> {
  // A person has yet to decide about a study in conflict: until then neither content may be lost, and that is all.
  const inConflict = new Set(everything.filter((sent) => sent.altered !== null).map((sent) => sent.studyUid));
  const round = everything.filter((sent) => !inConflict.has(sent.studyUid));
  const held = new Map<string, Set<string>>();
  for (const [name, backend] of chaos.farm.backends) held.set(name, new Set(await instanceIds(backend)));
  const missing: string[] = [];
  const wrongContent: string[] = [];
  const onTwoBackends: string[] = [];
  const backendsOf = new Map<string, Set<string>>();
  const toRead: { sent: Sent; backend: OrthancProcess }[] = [];

  for (const [name, ids] of held)
    for (const id of ids) if (!all.has(id)) wrongContent.push(`${id} on ${name}: nobody sent it`);
  for (const sent of round) {
    const on = [...chaos.farm.backends].filter(([name]) => held.get(name)?.has(sent.orthancId) === true);
    if (on.length === 0 && sent.acknowledged) missing.push(`${sent.orthancId} of ${sent.studyUid}`);
    for (const [name, backend] of on) {
      const studyOn = backendsOf.get(sent.studyUid) ?? new Set();
      backendsOf.set(sent.studyUid, studyOn.add(name));
      toRead.push({ sent, backend });
    }
  }
  for (const [study, names] of backendsOf)
    if (names.size > 1) onTwoBackends.push(`${study} is on ${[...names].join(' and ')}`);

  const onDisk = new Map<string, ReadonlySet<string>>();
  for (const [name, backend] of chaos.farm.backends)
    onDisk.set(name, await contentsBelow(chaos.storageOf(backend)));
  const md5s = new Map<string, string>();
  const next = toRead.values();
  const reader = async (): Promise<void> => {
    for (const { sent, backend } of next) {
      const { recorded, file } = await readInstance(backend, sent.orthancId);
      const where = `${sent.orthancId} of ${sent.studyUid} on ${backend.name}`;
      md5s.set(`${backend.name} ${sent.orthancId}`, recorded);
      if (file === null) wrongContent.push(`${where}: its file cannot be read`);
      else if (createHash('md5').update(file).digest('hex') !== recorded)
        wrongContent.push(`${where}: its file is not the one it was given`);
      else if (onDisk.get(backend.name)?.has(recorded) !== true)
        wrongContent.push(`${where}: its file on the disk is not the one it gives from memory`);
      else if (datasetHash(file) !== sent.dataset) wrongContent.push(`${where}: not what was sent`);
    }
  };
  await Promise.all(Array.from({ length: 6 }, reader));
  for (const sent of everything) {
    if (inConflict.has(sent.studyUid) && sent.acknowledged) missing.push(...(await lostOf(chaos, sent)));
  }
  return {
    sent: everything.length,
    acknowledged: everything.filter((sent) => sent.acknowledged).length,
    missing,
    wrongContent,
    onTwoBackends,
    withoutReceipt: unproven(chaos, round, held, md5s),
  };
}

/**
 * MD5 of each file of an Orthanc's storage. What it answers itself may come from its memory, where a file that a full disk cut off is
 * still whole.
 */
async function contentsBelow(folder: string): Promise<Set<string>> {
  const md5s = new Set<string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/^[0-9a-f-]{36}$/.test(entry.name)) continue;
    md5s.add(
      createHash('md5')
        .update(await readFile(join(entry.parentPath, entry.name)))
        .digest('hex'),
    );
  }
  return md5s;
}

/** Contents of an instance that are neither on a backend nor on a front. */
async function lostOf(chaos: ChaosFarm, sent: Sent): Promise<string[]> {
  const found = new Set<string>();
  for (const orthanc of [...chaos.farm.backends.values(), ...chaos.farm.fronts]) {
    const { file } = await readInstance(orthanc, sent.orthancId);
    if (file !== null) found.add(datasetHash(file));
  }
  const what = `${sent.orthancId} of ${sent.studyUid}`;
  return [
    ...(found.has(sent.dataset) ? [] : [`${what}: the content sent first`]),
    ...(sent.altered === null || found.has(sent.altered) ? [] : [`${what}: the content sent later`]),
  ];
}

/** How many things are wrong. */
export function faultsOf(verdict: Verdict): number {
  const { missing, wrongContent, onTwoBackends, withoutReceipt } = verdict;
  return missing.length + wrongContent.length + onTwoBackends.length + withoutReceipt.length;
}

interface Proof {
  readonly backend: string;
  readonly md5: string;
}

/**
 * What left a front must have a proof: a receipt, or the healer's own; and for what is where it is, one of those must say so with
 * the very MD5. Read from the ledger's file, since its own answers are among what is judged.
 */
function unproven(
  chaos: ChaosFarm,
  round: readonly Sent[],
  held: ReadonlyMap<string, ReadonlySet<string>>,
  md5s: ReadonlyMap<string, string>,
): string[] {
  const wrong: string[] = [];
  const ledger = new Database(join(chaos.farm.home, 'ledger.sqlite'), { readonly: true });
  try {
    const rows = ledger.prepare<[string], { front: string; state: string }>(
      'SELECT front, state FROM instances WHERE orthanc_id = ?',
    );
    const proofs = ledger.prepare<[string, string], Proof>(
      `SELECT r.backend, r.md5 FROM receipts r JOIN instances i ON i.id = r.instance WHERE i.orthanc_id = ?
       UNION SELECT m.to_backend, m.md5 FROM moves m WHERE m.orthanc_id = ?`,
    );
    for (const { orthancId, studyUid, acknowledged } of round) {
      const proven = proofs.all(orthancId, orthancId);
      const known = rows.all(orthancId);
      if (acknowledged && known.length === 0) wrong.push(`${orthancId} of ${studyUid} is not in the ledger`);
      for (const { front, state } of known) {
        if (state === 'vanished') wrong.push(`${orthancId} of ${studyUid} vanished from ${front}`);
        else if (state === 'removed' && proven.length === 0)
          wrong.push(`${orthancId} of ${studyUid} was removed from ${front} without a receipt`);
      }
      for (const [backend, ids] of held) {
        if (!acknowledged || !ids.has(orthancId)) continue;
        const md5 = md5s.get(`${backend} ${orthancId}`);
        if (!proven.some((proof) => proof.backend === backend && proof.md5 === md5))
          wrong.push(`${orthancId} of ${studyUid} is on ${backend}, and no receipt says so`);
      }
    }
  } finally {
    ledger.close();
  }
  return wrong;
}

async function instanceIds(orthanc: OrthancProcess): Promise<string[]> {
  const answer = await orthanc.fetch('/instances');
  const ids: unknown = await answer.json();
  if (!Array.isArray(ids)) throw new Error(`${orthanc.name} gives no list`);
  return ids.map(String);
}

async function readInstance(
  orthanc: OrthancProcess,
  id: string,
): Promise<{ recorded: string; file: Buffer | null }> {
  const recorded = await (await orthanc.fetch(`/instances/${id}/attachments/dicom/md5`)).text();
  const answer = await orthanc.fetch(`/instances/${id}/file`);
  return { recorded, file: answer.ok ? Buffer.from(await answer.arrayBuffer()) : null };
}

const preambleAndMagic = 132;
const groupLengthElement = 12;

function datasetHash(file: Buffer): string {
  const header =
    file.length < preambleAndMagic + groupLengthElement ? 0 : file.readUInt32LE(preambleAndMagic + 8);
  return createHash('sha256')
    .update(file.subarray(preambleAndMagic + groupLengthElement + header))
    .digest('hex');
}
