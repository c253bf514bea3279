import type { OperatorState } from '../study.ts';
import type { Connection } from './connection.ts';
import type { BackendLedger, BackendLoad } from './ledger.ts';

export const backendsSql = {
  settings: `SELECT name AS backend, state, weight FROM backends WHERE state IS NOT NULL ORDER BY name`,
  set: `
    INSERT INTO backends (name, state, weight, changed_at) VALUES (@backend, @state, @weight, @now)
    ON CONFLICT (name) DO UPDATE SET state = excluded.state, weight = excluded.weight, changed_at = excluded.changed_at`,
  loads: `
    SELECT b.name AS backend, b.studies, b.instances, b.bytes,
      (SELECT min(d.arrived_at) FROM deliveries d WHERE d.backend = b.name) AS oldestAt
    FROM backends b WHERE b.instances > 0 ORDER BY b.name`,
  lastPlacements: `SELECT name AS backend, last_placement AS number FROM backends`,
} as const;

/** The part that knows what an operator said of each backend, and what is on the way to it. */
export function createBackends(connection: Connection): BackendLedger {
  const settings = connection.prepare<{ backend: string; state: OperatorState; weight: number | null }>(
    backendsSql.settings,
  );
  const set = connection.prepare(backendsSql.set);
  const loads = connection.prepare<BackendLoad>(backendsSql.loads);
  const lastPlacements = connection.prepare<{ backend: string; number: number }>(backendsSql.lastPlacements);

  return {
    backendSettings: () => connection.read(() => settings.all()),
    setBackend(setting, now) {
      connection.write(() => set.run({ ...setting, now }));
    },
    loads: () => connection.read(() => loads.all()),
    lastPlacements: () =>
      connection.read(() => new Map(lastPlacements.all().map((row) => [row.backend, row.number]))),
  };
}
