/**
 * Something the person at the keyboard has to change: the message is one clear sentence that says what, and the command line
 * ends with exit code 2. Everything else that is thrown is a failure of ours or of the world and ends with 1.
 */
export class UserError extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'UserError';
  }
}

/** The `code` of a Node system error (`ENOENT`, `EACCES`, …), or null for anything else. */
export function systemCode(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}
