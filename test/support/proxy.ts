import { once } from 'node:events';
import http from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { RequestReader, type SeenRequest } from './http-requests.ts';
import { freePort } from './ports.ts';
import { Exchange, flipped } from './proxy-exchange.ts';
import { Bucket, write } from './proxy-flow.ts';

/** What the proxy does to what passes through it. `only` narrows it to some requests; the others pass. */
export type Fault =
  | { readonly kind: 'pass' }
  /** Nobody listens; open connections are reset. */
  | { readonly kind: 'refuse' }
  /** Connections open, no byte moves. What was held back moves on when the fault ends. */
  | { readonly kind: 'stall'; readonly only?: Only }
  /** The connection breaks after so many bytes of the answer (0: as soon as the request is there). */
  | { readonly kind: 'cut'; readonly afterBytes: number; readonly only?: Only }
  /** The connection breaks after so many bytes of the request's body were passed on. */
  | { readonly kind: 'cut-request'; readonly afterBytes: number; readonly only?: Only }
  /** This answer instead of the real one; `deliver`: the real one is asked and its answer thrown away. */
  | {
      readonly kind: 'respond';
      readonly status: number;
      readonly body?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly deliver?: boolean;
      readonly only?: Only;
    }
  /**
   * So many bytes a second in each direction, all connections together. Each request (with `only`, some) is passed on so many
   * milliseconds late, each connection for itself.
   */
  | {
      readonly kind: 'throttle';
      readonly bytesPerSecond: number;
      readonly delayMs?: number;
      readonly only?: Only;
    }
  /** The real one is asked and answers; the sender's connection breaks instead. */
  | { readonly kind: 'lose'; readonly only?: Only }
  /** One bit of the request's body is another one, so many bytes before its end; bodies in chunks pass. */
  | { readonly kind: 'flip-request'; readonly fromEnd: number; readonly only?: Only }
  /** One bit of the answer's body is another one, at so many bytes (counted round and round in a shorter body). */
  | { readonly kind: 'flip-answer'; readonly at: number; readonly only?: Only }
  /** Passes, and the same once more on another connection, so many milliseconds after it was there whole. */
  | { readonly kind: 'duplicate'; readonly afterMs: number; readonly only?: Only };

export type Only = (request: { readonly method: string; readonly path: string }) => boolean;

export interface FaultProxy extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** Connections accepted so far. */
  readonly connections: number;
  /** Connections open now. */
  readonly open: number;
  /** `METHOD path` of every request so far; empty with protocol `tcp`. */
  readonly requests: readonly string[];
  /** Bytes passed on to the target so far. */
  readonly bytesIn: number;
  set(fault: Fault): Promise<void>;
  /** Ends all connections and stops listening. May be called twice. */
  close(): Promise<void>;
}

export interface ProxyOptions {
  /** Port on 127.0.0.1 of what stands behind it. */
  readonly target: number;
  /** `tcp` looks at no bytes, for DICOM; only `pass`, `refuse`, `stall` and `throttle` make sense. Default `http`. */
  readonly protocol?: 'http' | 'tcp';
  readonly port?: number;
  readonly fault?: Fault;
}

/** Stands before a real server, one connection to it for each one accepted, and spoils on demand what passes. */
export async function startProxy(options: ProxyOptions): Promise<FaultProxy> {
  const proxy = new Proxy(options, options.port ?? (await freePort()));
  await proxy.set(options.fault ?? { kind: 'pass' });
  return proxy;
}

class Proxy implements FaultProxy {
  readonly port: number;
  readonly url: string;
  readonly requests: string[] = [];
  connections = 0;
  bytesIn = 0;
  private readonly target: number;
  private readonly protocol: 'http' | 'tcp';
  private server: Server | null = null;
  private fault: Fault = { kind: 'pass' };
  private readonly sockets = new Set<Socket>();
  private wake = Promise.withResolvers<void>();
  private readonly upload = new Bucket();
  private readonly download = new Bucket();

