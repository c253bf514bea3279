import { expect, test } from 'vitest';
import { LedgerError } from '../../src/ledger/ledger.ts';
import { silentLogger } from '../../src/log.ts';
import { createTakeOver } from '../../src/steer/take-over.ts';
import type { BackendConfig } from '../../src/topology/topology.ts';
import { rigTopology } from '../admin/topology.ts';

test('a ledger that fails leaves everything as it was, and the change is still one', () => {
  const followed: string[] = [];
  let fails = true;
  const urls = (backends: readonly BackendConfig[]): string => backends.map(({ url }) => url).join(' ');
  const current = createTakeOver({
    topology: rigTopology,
    generated: null,
    fronts: new Map(),
    clients: {
      map: new Map(),
      follow: (backends) => followed.push(`clients ${urls(backends)}`),
      close: () => undefined,
    },
    learning: { follow: () => undefined },
    pool: {
      configure(backends) {
        if (fails) throw new LedgerError('full', 'no space');
        followed.push(`pool ${urls(backends)}`);
      },
    },
    poller: { follow: () => undefined },
    peers: { follow: (backends) => followed.push(`peers ${urls(backends)}`) },
    twins: { follow: () => undefined },
    onChange: () => undefined,
    log: silentLogger(),
  });
  const moved = {
    ...rigTopology,
    backends: rigTopology.backends.map((one) => ({ ...one, url: `${one.url}0` })),
  };
  expect(() => current.take(moved)).toThrow('no space');
  // What is sent and what is asked afterwards must be the same Orthanc.
  expect(followed.at(-1)).toBe(`clients ${urls(rigTopology.backends)}`);
  expect(current.latest).toBe(rigTopology);
  fails = false;
  followed.length = 0;
  current.take(moved);
  expect(followed).toEqual(['clients', 'pool', 'peers'].map((who) => `${who} ${urls(moved.backends)}`));
});
