import { createServer, type Server } from 'node:net';

/**
 * Ports for servers under test. They lie below Linux' ephemeral range (from 32768), so that no outgoing connection takes
 * one between the moment it was found free and the moment the server binds it, and above what services usually use.
 */
const FIRST = 20_000;
const LAST = 32_000;

/**
 * Claims on ports, held as listening sockets in Linux' abstract namespace: two workers, or two test runs on one machine,
 * never get the same port, and the kernel lets go of the claim however this process ends. A range per worker was
 * rejected: other runs do not know of it. A lock file was rejected: it outlives a SIGKILL.
 */
const claims = new Map<number, Server>();

/** A TCP port on which nothing listens and which no other test gets as long as this process lives. */
export async function freePort(): Promise<number> {
  const span = LAST - FIRST;
  const start = Math.floor(Math.random() * span);
  for (let offset = 0; offset < span; offset++) {
    const port = FIRST + ((start + offset) % span);
    if (claims.has(port)) continue;
    const claim = await listening({ path: `\0dde-test-port-${port}` });
    if (claim === null) continue;
    const probe = await listening({ host: '0.0.0.0', port });
    if (probe === null) {
      await closed(claim);
      continue;
    }
    await closed(probe);
    claim.unref();
    claims.set(port, claim);
    return port;
  }
  throw new Error(`no free TCP port from ${FIRST} to ${LAST - 1}`);
}

/** Several of them, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

/** A server that listens there, or null when the address is taken. */
function listening(address: { path: string } | { host: string; port: number }): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(null);
      else reject(error);
    });
    server.listen({ ...address, exclusive: true }, () => resolve(server));
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