  constructor(options: ProxyOptions, port: number) {
    this.target = options.target;
    this.protocol = options.protocol ?? 'http';
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  get open(): number {
    return [...this.sockets].filter((socket) => socket.localPort === this.port).length;
  }

  async set(fault: Fault): Promise<void> {
    this.fault = fault;
    const rate = fault.kind === 'throttle' ? fault.bytesPerSecond : Number.POSITIVE_INFINITY;
    this.upload.reset(rate);
    this.download.reset(rate);
    this.wake.resolve();
    this.wake = Promise.withResolvers();
    if (fault.kind === 'refuse') await this.stopListening();
    else await this.listen();
  }

  async close(): Promise<void> {
    this.fault = { kind: 'pass' };
    this.wake.resolve();
    await this.stopListening();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async listen(): Promise<void> {
    if (this.server !== null) return;
    this.server = createServer({ noDelay: true }, (client) => this.accept(client));
    this.server.listen({ host: '127.0.0.1', port: this.port, exclusive: true });
    await once(this.server, 'listening');
  }

  private async stopListening(): Promise<void> {
    for (const socket of this.sockets) socket.resetAndDestroy();
    const server = this.server;
    if (server === null) return;
    this.server = null;
    server.close();
    await once(server, 'close');
  }

  private accept(client: Socket): void {
    this.connections++;
    this.track(client);
    const upstream = this.track(connect({ host: '127.0.0.1', port: this.target, noDelay: true }));
    const exchange = new Exchange();
    const requests =
      this.protocol === 'http'
        ? this.passRequests(client, upstream, exchange)
        : this.passRaw(client, upstream);
    const answers = this.passAnswers(upstream, client, exchange);
    // An error of one direction is the end of both, as between any client and server.
    const broken = () => {
      // What was let through still arrives.
      client.destroySoon();
      upstream.destroy();
    };
    requests.catch(broken);
    answers.catch(broken);
  }

  private track(socket: Socket): Socket {
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
    // Reported again where the socket is read or written; without a listener it would end the process.
    socket.on('error', () => socket.destroy());
    return socket;
  }

  private async passRaw(client: Socket, upstream: Socket): Promise<void> {
    for await (const bytes of client) {
      await this.unstalled(null);
      await this.forward(bytes, upstream);
    }
    upstream.end();
  }

  private async passRequests(client: Socket, upstream: Socket, exchange: Exchange): Promise<void> {
    const reader = new RequestReader();
    let fault: Fault = { kind: 'pass' };
    let passed = 0;
    let kept: Buffer[] = [];
    let request: SeenRequest | null = null;
    for await (const bytes of client) {
      for (const part of reader.read(bytes)) {
        if (part.kind === 'head') {
          request = part.request;
          this.requests.push(`${request.method} ${request.path}`);
          fault = this.faultFor(request);
          exchange.begin(request, fault);
          passed = 0;
          kept = [];
        }
        if (part.kind === 'head' && fault.kind === 'throttle' && fault.delayMs !== undefined)
          await sleep(fault.delayMs, undefined, { ref: false });
        await this.unstalled(request);
        if (fault.kind === 'respond' || fault.kind === 'lose') {
          if (part.kind === 'head' && part.request.expectsContinue)
            client.write('HTTP/1.1 100 Continue\r\n\r\n');
          if (part.kind === 'body') kept.push(part.bytes);
          if (part.kind === 'end' && request !== null) {
            if (fault.kind === 'lose' || fault.deliver === true)
              await this.deliver(request, Buffer.concat(kept));
            if (fault.kind === 'lose') throw new Error('lost, as asked');
            client.write(answerOf(fault));
          }
        } else if (part.kind === 'head') {
          await this.forward(part.request.head, upstream);
        } else if (part.kind === 'body') {
          const room = fault.kind === 'cut-request' ? fault.afterBytes - passed : part.bytes.length;
          const piece = changed(fault, request, passed, part.bytes);
          await this.forward(piece.subarray(0, Math.max(0, room)), upstream);
          if (fault.kind === 'duplicate') kept.push(part.bytes);
          passed += part.bytes.length;
          if (room < part.bytes.length) throw new Error('cut, as asked');
        } else if (fault.kind === 'cut' && fault.afterBytes === 0) {
          throw new Error('cut, as asked');
        } else if (fault.kind === 'duplicate' && request !== null && request.bodyLength !== null) {
          // Nobody waits for what the second is answered, or whether it arrives.
          this.again(request, Buffer.concat(kept), fault.afterMs).catch(() => undefined);
        }
      }
    }
    upstream.end();
  }

  private async passAnswers(upstream: Socket, client: Socket, exchange: Exchange): Promise<void> {
    for await (const bytes of upstream) {
      if (!Buffer.isBuffer(bytes)) throw new Error('sockets give buffers');
      await this.unstalled(exchange.request);
      const { fault } = exchange;
      const room = fault.kind === 'cut' ? fault.afterBytes - exchange.answered : bytes.length;
      exchange.answered += bytes.length;
      const passed = exchange.answer(bytes).subarray(0, Math.max(0, room));
      await this.download.pass(passed, (piece) => write(client, piece));
      if (room < bytes.length) throw new Error('cut, as asked');
    }
    client.end();
  }

  private async forward(bytes: Buffer, upstream: Socket): Promise<void> {
    await this.upload.pass(bytes, (piece) => write(upstream, piece));
    this.bytesIn += bytes.length;
  }

  private faultFor(request: SeenRequest): Fault {
    const only = 'only' in this.fault ? this.fault.only : undefined;
    return only === undefined || only(request) ? this.fault : { kind: 'pass' };
  }

  /** Waits as long as the proxy stalls this request (null: everything on the connection). */
  private async unstalled(request: SeenRequest | null): Promise<void> {
    while (this.fault.kind === 'stall' && (request === null || this.faultFor(request).kind === 'stall'))
      await this.wake.promise;
  }

  private async again(request: SeenRequest, body: Buffer, afterMs: number): Promise<void> {
    if (afterMs > 0) await sleep(afterMs, undefined, { ref: false });
    await this.deliver(request, body);
  }

  /** Asks the real server on a connection of its own and waits for the end of its answer. */
  private async deliver(request: SeenRequest, body: Buffer): Promise<void> {
    const { headers } = parseHead(request.head);
    const asked = http.request({
      host: '127.0.0.1',
      port: this.target,
      method: request.method,
      path: request.path,
      headers: { ...headers, connection: 'close' },
      agent: false,
    });
    asked.end(body);
    const [answer] = await once(asked, 'response');
    if (!(answer instanceof http.IncomingMessage)) throw new Error('no answer to deliver');
    answer.resume();
    await once(answer, 'end');
  }
}

/** A piece of the request's body, which begins so many bytes into it, as it is passed on. */
function changed(fault: Fault, request: SeenRequest | null, offset: number, bytes: Buffer): Buffer {
  if (fault.kind !== 'flip-request' || request === null || request.bodyLength === null) return bytes;
  const at = request.bodyLength - 1 - fault.fromEnd - offset;
  return at >= 0 && at < bytes.length ? flipped(bytes, at) : bytes;
}

function answerOf(fault: Extract<Fault, { kind: 'respond' }>): string {
  const { status, body = '', headers = {} } = fault;
  const lines = Object.entries({ 'Content-Length': String(Buffer.byteLength(body)), ...headers }).map(
    ([n, v]) => `${n}: ${v}\r\n`,
  );
  return `HTTP/1.1 ${status} Proxy\r\n${lines.join('')}\r\n${body}`;
}

function parseHead(head: Buffer): { headers: Record<string, string> } {
  const headers: Record<string, string> = {};
  for (const line of head.toString('latin1').split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  // The body is handed over whole.
  delete headers.expect;
  return { headers };
}
