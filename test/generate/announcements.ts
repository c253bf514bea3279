import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How the stand-in for the service answers an announcement. */
export type Manner =
  | 'well'
  | 'late' // after a second
  | 'never'
  | 'status 500'
  | 'status 500 with the mark'
  | 'no JSON'
  | 'JSON that is no object'
  | 'another identifier'
  | 'nothing'
  | 'hangs up'
  | 'endlessly';

export interface Announced {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly raw: string;
  /** The parsed body. */
  readonly body: Readonly<Record<string, unknown>>;
}

export interface StandIn extends AsyncDisposable {
  readonly url: string;
  manner: Manner;
  readonly announced: Announced[];
  /** Calls, answered or not. */
  readonly calls: number;
}

/** A service that answers in a given manner, and keeps what it was told. */
export async function standIn(manner: Manner): Promise<StandIn> {
  const announced: Announced[] = [];
  let calls = 0;
  const server = createServer((request, response) => {
    calls += 1;
    receive(request, (raw) => {
      const parsed: unknown = JSON.parse(raw);
      const body = typeof parsed === 'object' && parsed !== null ? { ...parsed } : {};
      announced.push({ path: request.url ?? '', headers: request.headers, raw, body });
      answer(self.manner, markOf(body), response);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const self: StandIn = {
    url: `http://127.0.0.1:${port}`,
    manner,
    announced,
    get calls() {
      return calls;
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return self;
}

/** What has to be repeated as a mark of success: of an announcement its instance, of a report its front. */
function markOf(body: object): string {
  if ('instance' in body) return String(body.instance);
  return 'front' in body ? String(body.front) : '';
}

function receive(request: IncomingMessage, done: (raw: string) => void): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => done(Buffer.concat(chunks).toString('utf8')));
}

function answer(manner: Manner, mark: string, response: ServerResponse): void {
  const good = JSON.stringify({ received: mark, backend: null, reason: 'the study is being placed' });
  switch (manner) {
    case 'well':
      response.end(good);
      return;
    case 'late':
      setTimeout(() => response.end(good), 1000);
      return;
    case 'never':
      return;
    case 'status 500':
      response.writeHead(500).end('<html>oops</html>');
      return;
    case 'status 500 with the mark':
      response.writeHead(500).end(JSON.stringify({ received: null, reason: 'ledger: full' }));
      return;
    case 'no JSON':
      response.end('{"received": "');
      return;
    case 'JSON that is no object':
      response.end('[[1], null]');
      return;
    case 'another identifier':
      response.end(JSON.stringify({ received: 'deadbeef', backend: 'orthanc1', reason: null }));
      return;
    case 'nothing':
      response.end();
      return;
    case 'hangs up':
      response.destroy();
      return;
    case 'endlessly': {
      response.writeHead(200);
      const dribble = setInterval(() => response.write(' '), 100);
      response.on('close', () => clearInterval(dribble));
    }
  }
}
