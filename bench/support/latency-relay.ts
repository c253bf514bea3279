import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface LatencyRelay {
  readonly url: string;
  /** Milliseconds from the first byte of each request to the first byte of its answer, as the sender sees them. */
  readonly latenciesMs: readonly number[];
  close(): Promise<void>;
}

/**
 * Relays TCP to `target` and times request and answer, which must follow each other on a connection, as the hook's do. It
 * stands outside the service, so that a stalled event loop is measured too, which a clock inside it would miss.
 */
export async function startLatencyRelay(target: URL): Promise<LatencyRelay> {
  const latenciesMs: number[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port: Number(target.port), host: target.hostname, noDelay: true });
    let askedAt: number | null = null;
    near.on('data', (bytes) => {
      askedAt ??= performance.now();
      far.write(bytes);
    });
    far.on('data', (bytes) => {
      near.write(bytes);
      if (askedAt !== null) latenciesMs.push(performance.now() - askedAt);
      askedAt = null;
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('end', () => other.end());
      // An end that breaks off breaks the other off too: what a direct connection would have shown.
      one.on('error', () => other.destroy());
      one.on('close', () => sockets.delete(one));
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    latenciesMs,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
