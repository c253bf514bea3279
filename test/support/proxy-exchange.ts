import type { SeenRequest } from './http-requests.ts';
import type { Fault } from './proxy.ts';

const END_OF_HEAD = '\r\n\r\n';

/** The request under way on one connection, and how much of its answer went by. */
export class Exchange {
  request: SeenRequest | null = null;
  fault: Fault = { kind: 'pass' };
  answered = 0;
  private head: Buffer = Buffer.alloc(0);
  /** Where in the answer's body the byte to flip is yet to come; null before the body, -1 when it went by. */
  private flipIn: number | null = null;

  begin(request: SeenRequest, fault: Fault): void {
    this.request = request;
    this.fault = fault;
    this.answered = 0;
    this.head = Buffer.alloc(0);
    this.flipIn = null;
  }

  /** The answer's bytes as they are to be passed on. */
  answer(bytes: Buffer): Buffer {
    if (this.fault.kind !== 'flip-answer' || this.flipIn === -1) return bytes;
    let body = bytes;
    if (this.flipIn === null) {
      const before = this.head.length;
      this.head = Buffer.concat([this.head, bytes]);
      let end = this.head.indexOf(END_OF_HEAD);
      if (end >= 0 && /^HTTP\/1\.\d 100 /.test(this.head.toString('latin1', 0, 16)))
        end = this.head.indexOf(END_OF_HEAD, end + 1);
      if (end < 0) return bytes;
      const length = Number(
        /^content-length: *(\d+)/im.exec(this.head.toString('latin1', 0, end + 2))?.[1] ?? 0,
      );
      this.flipIn = length === 0 ? -1 : this.fault.at % length;
      body = bytes.subarray(end + END_OF_HEAD.length - before);
      if (this.flipIn < 0) return bytes;
    }
    if (this.flipIn >= body.length) {
      this.flipIn -= body.length;
      return bytes;
    }
    const at = bytes.length - body.length + this.flipIn;
    this.flipIn = -1;
    return flipped(bytes, at);
  }
}

/** A copy with the lowest bit of one byte changed. */
export function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
  return copy;
}
