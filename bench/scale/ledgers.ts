import { constants, copyFileSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { openLedger } from '../../src/ledger/open.ts';
import { place, receive, writeStudies } from './history.ts';
import { writeLoad } from './history-load.ts';
import { type ScaleStudy, studiesOf } from './images.ts';

export interface LedgerPlan {
  readonly front: string;
  readonly backends: readonly string[];
  /** Rows of history; 0: none. */
  readonly rows: number;
  /** What stands on the front, the oldest first. Every second study of it is bound already, the others wait for their place. */
  readonly backlog: readonly ScaleStudy[];
}

/** Rows that one Orthanc has of its load in a month: see `writeLoad`. */
const loadRowsOfAMonth = 3_950;
/** Of the history so much at most is load. */
const loadShare = 0.3;
/** Rows a former image has, with its part of what there is a study: itself, its receipt, decision, assignment, transfers … */
const rowsAnImage = 2.06;
const minuteMs = 60_000;

/**
 * Writes a ledger as a service that was stopped leaves it, in a file that is whole. Returns the rows of each table that grows.
 */
export async function writeLedger(file: string, plan: LedgerPlan): Promise<ReadonlyMap<string, number>> {
  const { front, backends, rows, backlog } = plan;
  const now = Date.now();
  const ledger = openLedger(file);
  try {
    if (rows > 0) {
      const month = (backends.length + 1) * loadRowsOfAMonth;
      const share = Math.min(1, (rows * loadShare) / month);
      writeLoad(ledger, [front, ...backends], share, now);
      const images = Math.round((rows - share * month) / rowsAnImage);
      writeStudies(ledger, { front, backends, now, studies: studiesOf(historySeed, firstOfHistory, images) });
    }
    for (const [index, study] of backlog.entries()) {
      const at = now - 30 * minuteMs + Math.floor((index / backlog.length) * 25 * minuteMs);
      receive(ledger, study, front, at);
      const backend = backends[(index / 2) % backends.length];
      if (index % 2 === 0 && backend !== undefined) place(ledger, study.uid, { backend, backends, at });
    }
  } finally {
    await ledger.close();
  }
  return rowsOf(file);
}

/** Images of former studies have numbers beyond those of any backlog. */
const firstOfHistory = 1_000_000_000;
const historySeed = 77;

/** A home of the service with this ledger, as it was written. */
export function homeWith(folder: string, ledgerFile: string | null): string {
  mkdirSync(folder, { recursive: true });
  if (ledgerFile !== null)
    copyFileSync(ledgerFile, join(folder, 'ledger.sqlite'), constants.COPYFILE_FICLONE);
  return folder;
}

export function megabytesOf(file: string): number {
  return statSync(file).size / 1e6;
}

const tables = [
  'studies',
  'instances',
  'receipts',
  'decisions',
  'assignments',
  'transfers',
  'deliveries',
  'shadow_choices',
  'events',
  'audit',
  'load_samples',
  'load_minutes',
  'load_hours',
] as const;

/** Counted in the file itself: what was meant to be there is no proof that it is. */
function rowsOf(file: string): ReadonlyMap<string, number> {
  const db = new BetterSqlite3(file, { readonly: true });
  try {
    return new Map(
      tables.map((table) => [table, Number(db.prepare(`SELECT count(*) FROM ${table}`).pluck().get())]),
    );
  } finally {
    db.close();
  }
}
