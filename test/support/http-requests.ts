/** One HTTP/1.1 request as it passes by. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly head: Buffer;
  /** True when the sender waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
  /** Null when it is not said beforehand: the body comes in chunks. */
  readonly bodyLength: number | null;
}

export type RequestPart =
  | { readonly kind: 'head'; readonly request: SeenRequest }
  | { readonly kind: 'body'; readonly bytes: Buffer }
  | { readonly kind: 'end' };

const END_OF_HEAD = '\r\n\r\n';

/**
 * Cuts the bytes a client sends into requests without changing any of them, so that a proxy can count and choose. Node's
 * own HTTP server was rejected: it would end the client's connection itself, and keep-alive is what is under test.
 */
export class RequestReader {
  private buffered: Buffer = Buffer.alloc(0);
  private state: 'head' | 'length' | 'chunk-size' | 'chunk' | 'trailer' = 'head';
  private left = 0;

  *read(bytes: Buffer): Generator<RequestPart> {
    this.buffered = this.buffered.length === 0 ? bytes : Buffer.concat([this.buffered, bytes]);
    for (let part = this.next(); part !== null; part = this.next()) {
      if (part.kind !== 'body' || part.bytes.length > 0) yield part;
    }
  }

  private next(): RequestPart | null {
    switch (this.state) {
      case 'head':
        return this.head();
      case 'length':
        return this.counted('end');
      case 'chunk-size':
        return this.chunkSize();
      case 'chunk':
        return this.counted('chunk-size');
      case 'trailer':
        return this.trailer();
      default:
        return this.state satisfies never;
    }
  }

  private take(length: number): Buffer {
    const taken = this.buffered.subarray(0, length);
    this.buffered = this.buffered.subarray(length);
    return taken;
  }

  private head(): RequestPart | null {
    const at = this.buffered.indexOf(END_OF_HEAD);
    if (at < 0) return null;
    const head = this.take(at + END_OF_HEAD.length);
    const text = head.toString('latin1');
    const [method = '', path = ''] = text.split(' ', 2);
    const header = (name: string) => new RegExp(`^${name}: *(.*?)\\s*$`, 'im').exec(text)?.[1];
    this.left = Number(header('content-length') ?? 0);
    const chunked = header('transfer-encoding')?.toLowerCase() === 'chunked';
    this.state = chunked ? 'chunk-size' : 'length';
    return {
      kind: 'head',
      request: {
        method,
        path,
        head,
        expectsContinue: header('expect') !== undefined,
        bodyLength: chunked ? null : this.left,
      },
    };
  }

  private counted(then: 'end' | 'chunk-size'): RequestPart | null {
    if (this.left === 0) {
      this.state = then === 'end' ? 'head' : then;
      return then === 'end' ? { kind: 'end' } : this.next();
    }
    if (this.buffered.length === 0) return null;
    const bytes = this.take(Math.min(this.left, this.buffered.length));
    this.left -= bytes.length;
    return { kind: 'body', bytes };
  }

  private chunkSize(): RequestPart | null {
    const at = this.buffered.indexOf('\r\n');
    if (at < 0) return null;
    const line = this.take(at + 2);
    const size = Number.parseInt(line.toString('latin1'), 16);
    // The line end after the chunk's data goes along with it.
    this.left = size + 2;
    this.state = size === 0 ? 'trailer' : 'chunk';
    return { kind: 'body', bytes: line };
  }

  private trailer(): RequestPart | null {
    const at = this.buffered.indexOf('\r\n');
    if (at < 0) return null;
    const line = this.take(at + 2);
    if (line.length === 2) {
      this.state = 'length';
      this.left = 0;
    }
    return { kind: 'body', bytes: line };
  }
}
