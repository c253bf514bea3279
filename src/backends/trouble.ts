import { OrthancError } from '../orthanc/orthanc.ts';
import { TooLate } from './bounded.ts';

/**
 * What is wrong with an Orthanc that did not answer well, in a few words for a person. The same trouble always gives the same
 * words (no timings, no ports of sockets), since what waits keeps its reason only when that changes.
 */
export function troubleOf(error: unknown): string {
  if (error instanceof TooLate) return 'did not answer in time';
  if (!(error instanceof OrthancError)) return error instanceof Error ? error.message : String(error);
  switch (error.code) {
    case 'unreachable':
      return connectionTrouble(error.message);
    case 'timeout':
      return 'did not answer in time';
    case 'unauthorized':
      return 'refuses the user name or password';
    case 'not-found':
    case 'rejected':
    case 'server-error':
      return error.status === null ? 'answers with an error' : `answers with HTTP ${error.status}`;
    case 'nonsense':
      return 'does not answer as an Orthanc does';
  }
}

const inWords: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection broken',
  EPIPE: 'connection broken',
  ENOTFOUND: 'no such host name',
  EAI_AGAIN: 'host name cannot be resolved now',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  ETIMEDOUT: 'connection timed out',
};

/** The system's code stands in brackets at the end of the message; it is read for its wording only, and nothing depends on it. */
function connectionTrouble(message: string): string {
  const code = /\((E[A-Z_]+)\)$/.exec(message)?.[1];
  return (code === undefined ? undefined : inWords[code]) ?? 'cannot be reached';
}
