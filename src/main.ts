import { readdirSync, readFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { dirname, join } from 'node:path';
import { readEnvironment } from './environment.ts';
import { generatedRoot } from './farm/generated.ts';
import { LedgerError, type LedgerErrorCode } from './ledger/ledger.ts';
import { createLogger, type Logger } from './log.ts';
import { type Service, startService } from './service.ts';
import { loadTopology } from './topology/load.ts';
import { TopologyError } from './topology/problems.ts';
import type { Topology } from './topology/topology.ts';
import { stampOf, watchTopology } from './topology/watch.ts';
import { systemCode, UserError } from './user-error.ts';

/**
 * The service as a process: environment → topology → service → signals. Exit codes: 0 stopped when told to, 1 it failed,
 * 2 somebody has to change something first.
 */
async function main(): Promise<void> {
  if (process.argv[2] === '--version') {
    process.stdout.write(`${packageVersion(dirname(import.meta.dirname))}\n`);
    return;
  }
  const environment = readEnvironment(process.env, process.cwd());
  const { topologyFile: file, variables } = environment;
  const since = stampOf(file);
  const load = (): Topology => loadTopology(file, variables);
  const topology = load();
  const missing = [
    environment.adminToken === null ? 'DDE_ADMIN_TOKEN (or a file admin-token in the state folder)' : null,
    environment.hookToken === null ? 'DDE_HOOK_TOKEN' : null,
  ].filter((name) => name !== null);
  if (environment.adminToken === null || environment.hookToken === null) {
    throw new UserError(`The service needs ${missing.join(' and ')}; "dde up" makes them by itself.`);
  }
  const log = createLogger({ level: environment.logLevel, format: environment.logFormat });

  let service: Service | null = null;
  let asked: NodeJS.Signals | null = null;
  const stop = (signal: NodeJS.Signals): void => {
    if (asked !== null) return;
    asked = signal;
    log.info('stopping', { signal });
    // A start under way ends by itself below, as soon as there is something to stop.
    if (service !== null) end(service);
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stop);

  goFirst(log);
  service = await startService({
    topology,
    home: environment.home,
    adminToken: environment.adminToken,
    hookToken: environment.hookToken,
    source: { file, variables, generatedRoot: generatedRoot(environment) },
    version: packageVersion(environment.project),
    log,
    onDurabilityLost: (error) => {
      say(
        `The disk under the ledger failed a write (${error.message}); what is really on it is read by starting anew.`,
      );
      process.exit(1);
    },
    onLedgerDamaged: (error) => {
      log.error('the ledger is damaged', { detail: error.message });
      say(
        `${error.message}. The next start moves it aside and fills a new one from the fronts and backends; no image is lost.`,
      );
      process.exit(1);
    },
  });
  if (asked !== null) {
    end(service);
    return;
  }
  const started = service;
  watchTopology({ file, since, load, onTopology: (next) => started.reconfigure(next), log });
}

/**
 * Every front holds still while it waits for the hook's answer; on a busy machine that answer must not stand in line behind
 * what the fronts and backends there do. All threads, since Linux counts each by itself and the main thread waits for the
 * garbage collector's. Needs a right that not everybody has, and is only a matter of speed.
 */
function goFirst(log: Logger): void {
  try {
    for (const thread of readdirSync('/proc/self/task'))
      setPriority(Number(thread), constants.priority.PRIORITY_HIGH);
  } catch (error) {
    log.debug('priority not raised', { code: systemCode(error) });
  }
}

function end(service: Service): void {
  service.stop().then(
    () => process.exit(0),
    (error: unknown) => fail(error),
  );
}

function say(sentence: string): void {
  process.stderr.write(`dde service: ${sentence}\n`);
}

function packageVersion(project: string): string {
  const read: unknown = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
  return typeof read === 'object' && read !== null && 'version' in read ? String(read.version) : 'unknown';
}

/** Starting again changes nothing about these. */
const turnOfPeople: ReadonlySet<LedgerErrorCode> = new Set(['busy', 'newer', 'full']);

function fail(error: unknown): never {
  if (error instanceof TopologyError) {
    say(error.message);
    process.exit(2);
  }
  if (error instanceof UserError) {
    say(error.message);
    process.exit(2);
  }
  if (error instanceof LedgerError && turnOfPeople.has(error.code)) {
    say(`${error.message.replace(/\.$/, '')}.`);
    process.exit(2);
  }
  const code = systemCode(error);
  if (code === 'EADDRINUSE' || code === 'EACCES') {
    const why = code === 'EADDRINUSE' ? 'is in use' : 'may not be used by this account';
    const port = error instanceof Error && 'port' in error ? String(error.port) : '';
    say(`Port ${port} of the service ${why}; free it, or change service.port in the topology.`);
    process.exit(2);
  }
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exit(1);
}

process.on('unhandledRejection', fail);
main().catch(fail);
