import { prior, type ServiceModel } from '../backends/model/service.ts';
import type { EpochMs } from '../study.ts';
import type { Condition, ModelledBackend } from './world.ts';

/** As slow as an oracle says a backend is that does nothing: a policy divides by it. */
const leastSpeed = 1e-3;

/**
 * What would have been learnt of a backend by somebody who knows it: its true seconds for a transfer, an image and a byte with all lanes
 * at work, and how it is doing at this moment. Moments in which it does nothing nobody can foresee, and it does not.
 */
export function trueService(backend: ModelledBackend, condition: Condition, now: EpochMs): ServiceModel {
  const { secondsPerInstance, secondsPerByte, setupSeconds, contention, lanes } = backend;
  const beside = 1 + contention * (lanes - 1);
  const logSpeed = Math.log(Math.max(leastSpeed, condition.steady));
  return {
    ...prior,
    covariance: [0, 0, 0, 0, 0, 0],
    secondsPerTransfer: setupSeconds * beside,
    secondsPerInstance: secondsPerInstance * beside,
    secondsPerByte: secondsPerByte * beside,
    logEfficiency: logSpeed,
    logBaseline: logSpeed,
    samples: 1_000,
    sampledAt: now,
  };
}
