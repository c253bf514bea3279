import { type Amount, createFlow, type FlowNow } from '../backends/flow.ts';
import { efficiency } from '../backends/model/service.ts';
import type { BackendStatus } from '../backends/pool.ts';
import type { QueueView } from '../ledger/ledger.ts';
import type { EpochMs } from '../study.ts';
import type { AdminDeps } from './deps.ts';
import { noticeOf } from './health.ts';
import { heldBack } from './held.ts';
import type { FarmAnswer } from './observe-schemas.ts';
import { presentBackend, presentFront } from './present.ts';
import { iso } from './present-failover.ts';

type ViewDeps = Pick<
  AdminDeps,
  | 'ledger'
  | 'pool'
  | 'topology'
  | 'clock'
  | 'version'
  | 'ledgerNotice'
  | 'twinsNotice'
  | 'routing'
  | 'flow'
  | 'learnt'
  | 'frontHealth'
  | 'admission'
  | 'freeBytes'
>;

/** Modalities in the picture at most: those that sent last. */
const mostSenders = 50;

/** The whole farm as it is now, in one answer. @throws LedgerError when that is asked and cannot be read */
export function createFarmView(deps: ViewDeps): () => FarmAnswer {
  const { ledger, pool, clock, topology } = deps;
  const flow = deps.flow ?? createFlow(clock);

  return () => {
    const now = clock();
    const moving = flow.now();
    const queue = ledger.queue();
    const { policy, order, shadow } = deps.routing?.() ?? topology.routing;
    const health = deps.frontHealth?.();
    return {
      at: iso(now),
      version: deps.version,
      notice: noticeOf(deps),
      policy: { name: policy, order, shadow },
      waiting: {
        instances: queue.instances,
        bytes: queue.bytes,
        oldestAgeSeconds: ageSeconds(queue.oldestAt, now),
        quarantined: queue.quarantined,
        unplacedStudies: queue.unplacedStudies,
        settling: queue.settling,
      },
      rates: {
        inInstances: moving.in.instances,
        inBytes: moving.in.bytes,
        outInstances: moving.out.instances,
        outBytes: moving.out.bytes,
      },
      modalities: moving.senders.slice(0, mostSenders).map((sender) => ({
        aet: sender.aet,
        station: sender.station,
        modality: sender.modality,
        fronts: sender.fronts.map((edge) => ({ front: edge.to, ...perSecond(edge) })),
        lastSeenAt: iso(sender.lastSeenAt),
      })),
      fronts: topology.fronts.map((front) => ({
        ...presentFront(front, health?.get(front.name), deps.admission?.(front.name)),
        freeBytes: deps.freeBytes?.(front.name) ?? null,
        edges: moving.edges
          .filter(({ from }) => from === front.name)
          .map((edge) => ({ backend: edge.to, ...perSecond(edge) })),
      })),
      backends: backendsOf(queue, moving, now),
    };
  };

  function backendsOf(queue: QueueView, moving: FlowNow, now: EpochMs): FarmAnswer['backends'] {
    const loads = new Map(queue.backends.map((load) => [load.backend, load]));
    const rates = new Map<string, Amount>();
    for (const { to, instances, bytes } of moving.edges) {
      const before = rates.get(to) ?? { instances: 0, bytes: 0 };
      rates.set(to, { instances: before.instances + instances, bytes: before.bytes + bytes });
    }
    return pool.statuses().map((status) => {
      const load = loads.get(status.name);
      return {
        ...presentBackend(status),
        learnt: learntOf(status, now),
        waiting: {
          studies: load?.studies ?? 0,
          instances: load?.instances ?? 0,
          bytes: load?.bytes ?? 0,
          oldestAgeSeconds: ageSeconds(load?.oldestAt ?? null, now),
        },
        held: heldBack(pool, status.name, now),
        diskLimitBytes: status.diskLimitBytes ?? null,
        rate: rates.get(status.name) ?? { instances: 0, bytes: 0 },
      };
    });
  }

  /** What is only assumed of a backend is not shown as if it were known. */
  function learntOf({ name }: BackendStatus, now: EpochMs): FarmAnswer['backends'][number]['learnt'] {
    const model = deps.learnt?.(name);
    if (model === undefined || model.samples === 0) {
      return { instancesPerSecond: null, bytesPerSecond: null, secondsPerTransfer: null, measured: false };
    }
    const lately = efficiency(model, now);
    return {
      instancesPerSecond: lately / model.secondsPerInstance,
      bytesPerSecond: lately / model.secondsPerByte,
      secondsPerTransfer: model.secondsPerTransfer / lately,
      measured: true,
    };
  }
}

function perSecond({ instances, bytes }: Amount): { instancesPerSecond: number; bytesPerSecond: number } {
  return { instancesPerSecond: instances, bytesPerSecond: bytes };
}

function ageSeconds(at: EpochMs | null, now: EpochMs): number | null {
  return at === null ? null : Math.max(0, now - at) / 1000;
}
