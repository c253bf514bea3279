import { setImmediate } from 'node:timers/promises';
import BetterSqlite3 from 'better-sqlite3';
import { workerOnFile } from '../worker-file.ts';
import type { WorkerAnswer, WorkerRequest, WorkerTask } from './checkpointer.ts';
import { framesInLog, openDatabase } from './connection.ts';
import { toLedgerError } from './errors.ts';
import { LedgerError } from './ledger.ts';
import { backupMark } from './recovery-inspect.ts';

/** The checkpointer's thread: one connection for checkpoints, and what takes long, in steps between which those go on. */
const { port, file } = workerOnFile();
const db = openDatabase(file);
db.pragma('cache_size = -256');

/** Frames that are copied in a moment: 1 MB. */
const fewFrames = 256;
/** Pages of a step of a copy: 1 MB, some milliseconds. */
const pagesAtATime = 256;

let copies = 0;
/** A copy or a check under way is given up: neither is worth waiting for. */
let isClosing = false;

/** Copies what no reader needs any more from the log. Returns the frames that came in meanwhile. */
function passive(): number {
  db.pragma('wal_checkpoint(PASSIVE)');
  const { log, checkpointed } = framesInLog(db);
  return log - checkpointed;
}

function checkpoint(kind: 'passive' | 'restart'): void {
  let left = passive();
  // A restart waits for whoever reads the log, and makes all commits wait meanwhile: not while a copy is being made.
  if (kind === 'passive' || copies > 0) return;
  // What a restart has left to copy it copies while commits wait: that must be little.
  for (let round = 0; left > fewFrames && round < 20; round += 1) left = passive();
  db.pragma('wal_checkpoint(RESTART)');
}

/**
 * All steps see the ledger as it was at the first: a read transaction stays open for as long. Without it each commit of the
 * service would make SQLite begin the copy anew, and under load it would never end.
 */
async function copyTo(target: string): Promise<void> {
  const source = new BetterSqlite3(file, { readonly: true });
  copies += 1;
  try {
    source.exec('BEGIN');
    source.prepare('SELECT count(*) FROM sqlite_schema').get();
    await source.backup(target, {
      progress({ totalPages, remainingPages }) {
        if (isClosing) throw new LedgerError('failed', 'The ledger is closed');
        say({ kind: 'copying', share: totalPages === 0 ? 0 : 1 - remainingPages / totalPages });
        return pagesAtATime;
      },
    });
  } finally {
    copies -= 1;
    source.close();
  }
  const copy = new BetterSqlite3(target);
  try {
    copy.pragma(`application_id = ${backupMark}`);
    copy.pragma('wal_checkpoint(TRUNCATE)');
  } finally {
    copy.close();
  }
}

/** What is wrong with the ledger, table by table; null: nothing that can be seen without comparing indexes with tables. */
async function check(): Promise<string | null> {
  const tables = db.prepare<[], string>(`SELECT name FROM sqlite_schema WHERE type = 'table'`).pluck().all();
  for (const table of tables) {
    const found = String(db.pragma(`quick_check('${table.replaceAll("'", "''")}')`, { simple: true }));
    if (found !== 'ok') return found.replaceAll(/\s+/g, ' ');
    await setImmediate();
    if (isClosing) throw new LedgerError('failed', 'The ledger is closed');
  }
  return null;
}

function say(answer: WorkerAnswer): void {
  port.postMessage(answer);
}

async function work(request: WorkerTask): Promise<void> {
  switch (request.kind) {
    case 'passive':
    case 'restart':
      checkpoint(request.kind);
      say({ kind: 'checkpointed', failure: null });
      return;
    case 'backup':
      await copyTo(request.file);
      say({ kind: 'copied', failure: null });
      return;
    case 'check':
      say({ kind: 'checked', found: await check(), failure: null });
  }
}

function failed(request: WorkerTask, error: unknown): void {
  const { code, message } = toLedgerError(error);
  const failure = { code, message };
  if (request.kind === 'backup') say({ kind: 'copied', failure });
  else if (request.kind === 'check') say({ kind: 'checked', found: null, failure });
  else say({ kind: 'checkpointed', failure });
}

port.on('message', (request: WorkerRequest) => {
  if (request.kind === 'close') {
    isClosing = true;
    db.close();
    port.close();
    return;
  }
  work(request).catch((error: unknown) => failed(request, error));
});
