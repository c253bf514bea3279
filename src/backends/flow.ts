import type { Ledger } from '../ledger/ledger.ts';
import type { Arrival, Clock, EpochMs } from '../study.ts';

/** Images and bytes: so many, or so many a second. */
export interface Amount {
  readonly instances: number;
  readonly bytes: number;
}

export interface Edge extends Amount {
  readonly from: string;
  readonly to: string;
}

/** What sends images, as it calls itself. */
export interface Sender {
  readonly aet: string;
  readonly station: string | null;
  readonly modality: string | null;
  readonly lastSeenAt: EpochMs;
  /** Images a second to each front, over the last ten seconds. */
  readonly fronts: readonly Edge[];
}

/** What moves at this moment, a second, on average over the last ten whole seconds. */
export interface FlowNow {
  readonly in: Amount;
  readonly out: Amount;
  /** Last seen first. */
  readonly senders: readonly Sender[];
  /** Front → backend; those that carried something since the service started. */
  readonly edges: readonly Edge[];
}

/** Counts what comes and goes, in memory: a row for each image would cost more than the image. */
export interface Flow {
  arrived(arrival: Pick<Arrival, 'front' | 'remoteAet' | 'modality' | 'station' | 'bytes'>): void;
  /** A transfer ended that moved so much. */
  carried(transfer: Amount & { readonly front: string; readonly backend: string }): void;
  now(): FlowNow;
  /** All that came and went since the last call. */
  take(): { readonly in: Amount; readonly out: Amount };
}

/** Of images that were sent without an association, such as by HTTP, or whose sender did not say. */
export const withoutAet = '(no AE title)';

const secondMs = 1_000;
/** Rates are averages over so many seconds: long enough to be calm, short enough to be now. */
const windowSeconds = 10;
/** A sender that was silent for longer is not in the picture any more. */
const seenMs = 15 * 60_000;
/** AE titles come from anybody: no more of them are remembered. */
const mostSenders = 200;

/** A ring of one-second buckets; the one of the running second is not part of any rate, since it is not full yet. */
class Rate {
  readonly #seconds = new Float64Array(windowSeconds + 1).fill(-1);
  readonly #instances = new Float64Array(windowSeconds + 1);
  readonly #bytes = new Float64Array(windowSeconds + 1);

  add(second: number, { instances, bytes }: Amount): void {
    const place = second % (windowSeconds + 1);
    if (this.#seconds[place] !== second) {
      this.#seconds[place] = second;
      this.#instances[place] = 0;
      this.#bytes[place] = 0;
    }
    this.#instances[place] = (this.#instances[place] ?? 0) + instances;
    this.#bytes[place] = (this.#bytes[place] ?? 0) + bytes;
  }

  at(second: number): Amount {
    let instances = 0;
    let bytes = 0;
    for (const [place, counted] of this.#seconds.entries()) {
      if (counted >= second || counted < second - windowSeconds) continue;
      instances += this.#instances[place] ?? 0;
      bytes += this.#bytes[place] ?? 0;
    }
    return { instances: instances / windowSeconds, bytes: bytes / windowSeconds };
  }
}

interface Seen {
  station: string | null;
  modality: string | null;
  lastSeenAt: EpochMs;
  readonly fronts: Map<string, Rate>;
}

export function createFlow(clock: Clock): Flow {
  /** In the order in which they were last seen. */
  const senders = new Map<string, Seen>();
  const edges = new Map<string, Map<string, Rate>>();
  const total = { in: new Rate(), out: new Rate() };
  let since = { in: nothing(), out: nothing() };

  function seen(aet: string): Seen {
    const known = senders.get(aet);
    // Moved to the end, so that the first is the one that was silent longest.
    senders.delete(aet);
    const one = known ?? { station: null, modality: null, lastSeenAt: 0, fronts: new Map<string, Rate>() };
    senders.set(aet, one);
    const [oldest] = senders.keys();
    if (senders.size > mostSenders && oldest !== undefined) senders.delete(oldest);
    return one;
  }

  function edgesNow(second: number): readonly Edge[] {
    return [...edges].flatMap(([from, to]) =>
      [...to].map(([backend, rate]) => ({ from, to: backend, ...rate.at(second) })),
    );
  }

  return {
    arrived({ front, remoteAet, modality, station, bytes }) {
      const now = clock();
      const second = Math.floor(now / secondMs);
      const amount = { instances: 1, bytes };
      const sender = seen(remoteAet ?? withoutAet);
      sender.lastSeenAt = now;
      sender.modality = modality ?? sender.modality;
      sender.station = station ?? sender.station;
      rateOf(sender.fronts, front).add(second, amount);
      total.in.add(second, amount);
      since = { ...since, in: sum(since.in, amount) };
    },

    carried({ front, backend, instances, bytes }) {
      if (instances === 0) return;
      const second = Math.floor(clock() / secondMs);
      const amount = { instances, bytes };
      const to = edges.get(front) ?? new Map<string, Rate>();
      edges.set(front, to);
      rateOf(to, backend).add(second, amount);
      total.out.add(second, amount);
      since = { ...since, out: sum(since.out, amount) };
    },

    now() {
      const now = clock();
      const second = Math.floor(now / secondMs);
      return {
        in: total.in.at(second),
        out: total.out.at(second),
        senders: [...senders]
          .filter(([, { lastSeenAt }]) => lastSeenAt > now - seenMs)
          .toReversed()
          .map(([aet, { station, modality, lastSeenAt, fronts }]) => ({
            aet,
            station,
            modality,
            lastSeenAt,
            fronts: [...fronts].map(([front, rate]) => ({ from: aet, to: front, ...rate.at(second) })),
          })),
        edges: edgesNow(second),
      };
    },

    take() {
      const taken = since;
      since = { in: nothing(), out: nothing() };
      return taken;
    },
  };
}

/** The ledger's ways of taking in what stands on a front, each image counted once it is noted. */
export function countingArrivals(
  ledger: Pick<Ledger, 'received' | 'receivedMany'>,
  flow: Pick<Flow, 'arrived'>,
): Pick<Ledger, 'received' | 'receivedMany'> {
  return {
    received(arrival, now) {
      const answer = ledger.received(arrival, now);
      flow.arrived(arrival);
      return answer;
    },
    receivedMany(arrivals, now) {
      const answers = ledger.receivedMany(arrivals, now);
      for (const arrival of arrivals) flow.arrived(arrival);
      return answers;
    },
  };
}

function rateOf(rates: Map<string, Rate>, name: string): Rate {
  const known = rates.get(name);
  if (known !== undefined) return known;
  const made = new Rate();
  rates.set(name, made);
  return made;
}

function nothing(): Amount {
  return { instances: 0, bytes: 0 };
}

function sum(a: Amount, b: Amount): Amount {
  return { instances: a.instances + b.instances, bytes: a.bytes + b.bytes };
}
