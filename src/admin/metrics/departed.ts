import { Counter, Histogram } from 'prom-client';
import type { AdminDeps } from '../deps.ts';

/**
 * Has what was counted of backends that are in the topology no more go away with the next scrape: a series that stands still for ever
 * looks like a backend that does nothing. Looked for at each scrape, and not when a backend leaves, since a transfer that was under way
 * then is counted later. Gauges are made anew at each scrape anyway. Should the backend come again, its counters begin at 0,
 * as after a restart.
 */
export function forgetDeparted({
  pool,
  registry,
}: Pick<AdminDeps, 'pool' | 'registry'>): () => Promise<void> {
  return async () => {
    const names = new Set<unknown>(pool.names());
    for (const metric of registry.getMetricsAsArray()) {
      if (!(metric instanceof Counter || metric instanceof Histogram)) continue;
      const { values } = await metric.get();
      for (const { labels } of values) {
        if (labels['backend'] === undefined || names.has(labels['backend'])) continue;
        // The bound of a bucket is none of the labels a series is kept by.
        const { le: _le, ...series } = labels;
        metric.remove(series);
      }
    }
  };
}
