import type { Ledger, QuarantinedInstance } from '../ledger/ledger.ts';
import type { Logger } from '../log.ts';
import { type Orthanc, OrthancError } from '../orthanc/orthanc.ts';
import type { Clock } from '../study.ts';
import { type QuarantineDesk, QuarantineError } from './failover.ts';
import type { Peers } from './peers.ts';

export interface QuarantineDeps {
  readonly ledger: Ledger;
  readonly fronts: ReadonlyMap<string, Orthanc>;
  readonly backends: ReadonlyMap<string, Orthanc>;
  /** Whether a front's peer leads to the backend it is named after, and that is no front; without it that is taken for granted. */
  readonly peers?: Pick<Peers, 'misled'>;
  readonly transferTimeout: { readonly baseMs: number; readonly bytesPerSecond: number };
  readonly clock: Clock;
  readonly log: Logger;
  /** Something of the study is to be sent again. */
  readonly onRequeued: (studyUid: string) => void;
}

/**
 * What people decide about instances in quarantine. Each decision is in the audit trail with what it changes or before, and on disk before
 * anything is deleted; and only one is carried out for an instance at a time: a retry during a release could have the front let go of what was just queued.
 */
export function createQuarantineDesk(deps: QuarantineDeps): QuarantineDesk & {
  /** Back into the queue, without a person having said so. False: something is being done about it, or it is in quarantine no more. */
  again(instance: Pick<QuarantinedInstance, 'orthancId' | 'studyUid'>): boolean;
} {
  const { ledger, clock, log } = deps;
  /** Instances that something is being done about, with their studies. */
  const underWay = new Map<string, string>();

  function quarantined(front: string, orthancId: string): QuarantinedInstance {
    const found = ledger.quarantinedInstance(front, orthancId);
    if (found === null) throw notThere(front, orthancId);
    return found;
  }

  async function alone<T>(
    front: string,
    orthancId: string,
    studyUid: string,
    run: () => Promise<T>,
  ): Promise<T> {
    const key = `${front} ${orthancId}`;
    if (underWay.has(key)) throw busy(orthancId);
    underWay.set(key, studyUid);
    try {
      return await run();
    } finally {
      underWay.delete(key);
    }
  }

  /** Has the front delete it, which the ledger has a reason for, and takes note. */
  async function letGo(front: string, orthancId: string): Promise<void> {
    await ledger.durable();
    // It may have gone back into the queue some other way meanwhile; then the reason does not hold any more.
    quarantined(front, orthancId);
    try {
      await frontOf(front).bulkDelete([orthancId]);
    } catch (error) {
      if (!(error instanceof OrthancError)) throw error;
      throw new QuarantineError(
        'front-failed',
        `${front} did not delete it: ${error.message}. Asking again goes on from here.`,
      );
    }
    ledger.letGo(front, orthancId, clock());
  }

  function frontOf(name: string): Orthanc {
    const front = deps.fronts.get(name);
    if (front === undefined)
      throw new QuarantineError('front-failed', `${name} is not in the topology any more.`);
    return front;
  }

  /** Makes sure that the backend has what the front has. Returns the MD5. */
  async function deliver(held: QuarantinedInstance, backend: Orthanc, replace: boolean): Promise<string> {
    const { orthancId, bytes } = held;
    const front = frontOf(held.front);
    const own = await front.md5(orthancId).catch((error: unknown) => {
      if (!(error instanceof OrthancError)) throw error;
      throw new QuarantineError('front-failed', `${held.front} does not say what it has: ${error.message}.`);
    });
    if (own === null) throw new QuarantineError('front-failed', `${held.front} does not hold it any more.`);
    try {
      // Before it is asked what it has: the front itself, under a backend's name, would say yes to all of it.
      const misled = (await deps.peers?.misled(held.front, backend.name)) ?? null;
      if (misled !== null) throw new QuarantineError('not-delivered', `Not delivered: ${misled}.`);
      const there = await backend.md5(orthancId);
      const whole = there !== null && (await isWhole(backend, orthancId));
      if (there === own && whole) return own;
      // The same, and cut off on the backend's disk: nobody is asked whether that may be replaced.
      if (there !== null && there !== own && !replace) {
        throw new QuarantineError(
          'conflict-there',
          `${backend.name} holds other content (MD5 ${there}) under this identifier.`,
        );
      }
      if (there !== null) await backend.delete(orthancId);
      const { baseMs, bytesPerSecond } = deps.transferTimeout;
      await front.storeToPeer(backend.name, [orthancId], {
        timeoutMs: baseMs + (bytes / bytesPerSecond) * 1000,
      });
      const arrived = await backend.md5(orthancId);
      if (arrived === own && (await isWhole(backend, orthancId))) return own;
      const what =
        arrived === null
          ? 'does not hold it'
          : arrived === own
            ? 'kept only a part of its file'
            : `holds other content (MD5 ${arrived})`;
      throw new QuarantineError('not-delivered', `${backend.name} ${what} after it was sent.`);
    } catch (error) {
      if (!(error instanceof OrthancError)) throw error;
      throw new QuarantineError(
        'not-delivered',
        `Not delivered to ${backend.name}: ${error.details ?? error.message}.`,
      );
    }
  }

  function isUnderWay(studyUid: string, orthancId: string | null): boolean {
    return [...underWay].some(
      ([key, study]) => study === studyUid && (orthancId === null || key.endsWith(` ${orthancId}`)),
    );
  }

  return {
    again({ orthancId, studyUid }) {
      if (isUnderWay(studyUid, orthancId)) return false;
      if (ledger.requeue(studyUid, orthancId, clock()) === 0) return false;
      deps.onRequeued(studyUid);
      return true;
    },

    retry({ studyUid, orthancId, who }) {
      if (isUnderWay(studyUid, orthancId)) throw busy(orthancId ?? `an instance of ${studyUid}`);
      const now = clock();
      const requeued = ledger.requeue(studyUid, orthancId, now, (count) => ({
        at: now,
        who,
        action: 'quarantine-retry',
        target: studyUid,
        detail: `${count} instances${orthancId === null ? '' : `: ${orthancId}`}`,
      }));
      if (requeued === 0) {
        const what = orthancId === null ? 'Nothing' : `No instance ${orthancId}`;
        throw new QuarantineError('not-in-quarantine', `${what} of study ${studyUid} is in quarantine.`);
      }
      log.info('quarantine: tried again', { study: studyUid, instances: requeued });
      deps.onRequeued(studyUid);
      return requeued;
    },

    async release({ front, orthancId, backend: name, replace, who }) {
      const held = quarantined(front, orthancId);
      const backend = deps.backends.get(name);
      if (backend === undefined) {
        throw new QuarantineError('unknown-backend', `There is no backend ${name} in the topology.`);
      }
      return await alone(front, orthancId, held.studyUid, async () => {
        const how = replace ? ', replacing what is there' : '';
        ledger.audit({
          at: clock(),
          who,
          action: 'quarantine-release',
          target: orthancId,
          detail: `from ${front} to ${name}${how}`,
        });
        await ledger.durable();
        const md5 = await deliver(held, backend, replace);
        quarantined(front, orthancId);
        ledger.released(front, orthancId, { backend: name, md5 }, clock());
        await letGo(front, orthancId);
        log.info('quarantine: released', { study: held.studyUid, instance: orthancId, backend: name });
        return { md5 };
      });
    },

    async discard({ front, orthancId, who }) {
      const held = ledger.quarantinedInstance(front, orthancId);
      // Not on the front before it is known that it is there to be asked.
      if (held !== null) frontOf(front);
      await alone(front, orthancId, held?.studyUid ?? '', async () => {
        const now = clock();
        const detail =
          held === null
            ? `vanished from ${front}`
            : `${held.sopUid} of study ${held.studyUid} on ${front}: ${held.bytes} bytes, ${held.code}`;
        const entry = { at: now, who, action: 'quarantine-discard', target: orthancId, detail };
        const isNew = ledger.discarded(front, orthancId, entry);
        if (held === null) {
          // One that vanished is there no more; anything else was not given up.
          if (!ledger.letGo(front, orthancId, now)) throw notThere(front, orthancId);
          return;
        }
        // Given up before, and the front did not delete it: who asks for that now stands there too.
        if (!isNew) ledger.audit(entry);
        await letGo(front, orthancId);
        log.info('quarantine: discarded', { study: held.studyUid, instance: orthancId });
      });
    },
  };
}

/** Whether the backend's file is on its disk as it was received. */
async function isWhole(backend: Orthanc, orthancId: string): Promise<boolean> {
  return (await backend.verify([orthancId])).get(orthancId) === 'intact';
}

function notThere(front: string, orthancId: string): QuarantineError {
  return new QuarantineError('not-in-quarantine', `No instance ${orthancId} of ${front} is in quarantine.`);
}

function busy(what: string): QuarantineError {
  return new QuarantineError(
    'not-delivered',
    `Something is being done about ${what} just now; ask again in a moment.`,
  );
}
