import type { Logger } from 'winston';
import { type LearningLedger, LedgerError } from '../ledger/ledger.ts';
import { learn, prior, type ServiceModel, type ServiceSample } from './model/service.ts';
import { realTimers, type Timers } from './timers.ts';

export interface LearningOptions {
  readonly backends: readonly string[];
  readonly ledger: Pick<LearningLedger, 'serviceModels' | 'keepServiceModels'>;
  readonly log: Logger;
  readonly timers?: Timers;
}

/** How fast each backend takes images, learnt from its transfers. */
export interface Learning {
  /** What is known of it; before its first transfer, and for a name that is not in the topology, the prior. */
  model(backend: string): ServiceModel;
  /** One of its transfers ended well. */
  learnt(backend: string, sample: ServiceSample): void;
  /** The topology has these backends now: those that came go on with what is known of them. Never throws: speed is learnt anew. */
  follow(backends: readonly string[]): void;
  /** Keeps what was learnt every few seconds from now on. */
  start(): void;
  /** Keeps what was learnt last. Never throws: losing some seconds of it costs a little speed, and no image. */
  stop(): void;
}

const keepEveryMs = 5_000;

/**
 * Goes on with what an earlier run has learnt; of a backend nobody measured yet there is the prior. Not written with each transfer:
 * that would be one more commit for each, to save what five seconds can teach again.
 *
 * @throws LedgerError when it cannot be read
 */
export function createLearning(options: LearningOptions): Learning {
  const { ledger, log } = options;
  const timers = options.timers ?? realTimers;
  const models = new Map<string, ServiceModel>(options.backends.map((backend) => [backend, prior]));
  const unkept = new Set<string>();
  let endTimer: (() => void) | null = null;

  recall(new Set(options.backends));

  function recall(names: ReadonlySet<string>): void {
    for (const { backend, ...model } of ledger.serviceModels()) {
      if (!names.has(backend)) continue;
      if (isUsable(model)) models.set(backend, model);
      else log.warn('what was learnt of a backend is no use and is learnt anew', { backend });
    }
  }

  function keep(): void {
    if (unkept.size === 0) return;
    try {
      ledger.keepServiceModels(
        [...unkept].map((backend) => ({ backend, ...(models.get(backend) ?? prior) })),
      );
      unkept.clear();
    } catch (error) {
      // Tried again with what is learnt meanwhile.
      log.error('what was learnt of the backends could not be kept', {
        code: error instanceof LedgerError ? error.code : 'failed',
        detail: error instanceof Error ? error.message : String(error),
      });
    }
  }

  return {
    model: (backend) => models.get(backend) ?? prior,
    learnt(backend, sample) {
      const before = models.get(backend);
      if (before === undefined) return;
      const after = learn(before, sample);
      if (after === before) return;
      if (!isUsable(after)) {
        log.error('a transfer taught nonsense of a backend', { backend, ...sample });
        return;
      }
      models.set(backend, after);
      unkept.add(backend);
    },
    follow(backends) {
      const came = backends.filter((backend) => !models.has(backend));
      if (backends.length === models.size && came.length === 0) return;
      // What was not kept yet of those that leave would be gone.
      keep();
      for (const backend of models.keys()) if (!backends.includes(backend)) models.delete(backend);
      for (const backend of came) models.set(backend, prior);
      try {
        if (came.length > 0) recall(new Set(came));
      } catch (error) {
        if (!(error instanceof LedgerError)) throw error;
        log.warn('what was learnt of a backend earlier cannot be read', { code: error.code });
      }
    },
    start() {
      endTimer ??= timers.every(keepEveryMs, keep);
    },
    stop() {
      endTimer?.();
      endTimer = null;
      keep();
    },
  };
}

/** A file somebody changed, or an earlier release's mistake, must not decide where studies go. */
function isUsable(model: ServiceModel): boolean {
  const { secondsPerTransfer, secondsPerInstance, secondsPerByte, covariance, logEfficiency } = model;
  const { logBaseline, samples } = model;
  const [oo, , ss, , , cc] = covariance;
  return (
    [...covariance, logEfficiency, logBaseline].every(Number.isFinite) &&
    [secondsPerTransfer, secondsPerInstance, secondsPerByte].every(
      (value) => Number.isFinite(value) && value > 0,
    ) &&
    oo >= 0 &&
    ss >= 0 &&
    cc >= 0 &&
    samples >= 0
  );
}
