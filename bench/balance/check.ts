import { accountFor, hasSamePixels } from '../../test/support/accounting.ts';
import type { Farm } from '../../test/support/farm.ts';
import { receiptsOf } from '../support/api.ts';
import type { MadeStudy } from './replay.ts';

/** What the ledger says of one study that was checked. */
export interface Proof {
  readonly backend: string;
  /** When its last image was proven, in milliseconds since the epoch. */
  readonly lastAt: number;
  readonly epochs: number;
}

const atATime = 8;

/**
 * Figures of a run in which something is lost are worth nothing: every image must be on one backend, the same for its study, with
 * the pixels that were sent and the MD5 of its receipt. Asked of the backends themselves.
 *
 * @throws Error with the first ten things that are wrong
 */
export async function check(farm: Farm, made: readonly MadeStudy[]): Promise<ReadonlyMap<string, Proof>> {
  const account = await accountFor(
    farm,
    made.flatMap(({ study }) => study.instances),
  );
  const wrong = [...account.wrong];
  const proofs = new Map<string, Proof>();
  const next = made.values();
  const reader = async (): Promise<void> => {
    for (const { study } of next) {
      const backend = account.studyOn.get(study.studyUid);
      if (backend === undefined) continue;
      const receipts = await receiptsOf(farm, study.studyUid);
      const proven = new Set(receipts.map(({ orthancId, md5 }) => `${orthancId} ${md5}`));
      for (const instance of study.instances) {
        if (!proven.has(`${instance.orthancId} ${account.md5s.get(instance.orthancId)}`))
          wrong.push(`${instance.sopUid} has no true receipt`);
        if (!(await hasSamePixels(farm.backend(backend), instance)))
          wrong.push(`${instance.sopUid} has other pixels on ${backend}`);
      }
      proofs.set(study.studyUid, {
        backend,
        lastAt: Math.max(...receipts.map(({ at }) => Date.parse(at))),
        epochs: new Set(receipts.map(({ epoch }) => epoch)).size,
      });
    }
  };
  await Promise.all(Array.from({ length: atATime }, reader));
  if (wrong.length > 0) throw new Error(wrong.slice(0, 10).join('\n'));
  return proofs;
}
