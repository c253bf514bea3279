import { statSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import { createAccountsPart } from './accounts.ts';
import { createAudit } from './audit.ts';
import { createBackends } from './backends.ts';
import { keepBefore, keepCopy } from './backup.ts';
import { Checkpointer, type CheckpointLimits, defaultCheckpointLimits } from './checkpointer.ts';
import { Connection, pageBytes } from './connection.ts';
import { createDecisions } from './decisions.ts';
import { createDoubt } from './doubt.ts';
import { Durability } from './durability.ts';
import { toLedgerError } from './errors.ts';
import { createEvacuations } from './evacuations.ts';
import { createFailoverPart } from './failover.ts';
import { createFormerCopies } from './former-copies.ts';
import { createHistory } from './history.ts';
import { createIntake } from './intake.ts';
import { createJournal } from './journal.ts';
import { createLearningPart } from './learning.ts';
import { type Ledger, LedgerError } from './ledger.ts';
import { hasSchemaOf, migrate, migrations, versionOf } from './migrations.ts';
import { createQuarantine } from './quarantine.ts';
import { glanceAt } from './recovery-inspect.ts';
import { markDamaged, stampOf } from './recovery-mark.ts';
import { takeUpRestored } from './recovery-restored.ts';
import { createShadowPart } from './shadow.ts';
import { createTimeline } from './timeline.ts';
import { createTransfers } from './transfers.ts';
import { createViews } from './views.ts';

export interface LedgerOptions {
  readonly checkpoint?: CheckpointLimits;
  /** A checkpoint failed: nothing is lost, and the log grows until one succeeds. */
  readonly onCheckpointFailure?: (error: unknown) => void;
  /**
   * SQLite met damage. The next start moves the ledger aside, if there is one soon: until then calls fail, or answer what a
   * damaged file says.
   */
  readonly onDamaged?: (error: LedgerError) => void;
  /** Default: those of this release. */
  readonly migrations?: readonly string[];
  /** An fsync failed: `durable()` refuses from now on, and only opening the ledger anew helps. */
  readonly onDurabilityLost?: (error: LedgerError) => void;
  /** After each transaction, and after each fsync that somebody waited for: how long it took. Must be quick, and not throw. */
  readonly onCommit?: (seconds: number) => void;
  readonly onSync?: (seconds: number) => void;
}

/**
 * Opens the ledger, making it where there is none and bringing an older one up to date, of which a copy is kept. After an end
 * out of order all of it is looked at for damage, in the background.
 *
 * @param file always a file, in a folder that exists: a ledger in memory could promise nothing
 * @throws LedgerError `newer`, `damaged`, `full`, `busy` or `failed`
 */
export function openLedger(file: string, options: LedgerOptions = {}): Ledger {
  const steps = options.migrations ?? migrations;
  let connection: Connection | undefined;
  try {
    const glance = glanceAt(file);
    if (glance.restored) takeUpRestored(file, stampOf(Date.now()), Date.now());
    connection = new Connection(file);
    const version = versionOf(connection.db);
    if (version > 0 && version < steps.length) {
      connection.db.pragma('wal_checkpoint(TRUNCATE)');
      connection.db.close();
      keepBefore(file, steps.length);
      connection = new Connection(file);
    }
    migrate(connection.db, steps);
    return compose(connection, file, options, glance.unclean);
  } catch (error) {
    const failure = faultOf(error, connection?.db, steps);
    connection?.db.close();
    throw failure;
  }
}

/** A statement that does not fit a schema which is not the one we made is no mistake in the statement. */
function faultOf(error: unknown, db: Database | undefined, steps: readonly string[]): LedgerError {
  const failure = toLedgerError(error);
  if (failure.code !== 'failed' || db?.open !== true) return failure;
  try {
    if (versionOf(db) !== steps.length || hasSchemaOf(db, steps)) return failure;
  } catch (another) {
    return toLedgerError(another);
  }
  const message = `The ledger is damaged: its tables are not those of version ${steps.length}`;
  return new LedgerError('damaged', message, { cause: error });
}

function compose(connection: Connection, file: string, options: LedgerOptions, isSuspect: boolean): Ledger {
  const parts = {
    ...createIntake(connection),
    ...createDecisions(connection),
    ...createTransfers(connection),
    ...createBackends(connection),
    ...createFailoverPart(connection),
    ...createFormerCopies(connection),
    ...createDoubt(connection),
    ...createEvacuations(connection),
    ...createAudit(connection),
    ...createAccountsPart(connection),
    ...createQuarantine(connection),
    ...createHistory(connection),
    ...createLearningPart(connection),
    ...createShadowPart(connection),
    ...createViews(connection),
    ...createJournal(connection),
    ...createTimeline(connection),
  };
  const durability = new Durability(file, options.onDurabilityLost ?? (() => undefined), options.onSync);
  const checkpointer = new Checkpointer(
    connection,
    file,
    options.checkpoint ?? defaultCheckpointLimits,
    (error) => mishap(error),
    options.onCommit,
  );
  let closing: Promise<void> | undefined;
  let lastBackup: Promise<unknown> = Promise.resolve();

  connection.onDamage((error) => options.onDamaged?.(noted(error, file)));
  if (isSuspect) lookForDamage().catch(mishap);

  async function lookForDamage(): Promise<void> {
    const found = await checkpointer.check();
    if (found !== null)
      connection.damaged(new LedgerError('damaged', `The ledger is damaged: ${found.slice(0, 200)}`));
  }

  function mishap(error: unknown): void {
    if (closing !== undefined) return;
    if (error instanceof LedgerError && error.code === 'damaged') connection.damaged(error);
    else options.onCheckpointFailure?.(error);
  }

  function backup(target: string, onProgress: (share: number) => void = () => undefined): Promise<void> {
    const bytes = connection.read(
      () => Number(connection.db.pragma('page_count', { simple: true })) * pageBytes,
    );
    return keepCopy(target, bytes, (partial) => checkpointer.copy(partial, onProgress));
  }

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
    fileBytes: () => ({ database: bytesOf(file), log: bytesOf(`${file}-wal`) }),
    backup(target, onProgress) {
      // One at a time: each reads and writes as fast as the disk goes.
      const run = lastBackup.then(() => backup(target, onProgress));
      lastBackup = run.catch(() => undefined);
      return run;
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
}

function bytesOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** For the next start; where the disk is full it has to find out by itself. */
function noted(error: LedgerError, file: string): LedgerError {
  try {
    markDamaged(file, error.message, Date.now());
    return error;
  } catch (cause) {
    return new LedgerError('damaged', `${error.message}; this could not be noted for the next start`, {
      cause,
    });
  }
}
