import { existsSync, renameSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { EpochMs } from '../study.ts';
import { syncFolder } from '../sync-folder.ts';
import { type Ledger, LedgerError } from './ledger.ts';
import { type LedgerOptions, openLedger } from './open.ts';
import { glanceAt } from './recovery-inspect.ts';
import { forgetMark, type Mark, markDamaged, readMark } from './recovery-mark.ts';
import { restoredNotice } from './recovery-restored.ts';
import { salvage } from './recovery-salvage.ts';

export interface Recovered {
  readonly ledger: Ledger;
  /** One or two sentences for logs and people when it is not the ledger of the time before; else null. */
  readonly notice: string | null;
}

/**
 * Opens the ledger of a service. One that is damaged is moved aside, never deleted, and a new one is begun: it is filled from
 * what stands on the fronts, and where studies are is asked of the backends, which is the truth anyway.
 *
 * @param usedBefore a service has run on this file: that it is missing is worth a word
 * @throws LedgerError `newer`, `full`, `busy` or `failed`; never `damaged`, unless the new one is damaged as well
 */
export function openOrBeginAnew(
  file: string,
  options: LedgerOptions & { readonly usedBefore: boolean; readonly now: EpochMs },
): Recovered {
  const known = readMark(file, options.now);
  if (known !== null) return beginAnew(file, known, options);
  try {
    const glance = glanceAt(file);
    const isThere = glance.file === 'ledger';
    const ledger = openLedger(file, options);
    if (glance.restored) {
      // Its entry in the audit trail was made with what was done to it.
      const valid = ledger.tokens().filter((token) => token.revokedAt === null);
      return { ledger, notice: restoredNotice(valid.map(({ name }) => name)) };
    }
    const notice =
      isThere || !options.usedBefore
        ? null
        : `The ledger ${basename(file)} was gone; a new one is filled from the fronts and backends.`;
    if (notice !== null) keepNotice(ledger, file, notice, options.now);
    return { ledger, notice };
  } catch (error) {
    if (!(error instanceof LedgerError) || error.code !== 'damaged') throw error;
    return beginAnew(file, markDamaged(file, error.message, options.now), options);
  }
}

/**
 * Every step can be repeated, and the mark goes last: dying anywhere in between, the next start goes on from there. The
 * database file is moved after its log, so that its new name says that all is moved.
 */
function beginAnew(file: string, mark: Mark, options: LedgerOptions & { readonly now: EpochMs }): Recovered {
  const aside = join(dirname(file), mark.aside);
  if (!existsSync(aside)) {
    for (const suffix of ['-wal', '-shm', '']) {
      if (existsSync(file + suffix) && !existsSync(aside + suffix)) renameSync(file + suffix, aside + suffix);
    }
    syncFolder(dirname(file));
  }
  const ledger = openLedger(file, options);
  try {
    const { settings, formerCopies, tokens } = salvage(aside, ledger, options.now);
    const saved =
      settings + formerCopies + tokens === 0
        ? ''
        : ` Taken over from the damaged one: settings of ${settings} backends, ${formerCopies} former copies of studies, ${tokens} tokens.`;
    const notice = `${mark.why}; it was moved to ${mark.aside}, and a new one is filled from the fronts and backends.${saved}`;
    keepNotice(ledger, file, notice, options.now);
    forgetMark(file);
    return { ledger, notice };
  } catch (error) {
    void ledger.close();
    throw error;
  }
}

function keepNotice(ledger: Ledger, file: string, notice: string, now: EpochMs): void {
  ledger.audit({ at: now, who: 'service', action: 'ledger-begun-anew', target: file, detail: notice });
}
