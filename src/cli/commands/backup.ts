import { createWriteStream, existsSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Presets, SingleBar } from 'cli-progress';
import type { Command } from 'commander';
import { faultOfCopy } from '../../ledger/backup.ts';
import { systemCode, UserError } from '../../user-error.ts';
import { connectService, type ServiceOptions, withServiceOptions } from '../client.ts';
import { size } from '../format.ts';
import type { CliContext } from '../program.ts';

interface BackupOptions extends ServiceOptions {
  readonly force?: boolean;
}

/** The service makes the whole copy before it sends the first byte; a large ledger on a slow disk takes minutes. */
const madeWithinMs = 15 * 60_000;
/** No byte for this long: the service hangs, or the way to it does. */
const silenceMs = 60_000;

export function registerBackup(program: Command, context: CliContext): void {
  withServiceOptions(program.command('backup <file>'))
    .summary('a copy of the ledger, while everything goes on')
    .description('write a copy of the ledger to a file, while everything goes on')
    .option('--force', 'replace the file if it is there')
    .addHelpText(
      'after',
      '\nExamples:\n  dde backup ledger-monday.sqlite\n  dde backup /backup/ledger.sqlite --force',
    )
    .action(async (name: string, options: BackupOptions) => {
      const { out } = context;
      const file = resolve(context.cwd, name);
      checkTarget(file, options.force === true);
      const partial = `${file}.${process.pid}.partial`;
      try {
        const bytes = await receive(context, options, partial);
        const fault = faultOfCopy(partial);
        if (fault !== null)
          throw new Error(`The copy is damaged (${fault}); nothing was written to ${file}.`);
        await keep(partial, file, options.force === true);
        if (options.json === true) out.json({ file, bytes });
        else out.line(`${file}: ${size(bytes)}, checked`);
      } catch (error) {
        throw spoken(error, file);
      } finally {
        for (const suffix of ['', '-wal', '-shm']) await rm(partial + suffix, { force: true });
      }
    });
}

/** Before the service is made to work. @throws UserError */
function checkTarget(file: string, force: boolean): void {
  if (existsSync(file)) {
    if (!statSync(file).isFile()) throw new UserError(`${file} is no file; name one.`);
    if (!force) throw new UserError(`${file} is there already; --force replaces it.`);
  } else if (!existsSync(dirname(file))) {
    throw new UserError(`There is no folder ${dirname(file)}; make it first.`);
  }
}

/** Returns how many bytes came; all of them, or it throws. */
async function receive(context: CliContext, options: BackupOptions, partial: string): Promise<number> {
  const { file: body, bytes } = await connectService(context, options).download('/api/v1/backup', {
    timeoutMs: madeWithinMs,
  });
  const bar =
    context.out.tty && options.json !== true && bytes !== null
      ? new SingleBar({ format: '{bar} {percentage} %' }, Presets.shades_classic)
      : null;
  bar?.start(bytes ?? 0, 0);
  let received = 0;
  const silence = new AbortController();
  const watch = setTimeout(() => silence.abort(), silenceMs);
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      received += chunk.length;
      bar?.update(received);
      watch.refresh();
      done(null, chunk);
    },
  });
  try {
    await pipeline(body, count, createWriteStream(partial, { mode: 0o600 }), { signal: silence.signal });
  } catch (error) {
    if (silence.signal.aborted) throw new Error('The service stopped sending; try again.', { cause: error });
    throw error;
  } finally {
    clearTimeout(watch);
    bar?.stop();
  }
  if (bytes !== null && received !== bytes) {
    throw new Error(`The service sent ${received} of ${bytes} bytes; try again.`);
  }
  return received;
}

/** Gives it its name when it is on the disk. */
async function keep(partial: string, file: string, force: boolean): Promise<void> {
  await sync(partial);
  // Somebody may have made one while ours was on its way.
  checkTarget(file, force);
  await rename(partial, file);
  await sync(dirname(file));
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What a person can change, said as such. */
function spoken(error: unknown, file: string): unknown {
  const code = systemCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new UserError(`There is no room for ${file}: free some, or name another disk.`, { cause: error });
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return new UserError(`${file} cannot be written (${code}); name another.`, { cause: error });
  return error;
}
