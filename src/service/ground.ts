import { join } from 'node:path';
import type { Ledger, LedgerError } from '../ledger/ledger.ts';
import { lockLedger } from '../ledger/lock.ts';
import { openOrBeginAnew } from '../ledger/recovery.ts';
import type { Logger } from '../log.ts';
import { createMetrics, type Metrics } from '../metrics.ts';
import type { Clock } from '../study.ts';
import type { Topology } from '../topology/topology.ts';

/** Notes how something that has been started is ended; what was noted is run in reverse. */
export type OnStop = (step: () => void | Promise<void>) => void;

/** What every part of the service stands on. */
export interface Ground {
  /** As it was at the start. */
  readonly topology: Topology;
  /** Folder of the ledger and of the admission signs. */
  readonly home: string;
  readonly ledger: Ledger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly onStop: OnStop;
}

export interface GroundOptions extends Omit<Ground, 'ledger' | 'metrics'> {
  readonly onDurabilityLost: (error: LedgerError) => void;
  readonly onLedgerDamaged?: (error: LedgerError) => void;
}

/**
 * Opens the ledger, which nobody else may have open, and takes back what an earlier service left half done.
 *
 * `file`: where the ledger is; `notice`: that it is not the one of the time before, and why.
 *
 * @throws LedgerError when it cannot be opened or is in use
 */
export function openGround(options: GroundOptions): {
  readonly ground: Ground;
  readonly file: string;
  readonly notice: string | null;
} {
  const { clock, log, onStop, onDurabilityLost, onLedgerDamaged } = options;
  const file = join(options.home, 'ledger.sqlite');
  const lock = lockLedger(file);
  onStop(() => lock.release());
  const metrics = createMetrics();
  const { ledger, notice } = openOrBeginAnew(file, {
    usedBefore: lock.usedBefore,
    now: clock(),
    onCheckpointFailure: (error) => log.error('checkpoint of the ledger failed', { detail: String(error) }),
    onDurabilityLost,
    ...(onLedgerDamaged === undefined ? {} : { onDamaged: onLedgerDamaged }),
    onCommit: (seconds) => metrics.commitSeconds.observe(seconds),
    onSync: (seconds) => metrics.syncSeconds.observe(seconds),
  });
  onStop(() => ledger.close());
  if (notice !== null) log.warn(notice);
  const recovered = ledger.recover(clock());
  if (recovered.interruptedTransfers + recovered.provenAnew > 0) {
    log.info('taking up what was under way', { ...recovered });
  }
  const { topology, home, random } = options;
  return { ground: { topology, home, ledger, metrics, clock, random, log, onStop }, file, notice };
}
