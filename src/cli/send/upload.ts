import { createReadStream } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { systemCode } from '../../user-error.ts';
import { ServiceAway, type ServiceClient } from '../client.ts';
import { ServiceError } from '../service-error.ts';
import { type Header, readHeader } from './header.ts';
import type { FoundFile, LeftOut } from './walk.ts';

export interface Uploaded {
  /** Study → the instances of it that a front took, by Orthanc's identifier: the same image in two files is one. */
  readonly studies: ReadonlyMap<string, ReadonlySet<string>>;
  readonly taken: number;
  /** Taken by a front whose study could not be read here. */
  readonly unknownStudy: number;
  readonly alreadyStored: number;
  readonly refused: readonly LeftOut[];
  /** DICOMDIRs: they list images and are none. */
  readonly skipped: readonly LeftOut[];
}

/** Uploads at a time: enough to hide the answers' way, few enough to leave the front to the modalities. */
const parallel = 4;
const attempts = 5;

/** Sends all files; what becomes of one is nothing to the others. `done` is called after each. */
export async function uploadAll(
  service: ServiceClient,
  files: readonly FoundFile[],
  done: (file: FoundFile) => void,
): Promise<Uploaded> {
  const studies = new Map<string, Set<string>>();
  const refused: LeftOut[] = [];
  const skipped: LeftOut[] = [];
  const count = { taken: 0, unknownStudy: 0, alreadyStored: 0 };
  let away: ServiceAway | null = null;

  async function one(file: FoundFile): Promise<void> {
    // Each further file would cost a connection's time limit to learn the same.
    if (away !== null) throw away;
    if (file.bytes === 0) {
      refused.push({ path: file.path, reason: 'is empty' });
      return;
    }
    const header: Header = await readHeader(file.path);
    if (header.dicomdir) {
      skipped.push({ path: file.path, reason: 'is a DICOMDIR: it lists images and is none' });
      return;
    }
    const { status, orthancId } = await upload(service, file);
    count.taken++;
    if (status === 'AlreadyStored') count.alreadyStored++;
    if (header.studyUid === null) count.unknownStudy++;
    else studies.set(header.studyUid, (studies.get(header.studyUid) ?? new Set()).add(orthancId));
  }

  const next = files.values();
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      for (const file of next) {
        try {
          await one(file);
        } catch (error) {
          if (error instanceof ServiceAway) away = error;
          else if (!(error instanceof ServiceError) && systemCode(error) === null) throw error;
          const reason =
            error instanceof ServiceError || error instanceof ServiceAway
              ? error.message
              : `cannot be read (${systemCode(error)})`;
          refused.push({ path: file.path, reason });
        }
        done(file);
      }
    }),
  );
  return { studies, ...count, refused, skipped };
}

/** A front that is full or starting says when to come again. */
async function upload(service: ServiceClient, file: FoundFile): ReturnType<ServiceClient['upload']> {
  for (let attempt = 1; ; attempt++) {
    const stream = createReadStream(file.path);
    try {
      return await service.upload(stream, file.bytes, null);
    } catch (error) {
      if (!(error instanceof ServiceError) || error.status !== 503 || attempt === attempts) throw error;
      await wait(Math.min(10, error.retryAfterSeconds ?? 1) * 1000);
    } finally {
      stream.destroy();
    }
  }
}
