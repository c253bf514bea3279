import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A leaky bucket over all connections in one direction. */
export class Bucket {
  private rate = Number.POSITIVE_INFINITY;
  private freeAt = 0;

  reset(bytesPerSecond: number): void {
    this.rate = bytesPerSecond;
    this.freeAt = 0;
  }

  async pass(bytes: Buffer, onward: (piece: Buffer) => Promise<void>): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) {
      const piece = rest.subarray(
        0,
        Number.isFinite(this.rate) ? Math.max(1, Math.floor(this.rate / 20)) : rest.length,
      );
      rest = rest.subarray(piece.length);
      const now = performance.now();
      this.freeAt = Math.max(this.freeAt, now) + (1000 * piece.length) / this.rate;
      const wait = this.freeAt - now;
      if (wait > 1) await sleep(wait, undefined, { ref: false });
      await onward(piece);
    }
  }
}

/** Resolves when the socket takes more. @throws when it is gone */
export async function write(socket: Socket, bytes: Buffer): Promise<void> {
  if (bytes.length === 0) return;
  if (socket.destroyed) throw new Error('the other side is gone');
  if (socket.write(bytes)) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}
