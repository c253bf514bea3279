import type { Ledger } from '../ledger/ledger.ts';
import type { Logger } from '../log.ts';
import { type Orthanc, OrthancError } from '../orthanc/orthanc.ts';
import type { Clock, ConflictPolicy, Delivery, DeliveryOutcome } from '../study.ts';
import { nextTry, retry } from './outcome.ts';
import type { RefusalCount } from './refusals.ts';

export interface ConflictDeps {
  readonly ledger: Pick<Ledger, 'addEvent' | 'stillOurs'>;
  readonly fronts: ReadonlyMap<string, Pick<Orthanc, 'md5'>>;
  readonly conflict: ConflictPolicy;
  readonly refusals: Pick<RefusalCount, 'damaged'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

interface WithinTransfer {
  /** Its number. */
  readonly transfer: number;
  readonly signal: AbortSignal;
}

export interface Conflicts {
  /**
   * What becomes of an instance of which the backend holds other content than the front; never without an event on its study.
   * What came through here and was never proven is damage: deleted there, to be sent again. Otherwise as the topology says. `send`:
   * the backend's has been deleted, and the front's is to be sent.
   *
   * `mayReplace` is false where it has been tried in this transfer already, so that two who replace each other's do not
   * go on for ever within one.
   *
   * @throws OrthancError when the backend's cannot be deleted
   */
  resolve(
    backend: Orthanc,
    delivery: Delivery,
    md5: { readonly front: string; readonly backend: string },
    how: WithinTransfer & { readonly mayReplace: boolean; readonly bytes: number | null },
  ): Promise<DeliveryOutcome | 'send'>;

  /**
   * What becomes of an instance that the backend received as the front has it, and whose file on the backend's disk is missing, cut off
   * or other: nobody can read it there, whoever brought it. Deleted, with an event on its study, to be sent again. It
   * counts as the backend's failure, whose disk is most likely full, and never leads to a quarantine.
   *
   * @throws OrthancError when the backend's cannot be deleted
   */
  cutOff(
    backend: Orthanc,
    delivery: Delivery,
    within: WithinTransfer,
  ): Promise<DeliveryOutcome & { readonly kind: 'retry' }>;
}

export function createConflicts(deps: ConflictDeps): Conflicts {
  const { ledger, conflict, refusals, clock, log } = deps;

  /**
   * Whether each other front that holds the instance has this content; one that does not hold it any more may have sent the backend
   * something else before. Null: one does not say.
   */
  async function isSameOn(
    { orthancId, alsoOn }: Delivery,
    md5: string,
    signal: AbortSignal,
  ): Promise<boolean | null> {
    for (const name of alsoOn) {
      try {
        if ((await deps.fronts.get(name)?.md5(orthancId, { signal })) !== md5) return false;
      } catch (error) {
        if (!(error instanceof OrthancError)) throw error;
        return null;
      }
    }
    return true;
  }

  const noting =
    (backend: Orthanc, { studyUid, orthancId }: Delivery, transfer: number) =>
    (kind: string, text: string): void => {
      ledger.addEvent(studyUid, { at: clock(), kind, text: `${orthancId}: ${text}` });
      log.warn(`not the same on both ends: ${kind}`, {
        transfer,
        study: studyUid,
        instance: orthancId,
        backend: backend.name,
      });
    };

  return {
    async cutOff(backend, delivery, { transfer, signal }) {
      const detail = `${backend.name} received it whole, and its file there is missing, cut off or other than received, as on a full disk`;
      noting(backend, delivery, transfer)('damaged-on-disk', `${detail}; deleted there`);
      await backend.delete(delivery.orthancId, { signal });
      return retry('damaged', detail, nextTry(delivery.attempts, clock(), deps.random));
    },

    async resolve(backend, delivery, md5, { mayReplace, bytes, transfer, signal }) {
      const detail = `${backend.name} holds other content (MD5 ${md5.backend}) than the front (MD5 ${md5.front})`;
      const note = noting(backend, delivery, transfer);
      const again = (): DeliveryOutcome =>
        retry('conflict', detail, nextTry(delivery.attempts, clock(), deps.random));
      const same = delivery.ours ? await isSameOn(delivery, md5.front, signal) : false;
      if (same === null) return again();
      // Peers send by REST: what a modality sent straight to the backend meanwhile is nobody's damage.
      const by = same ? await backend.receivedBy(delivery.orthancId, { signal }) : null;
      if (by === 'RestApi') {
        // What was so at the claim may not be any more: then it is asked again, as what it is now.
        if (!ledger.stillOurs(delivery)) return retry('conflict', detail, clock());
        // Whatever the policy is: nobody else's image is there, and a damaged one must not be found by anybody.
        const damage = `arrived at ${backend.name} with other content (MD5 ${md5.backend}) than the front has (MD5 ${md5.front})`;
        note('damaged-in-transit', `${damage}; deleted there`);
        await backend.delete(delivery.orthancId, { signal });
        return refusals.damaged(delivery.instance, backend.name)
          ? { kind: 'quarantine', code: 'conflict', detail: `again and again it ${damage}` }
          : retry('damaged', damage, nextTry(delivery.attempts, clock(), deps.random));
      }
      // The same instance coming over another front may have been found damaged, and deleted, in the meantime.
      if ((await backend.md5(delivery.orthancId, { signal })) !== md5.backend) return again();
      switch (conflict) {
        case 'quarantine':
          note('conflict-quarantined', `${detail}; kept on the front until a person decides`);
          return { kind: 'quarantine', code: 'conflict', detail };
        case 'keep': {
          const files = await backend.verify([delivery.orthancId], { signal });
          const file = files.get(delivery.orthancId);
          if (file === 'absent') return again();
          if (file !== 'intact') {
            // Neither is it anything to keep, nor the front's to delete.
            const broken = `${detail}, and cannot read its own from its disk`;
            note('conflict-quarantined', `${broken}; kept on the front until a person decides`);
            return { kind: 'quarantine', code: 'conflict', detail: broken };
          }
          // Written before the receipt, so that a crash in between can only say it twice.
          note('conflict-kept', `${detail}; the backend's stands`);
          return { kind: 'proven', md5: md5.backend, bytes };
        }
        case 'replace':
          if (!mayReplace) return retry('conflict', detail, clock());
          note('conflict-replaced', `${detail}; the front's replaces it`);
          await backend.delete(delivery.orthancId, { signal });
          return 'send';
      }
    },
  };
}
