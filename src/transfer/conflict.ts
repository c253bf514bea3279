import type { Ledger } from '../ledger/ledger.ts';
import type { Logger } from '../log.ts';
import type { Orthanc } from '../orthanc/orthanc.ts';
import type { Clock, ConflictPolicy, Delivery, DeliveryOutcome } from '../study.ts';
import { retry } from './outcome.ts';

export interface ConflictDeps {
  readonly ledger: Pick<Ledger, 'addEvent'>;
  readonly conflict: ConflictPolicy;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Conflicts {
  /**
   * What becomes of an instance of which the backend holds other content than the front, as the topology says; never
   * without an event on its study. `send`: the backend's has been deleted, and the front's is to be sent.
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
    how: { readonly mayReplace: boolean; readonly bytes: number | null; readonly signal: AbortSignal },
  ): Promise<DeliveryOutcome | 'send'>;
}

export function createConflicts({ ledger, conflict, clock, log }: ConflictDeps): Conflicts {
  return {
    async resolve(backend, delivery, md5, { mayReplace, bytes, signal }) {
      const detail = `${backend.name} holds other content (MD5 ${md5.backend}) than the front (MD5 ${md5.front})`;
      const note = (kind: string, text: string): void => {
        ledger.addEvent(delivery.studyUid, { at: clock(), kind, text: `${delivery.orthancId}: ${text}` });
        log.warn(`conflict: ${kind}`, {
          study: delivery.studyUid,
          instance: delivery.orthancId,
          backend: backend.name,
        });
      };
      switch (conflict) {
        case 'quarantine':
          note('conflict-quarantined', `${detail}; kept on the front until a person decides`);
          return { kind: 'quarantine', code: 'conflict', detail };
        case 'keep':
          // Written before the receipt, so that a crash in between can only say it twice.
          note('conflict-kept', `${detail}; the backend's stands`);
          return { kind: 'proven', md5: md5.backend, bytes };
        case 'replace':
          if (!mayReplace) return retry('conflict', detail, clock());
          note('conflict-replaced', `${detail}; the front's replaces it`);
          await backend.delete(delivery.orthancId, { signal });
          return 'send';
      }
    },
  };
}
