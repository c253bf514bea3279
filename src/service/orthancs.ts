import { createOrthanc } from '../orthanc/client.ts';
import { type Clients, createClients } from '../orthanc/clients.ts';
import type { OrthancAccess } from '../orthanc/http.ts';
import type { Orthanc } from '../orthanc/orthanc.ts';
import { createPeerBook, type PeerBook } from '../orthanc/peer-book.ts';
import { Turns } from '../orthanc/turns.ts';
import { peerTimeoutSeconds } from '../topology/peer.ts';
import type { OrthancConfig } from '../topology/topology.ts';
import { createPeers, type Peers } from '../transfer/peers.ts';
import { createTwins, type Twins } from '../transfer/twins.ts';
import type { Ground } from './ground.ts';

/** The Orthancs of the farm, and who of them leads to whom. */
export interface Orthancs {
  readonly fronts: ReadonlyMap<string, Orthanc>;
  readonly backends: ReadonlyMap<string, Orthanc>;
  /** The same backends, as they come, change and go. */
  readonly clients: Clients;
  /** Each front's peers. */
  readonly books: ReadonlyMap<string, PeerBook>;
  readonly peers: Peers;
  readonly twins: Twins;
}

/** Asks nobody yet: peers and twins begin to look when they are started. */
export function connectOrthancs({ topology, log, onStop }: Ground): Orthancs {
  const { lookupTimeoutMs, requestTimeoutMs } = topology.routing;
  const accessOf = ({ name, url, username, password }: OrthancConfig): OrthancAccess => ({
    name,
    url,
    username,
    password,
    requestTimeoutMs,
  });
  const turns = new Turns();
  const connect = (config: OrthancConfig): Orthanc => createOrthanc(accessOf(config), turns);

  const fronts = new Map(topology.fronts.map((config) => [config.name, connect(config)]));
  const clients = createClients(topology.backends, connect);
  const backends = clients.map;
  const books = new Map(topology.fronts.map((front) => [front.name, createPeerBook(accessOf(front))]));
  onStop(() => {
    for (const one of [...fronts.values(), ...books.values()]) one.close();
    clients.close();
  });
  const peers = createPeers({
    fronts: books,
    backends: topology.backends,
    timeoutSeconds: peerTimeoutSeconds(topology.routing),
    peersOf: async (backend) => {
      const book = createPeerBook(accessOf(backend));
      try {
        // Part of a question that may take as long as a request in all.
        return await book.all({ timeoutMs: Math.min(lookupTimeoutMs, Math.floor(requestTimeoutMs / 4)) });
      } finally {
        book.close();
      }
    },
    log,
  });
  onStop(() => peers.stop());
  const twins = createTwins({ backends, timeoutMs: lookupTimeoutMs, log });
  onStop(() => twins.stop());
  return { fronts, backends, clients, books, peers, twins };
}
