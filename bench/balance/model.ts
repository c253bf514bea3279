import { policyNamed } from '../../src/decision/policies.ts';
import { simulate } from '../../src/simulate/simulate.ts';
import type { ModelledBackend } from '../../src/simulate/world.ts';
import { type Figures, figuresOf } from './figures.ts';
import type { PolicyUnderTest } from './policy.ts';
import type { LiveScenario } from './scenarios.ts';
import type { TraceStudy } from './trace.ts';

/** What an image and a transfer cost beside what the proxy lets through: the job, the requests, the proof. Seconds, seen on two cores. */
const beside = { image: 0.01, transfer: 0.05 };

/** What the simulator makes of the very trace that is sent, with the policy's own code and backends as their proxies make them. */
export function modelOf(
  scenario: LiveScenario,
  trace: readonly TraceStudy[],
  { policy, order }: PolicyUnderTest,
): Figures {
  const { studies } = simulate({
    arrivals: trace.map(({ name, at, secondsBetweenImages, bytesPerInstance, ...study }) => ({
      studyUid: name,
      modality: study.modality,
      station: study.station,
      at,
      seconds: (study.instances - 1) * secondsBetweenImages,
      instances: study.instances,
      bytes: study.instances * bytesPerInstance,
    })),
    backends: scenario.backends.map((_, index) => modelledBackend(scenario, index)),
    policy: policyNamed(policy, { order }),
    seed: 1,
    settings: { settleSeconds: 2 },
  });
  const waits: number[] = [];
  let makespan = 0;
  for (const [index, { lastAt, availableAt }] of studies.entries()) {
    if (availableAt === null) throw new Error(`${scenario.name}: the model loses a study`);
    makespan = Math.max(makespan, availableAt);
    if (trace[index]?.isWarmUp === false) waits.push(availableAt - lastAt);
  }
  return figuresOf(waits, makespan);
}

function modelledBackend(scenario: LiveScenario, index: number): ModelledBackend {
  const { bytesPerSecond, secondsPerImage } = scenario.backends[index] ?? {
    bytesPerSecond: Number.POSITIVE_INFINITY,
    secondsPerImage: 0,
  };
  const { stall } = scenario;
  const conditions =
    stall?.backend === index
      ? [
          { at: stall.at, speed: 0, steady: 0, answers: true },
          { at: stall.at + stall.seconds, speed: 1, steady: 1, answers: true },
        ]
      : [];
  return {
    name: `orthanc${index + 1}`,
    weight: 1,
    lanes: 2,
    secondsPerInstance: secondsPerImage + beside.image,
    secondsPerByte: 1 / bytesPerSecond,
    setupSeconds: beside.transfer,
    // Two transfers share a line; what their images wait, they wait side by side.
    contention: secondsPerImage > 0 ? 0 : 1,
    conditions,
  };
}
