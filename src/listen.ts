import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { followCertificate } from './certificate.ts';
import type { Logger } from './log.ts';
import { isLoopback } from './loopback.ts';
import type { ServiceConfig } from './topology/topology.ts';

export interface Listener {
  readonly port: number;
  /** Lets requests under way finish for two seconds. */
  close(): Promise<void>;
}

export interface ListenOptions {
  readonly service: ServiceConfig;
  readonly serve: RequestListener;
  /** With TLS: whether this may be asked without it, by a program of this machine. */
  readonly isForOwnMachine: (request: IncomingMessage) => boolean;
  readonly log: Logger;
  /** Told when the certificate in use ends, at the start and with each that takes its place. */
  readonly onCertificate?: (expiresAt: Date) => void;
}

/** The hook keeps one connection; closing it under an announcement would cost that one a whole reconcile interval. */
const keepAliveMs = 75_000;
/** How long a connection may say nothing at all. Browsers open some in advance. */
const firstByteMs = 60_000;
const closeMs = 2_000;
/** First byte of every TLS connection: its first record is a handshake. */
const handshake = 22;

/**
 * Listens where the topology says. With a certificate there, over TLS; on the same port what fronts and probes of this very machine
 * ask is answered without it as well. So the hook's address, and a container's health check, stay as they are whatever the certificate
 * is called and whoever signed it. Everybody else is sent to the address with TLS.
 *
 * A second port for the hook was rejected: one more to choose, to open and to find taken.
 *
 * @throws the system error with its `code` when the port cannot be had; Error when the certificate cannot be used
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { service, serve, isForOwnMachine, log } = options;
  if (service.tls === undefined) {
    const server = createServer(serve);
    server.keepAliveTimeout = keepAliveMs;
    const port = await listening(server, service);
    return { port, close: () => closed(server, [server], { silent: [], open: [] }) };
  }

  const secure = createSecureServer(serve);
  const unfollow = followCertificate(
    service.tls,
    (context, expiresAt) => {
      secure.setSecureContext(context);
      options.onCertificate?.(expiresAt);
    },
    log,
  );
  const plain = createServer((request, response) => {
    if (isOwnMachine(request.socket) && isForOwnMachine(request)) serve(request, response);
    else sendToTls(request, response);
  });
  const silent = new Set<Socket>();
  const open = new Set<Socket>();
  const tcp = createTcpServer({ noDelay: true }, (socket) => {
    silent.add(socket);
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    const forget = (): boolean => silent.delete(socket);
    socket.once('close', forget);
    // Whoever hangs up before a word has nothing to be told, and nobody to tell.
    const hangUp = (): unknown => socket.destroy();
    socket.once('error', hangUp).setTimeout(firstByteMs, hangUp);
    socket.once('readable', () => {
      const first: unknown = socket.read(1);
      if (!Buffer.isBuffer(first)) {
        socket.destroy();
        return;
      }
      forget();
      socket.off('close', forget).off('error', hangUp).off('timeout', hangUp).setTimeout(0);
      socket.unshift(first);
      (first[0] === handshake ? secure : plain).emit('connection', socket);
    });
  });
  for (const server of [secure, plain]) {
    server.keepAliveTimeout = keepAliveMs;
    // They get their connections from here, and never listen themselves; it is what starts their limits for slow senders.
    server.emit('listening');
  }
  const close = async (): Promise<void> => {
    unfollow();
    await closed(tcp, [secure, plain], { silent, open });
  };
  try {
    return { port: await listening(tcp, service), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Both ends have one address only within a machine; nobody outside can finish a handshake that pretends to it. */
function isOwnMachine({ remoteAddress, localAddress }: Socket): boolean {
  return remoteAddress !== undefined && (isLoopback(remoteAddress) || remoteAddress === localAddress);
}

function sendToTls(request: IncomingMessage, response: ServerResponse): void {
  const host = request.headers.host ?? '';
  const isPlace = /^[\w.-]+(:\d+)?$|^\[[\da-f:.]+\](:\d+)?$/i.test(host);
  const isLook = request.method === 'GET' || request.method === 'HEAD';
  request.resume();
  if (isPlace && isLook && request.url?.startsWith('/') === true) {
    response.writeHead(308, { Location: `https://${host}${request.url}`, 'Content-Length': 0 }).end();
    return;
  }
  // Not by a redirect: what was sent is sent already, the token in it too.
  const body = JSON.stringify({
    type: 'urn:dde:problem:tls-needed',
    title: 'This is served over TLS only',
    status: 403,
    detail: 'Ask again with https://; a token that was sent without it should be changed.',
  });
  response
    .writeHead(403, {
      'Content-Type': 'application/problem+json',
      'Content-Length': Buffer.byteLength(body),
      Connection: 'close',
    })
    .end(body);
}

function listening(server: TcpServer, { listen: host, port }: ServiceConfig): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const bound = server.address();
      resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
    });
  });
}

/**
 * Lets requests under way finish, and closes idle connections, which would otherwise keep the server for their time-out. One that is in
 * the middle of its TLS handshake none of the servers knows yet: `open` has it.
 */
function closed(
  door: TcpServer,
  servers: readonly Server[],
  { silent, open }: { readonly silent: Iterable<Socket>; readonly open: Iterable<Socket> },
): Promise<void> {
  return new Promise((resolve) => {
    door.close(() => resolve());
    for (const socket of silent) socket.destroy();
    for (const server of servers) {
      // Also of those that never listened: it ends their watch over slow senders.
      if (server !== door) server.close(() => undefined);
      server.closeIdleConnections();
    }
    setTimeout(() => {
      for (const server of servers) server.closeAllConnections();
      for (const socket of open) socket.destroy();
    }, closeMs).unref();
  });
}
