import { LedgerError } from './ledger.ts';

/** Where a page ended: the time it was ordered by, and the row's number among those of the same time. */
export function cursorOf(at: number, id: number): string {
  return `${at}.${id}`;
}

const shape = /^(-?\d{1,15})\.(\d{1,15})$/;

/** For those who must tell a caller's mistake from a failure of the ledger. */
export function isCursor(cursor: string): boolean {
  return shape.test(cursor);
}

/** @throws LedgerError `failed` when it is not one of ours */
export function readCursor(cursor: string): { at: number; id: number } {
  const parts = shape.exec(cursor);
  if (parts === null) throw new LedgerError('failed', 'The cursor is none that a former page gave.');
  return { at: Number(parts[1]), id: Number(parts[2]) };
}
