import { createAudit } from './audit.ts';
import { createBackends } from './backends.ts';
import { Checkpointer, type CheckpointLimits, defaultCheckpointLimits } from './checkpointer.ts';
import { Connection } from './connection.ts';
import { createDecisions } from './decisions.ts';
import { Durability } from './durability.ts';
import { toLedgerError } from './errors.ts';
import { createEvacuations } from './evacuations.ts';
import { createFailoverPart } from './failover.ts';
import { createFormerCopies } from './former-copies.ts';
import { createHistory } from './history.ts';
import { createIntake } from './intake.ts';
import type { Ledger, LedgerError } from './ledger.ts';
import { migrate } from './migrations.ts';
import { createQuarantine } from './quarantine.ts';
import { createTransfers } from './transfers.ts';
import { createViews } from './views.ts';

export interface LedgerOptions {
  readonly checkpoint?: CheckpointLimits;
  /** A checkpoint failed: nothing is lost, and the log grows until one succeeds. */
  readonly onCheckpointFailure?: (error: unknown) => void;
  /** An fsync failed: `durable()` refuses from now on, and only opening the ledger anew helps. */
  readonly onDurabilityLost?: (error: LedgerError) => void;
}

/**
 * Opens the ledger, making it where there is none and bringing an older one up to date.
 * @param file always a file, in a folder that exists: a ledger in memory could promise nothing
 * @throws LedgerError `newer`, `damaged`, `full`, `busy` or `failed`
 */
export function openLedger(file: string, options: LedgerOptions = {}): Ledger {
  let connection: Connection | undefined;
  try {
    connection = new Connection(file);
    migrate(connection.db);
    return compose(connection, file, options);
  } catch (error) {
    connection?.db.close();
    throw toLedgerError(error);
  }
}

function compose(connection: Connection, file: string, options: LedgerOptions): Ledger {
  const parts = {
    ...createIntake(connection),
    ...createDecisions(connection),
    ...createTransfers(connection),
    ...createBackends(connection),
    ...createFailoverPart(connection),
    ...createFormerCopies(connection),
    ...createEvacuations(connection),
    ...createAudit(connection),
    ...createQuarantine(connection),
    ...createHistory(connection),
    ...createViews(connection),
  };
  const durability = new Durability(file, options.onDurabilityLost ?? (() => undefined));
  const checkpointer = new Checkpointer(
    connection,
    file,
    options.checkpoint ?? defaultCheckpointLimits,
    options.onCheckpointFailure ?? (() => undefined),
  );
  let closing: Promise<void> | undefined;

  async function close(): Promise<void> {
    await checkpointer.close();
    await durability.close();
    try {
      // So that the next start reads one whole file, and a copy of that file is a whole ledger.
      connection.db.pragma('wal_checkpoint(TRUNCATE)');
    } catch (error) {
      throw toLedgerError(error);
    } finally {
      connection.db.close();
    }
  }

  return {
    ...parts,
    durable: () => durability.durable(),
    close() {
      closing ??= close();
      return closing;
    },
  };
}
