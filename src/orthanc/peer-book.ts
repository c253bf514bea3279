import { madeByKey } from '../topology/peer.ts';
import { peerSettingsAnswer, peerSystemAnswer } from './answers.ts';
import { askFor, orNull, understood } from './ask.ts';
import { type OrthancAccess, OrthancHttp } from './http.ts';
import type { CallOptions } from './orthanc.ts';
import { SmallReads } from './small-reads.ts';

/** A peer as its front shows it. */
export interface KnownPeer {
  /** No trailing slash. */
  readonly url: string;
  readonly username: string | null;
  /** Who signed it; null: nobody did, so an operator wrote it. */
  readonly madeBy: string | null;
}

export interface NewPeer {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  readonly timeoutSeconds: number;
  readonly madeBy: string;
}

/** The peers of one front, and what it reaches through them. All methods throw `OrthancError`. */
export interface PeerBook {
  readonly front: string;
  all(options?: CallOptions): Promise<ReadonlyMap<string, KnownPeer>>;
  /** Makes it, or replaces it whole. Lives until the front ends: it begins with the peers of its configuration. */
  put(name: string, peer: NewPeer, options?: CallOptions): Promise<void>;
  /** One that is not there: that is what was wanted. */
  remove(name: string, options?: CallOptions): Promise<void>;
  /**
   * Has the front ask the peer for its version. The front keeps a lock on its configuration meanwhile, for as long as the peer's
   * own time limit, whatever is said here: ask only about one that has just answered.
   */
  ask(name: string, options?: CallOptions): Promise<{ readonly version: string }>;
  /** Has the front send a C-ECHO. The association is given up after `timeoutSeconds`. */
  echo(
    to: {
      readonly aeTitle: string;
      readonly host: string;
      readonly port: number;
      readonly timeoutSeconds: number;
    },
    options?: CallOptions,
  ): Promise<void>;
  /** Closes idle connections. */
  close(): void;
}

export function createPeerBook(access: OrthancAccess): PeerBook {
  const http = new OrthancHttp(access);
  const reads = new SmallReads(access, http);
  const pathOf = (name: string): string => `/peers/${encodeURIComponent(name)}`;
  const contentType = 'application/json';
  return {
    front: access.name,

    async all(options) {
      const request = { method: 'GET', path: '/peers?expand' } as const;
      // Asked before most transfers.
      const peers = understood(http, request, peerSettingsAnswer, await reads.ask(request, options));
      return new Map(
        Object.entries(peers).map(([name, peer]) => [
          name,
          {
            // Orthanc adds the slash itself.
            url: peer.Url.replace(/\/+$/, ''),
            username: peer.Username ?? null,
            madeBy: peer[madeByKey] ?? null,
          },
        ]),
      );
    },

    async put(name, { url, username, password, timeoutSeconds, madeBy }, options) {
      const body = {
        Url: url,
        Username: username,
        Password: password,
        Timeout: timeoutSeconds,
        [madeByKey]: madeBy,
      };
      const request = { method: 'PUT', path: pathOf(name), body: JSON.stringify(body), contentType } as const;
      await http.ask(request, options);
    },

    async remove(name, options) {
      await orNull(http.ask({ method: 'DELETE', path: pathOf(name) }, options), ['not-found']);
    },

    async ask(name, options) {
      const request = { method: 'GET', path: `${pathOf(name)}/system` } as const;
      const { Version } = await askFor(http, request, peerSystemAnswer, options);
      return { version: Version };
    },

    async echo({ aeTitle, host, port, timeoutSeconds }, options) {
      const body = { AET: aeTitle, Host: host, Port: port, Timeout: timeoutSeconds };
      const path = '/tools/dicom-echo';
      await http.ask({ method: 'POST', path, body: JSON.stringify(body), contentType }, options);
    },

    close() {
      reads.close();
      http.close();
    },
  };
}
