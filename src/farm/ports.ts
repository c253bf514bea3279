import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { systemCode, UserError } from '../user-error.ts';

/** A TCP port that the farm wants to listen on. */
export interface WantedPort {
  readonly port: number;
  /** Address to listen on. */
  readonly host: string;
  /** What for, such as `orthanc1, DICOM`. */
  readonly use: string;
}

/**
 * Looks at all of them before anything is started, so that a person has to come back once and not once a port.
 *
 * @throws UserError naming every port that cannot be had, and what holds it where the system tells.
 */
export async function checkPorts(wanted: readonly WantedPort[], topologyFile: string): Promise<void> {
  const results = await Promise.all(wanted.map(async (port) => ({ port, code: await tryPort(port) })));
  const refused = results.filter(({ code }) => code !== null);
  if (refused.length === 0) return;
  const holders = holdersOf(
    new Set(refused.filter(({ code }) => code === 'EADDRINUSE').map(({ port }) => port.port)),
  );
  const list = refused.map(
    ({ port, code }) => `${port.port} (${port.use}) ${reason(code, port, holders.get(port.port))}`,
  );
  const systemService = [...holders.values()].some(({ unit }) => unit === 'orthanc.service');
  throw new UserError(
    `${refused.length === 1 ? 'A port' : `${refused.length} ports`} of the farm cannot be used: ${list.join('; ')}. ` +
      (systemService
        ? "Debian's own Orthanc service is stopped by: sudo systemctl disable --now orthanc"
        : `Stop what holds them, or change the ports in ${topologyFile}.`),
  );
}

function reason(code: string | null, { host }: WantedPort, holder: Holder | undefined): string {
  switch (code) {
    case 'EADDRINUSE':
      return holder === undefined ? 'is in use' : `is in use by ${holder.program}, pid ${holder.pid}`;
    case 'EACCES':
      return 'is reserved for root';
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `is wanted at ${host}, which is no address of this machine`;
    default:
      return `cannot be opened (${code ?? 'unknown error'})`;
  }
}

/** Null when it can be had, otherwise the system's error code. */
function tryPort({ port, host }: WantedPort): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(systemCode(error) ?? 'unknown'));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(null)));
  });
}

interface Holder {
  readonly pid: number;
  readonly program: string;
  /** systemd's unit, if it is one. */
  readonly unit: string | null;
}

/** From /proc: listening socket → inode → the process that has it open. Other users' processes stay unknown. */
function holdersOf(ports: ReadonlySet<number>): ReadonlyMap<number, Holder> {
  const portOf = new Map<string, number>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of read(table).split('\n').slice(1)) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      const port = Number.parseInt(local?.split(':')[1] ?? '', 16);
      if (state === '0A' && inode !== undefined && ports.has(port)) portOf.set(`socket:[${inode}]`, port);
    }
  }
  const holders = new Map<number, Holder>();
  if (portOf.size === 0) return holders;
  for (const pid of list('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const descriptor of list(`/proc/${pid}/fd`)) {
      const port = portOf.get(link(`/proc/${pid}/fd/${descriptor}`));
      if (port === undefined) continue;
      const unit = /\/([^/\n]+\.service)$/m.exec(read(`/proc/${pid}/cgroup`))?.[1] ?? null;
      holders.set(port, { pid: Number(pid), program: read(`/proc/${pid}/comm`).trim() || 'a program', unit });
    }
  }
  return holders;
}

// What /proc does not tell (another user's process, one that has just ended, a system without /proc) is left out of the
// message: it is only there to help.
const read = (file: string): string => orElse(() => readFileSync(file, 'utf8'), '');
const list = (folder: string): string[] => orElse(() => readdirSync(folder), []);
const link = (file: string): string => orElse(() => readlinkSync(file), '');

function orElse<T>(ask: () => T, otherwise: T): T {
  try {
    return ask();
  } catch (error) {
    if (systemCode(error) === null) throw error;
    return otherwise;
  }
}
