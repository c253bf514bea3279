import type { BackendConfig } from '../topology/topology.ts';
import type { Orthanc } from './orthanc.ts';

export interface Clients {
  /** By name; always the same map, so that whoever was given it sees backends come and go. */
  readonly map: ReadonlyMap<string, Orthanc>;
  /** The topology has these backends now. One with another address, user or password has another client. */
  follow(configs: readonly BackendConfig[]): void;
  /** Ends all connections, also of clients that were replaced. */
  close(): void;
}

/** What was begun with a client that is replaced may go on for so long; closing ends what is under way, such as a large study being moved. */
const graceMs = 300_000;

/** The clients of all backends. */
export function createClients(
  configs: readonly BackendConfig[],
  connect: (config: BackendConfig) => Orthanc,
): Clients {
  const map = new Map<string, Orthanc>();
  const access = new Map<string, string>();
  const retired = new Map<Orthanc, NodeJS.Timeout>();

  function follow(wanted: readonly BackendConfig[]): void {
    const before = new Map(map);
    map.clear();
    for (const config of wanted) {
      const { name, url, username, password } = config;
      const now = JSON.stringify([url, username, password]);
      const known = before.get(name);
      if (known !== undefined && access.get(name) === now) {
        map.set(name, known);
        before.delete(name);
        continue;
      }
      access.set(name, now);
      map.set(name, connect(config));
    }
    for (const [name, client] of before) {
      if (!map.has(name)) access.delete(name);
      retire(client);
    }
  }

  function retire(client: Orthanc): void {
    const timer = setTimeout(() => {
      retired.delete(client);
      client.close();
    }, graceMs);
    timer.unref();
    retired.set(client, timer);
  }

  follow(configs);
  return {
    map,
    follow,
    close() {
      for (const timer of retired.values()) clearTimeout(timer);
      for (const client of [...map.values(), ...retired.keys()]) client.close();
      retired.clear();
    },
  };
}
