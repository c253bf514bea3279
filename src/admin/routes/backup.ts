import { randomUUID } from 'node:crypto';
import { createReadStream, readdirSync, rmSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { LedgerError } from '../../ledger/ledger.ts';
import type { AdminDeps } from '../deps.ts';
import { callerOf } from '../guard.ts';
import { notHere, Problem } from '../problems.ts';
import { goneSignal, type Route } from '../route.ts';

const prefix = '.backup-';

/**
 * A copy of the ledger. It is made in the state folder first, whole, and then sent: sent while it is being made, a slow
 * caller would keep the ledger's log from beginning anew for as long as it likes. One at a time, since each takes the space
 * of a ledger.
 */
export function backupRoutes({
  ledger,
  stateFolder,
  clock,
}: Pick<AdminDeps, 'ledger' | 'stateFolder' | 'clock'>): readonly Route[] {
  let underWay = false;
  // Left by a service that was killed in the middle of one; nobody else makes such files.
  if (stateFolder !== undefined) removeCopies(stateFolder);

  function noteBackup(who: string): void {
    try {
      ledger.audit({
        at: clock(),
        who,
        action: 'backup',
        target: 'ledger',
        detail: 'a whole copy of it',
      });
    } catch (error) {
      throw noRoom(error);
    }
  }

  const backup: RequestHandler = async (request, response) => {
    if (stateFolder === undefined) throw notHere('state-folder');
    if (underWay) {
      throw new Problem(409, 'backup-under-way', 'A backup is being made', 'Only one is made at a time.', {
        retryAfterSeconds: 10,
      });
    }
    underWay = true;
    const file = join(stateFolder, `${prefix}${randomUUID()}.sqlite`);
    try {
      const gone = goneSignal(request);
      // It carries out of the farm where every study is: that is worth an entry, although nothing is changed.
      noteBackup(callerOf(response).name);
      await ledger.backup(file).catch((error: unknown) => {
        throw noRoom(error);
      });
      if (gone.aborted) return;
      const { size } = await stat(file);
      response
        .set('Cache-Control', 'no-store')
        .set('Content-Type', 'application/vnd.sqlite3')
        .set('Content-Length', String(size))
        .set('Content-Disposition', 'attachment; filename="ledger.sqlite"');
      try {
        await pipeline(createReadStream(file), response);
      } catch (error) {
        // Whoever hung up in the middle is nobody's mistake.
        if (!gone.aborted) throw error;
      }
    } finally {
      underWay = false;
      await rm(file, { force: true });
    }
  };

  return [
    {
      method: 'get',
      path: '/api/v1/backup',
      summary: 'A whole copy of the ledger, an SQLite database, made while everything goes on',
      role: 'admin',
      params: null,
      query: null,
      body: null,
      bodyType: null,
      bodyOptional: false,
      answer: z.unknown(),
      answerType: 'application/vnd.sqlite3',
      problems: {
        409: 'Another one is being made',
        501: 'This service has no state folder',
        503: 'The disk has no room for a copy',
      },
      handlers: [backup],
    },
  ];
}

/** Not what a full ledger means elsewhere: here it is kept from becoming full. */
function noRoom(error: unknown): unknown {
  if (!(error instanceof LedgerError) || error.code !== 'full') return error;
  return new Problem(503, 'no-room', 'There is no room for a copy', `${error.message}.`);
}

function removeCopies(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.startsWith(prefix)) rmSync(join(folder, name), { force: true });
  }
}
