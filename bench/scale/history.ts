import type { Ledger } from '../../src/ledger/ledger.ts';
import type { ConsideredBackend, DeliveryOutcome, EpochMs, Transfer } from '../../src/study.ts';
import { arrivalOf, contentOf, imagesOf, md5Of, orthancIdOf, type ScaleStudy } from './images.ts';

export interface FormerDays {
  readonly front: string;
  readonly backends: readonly string[];
  /** Their images are all proven and gone from the front. */
  readonly studies: readonly ScaleStudy[];
  readonly now: EpochMs;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** The studies came in the course of so long, until an hour ago. */
const spanMs = 25 * 24 * hourMs;
const limits = { instances: 50, bytes: 64_000_000 };
/** One of so many transfers fails, and is done again. */
const failsOneOf = 50;
/** One of so many studies has something told of it. */
const eventOneOf = 20;

/**
 * What a ledger keeps of former studies. Every row is written by the calls that write it in life, in their order and with their times, so
 * that there is nothing in it that the service would not have made.
 */
export function writeStudies(ledger: Ledger, days: FormerDays): void {
  const { studies, backends, now } = days;
  for (const [index, study] of studies.entries()) {
    const at = now - spanMs + Math.floor((index / studies.length) * (spanMs - hourMs));
    writeStudy(ledger, days, { study, index, at });
  }
  ledger.keepServiceModels(
    backends.map((backend) => ({
      backend,
      secondsPerTransfer: 0.015,
      secondsPerInstance: 0.002,
      secondsPerByte: 1e-8,
      covariance: [0.01, 0, 0.01, 0, 0, 0.01],
      logEfficiency: 0,
      logBaseline: 0,
      samples: 500,
      sampledAt: now - hourMs,
    })),
  );
}

interface Coming {
  readonly study: ScaleStudy;
  readonly index: number;
  readonly at: EpochMs;
}

/** From its first image to its removal from the front. */
function writeStudy(ledger: Ledger, { front, backends }: FormerDays, { study, index, at }: Coming): void {
  const { uid } = study;
  const backend = nth(backends, index);
  const received = receive(ledger, study, front, at);
  place(ledger, uid, { backend, backends, at });
  ledger.noteShadow(
    [
      {
        studyUid: uid,
        copy: 0,
        at,
        policy: 'expected-completion',
        backend,
        seconds: 1.25,
        shadow: 'least-in-flight',
        shadowKind: 'place',
        shadowBackend: nth(backends, index * 7),
        shadowSeconds: 1.5,
        reason: 'fewest in flight',
      },
    ],
    0,
  );
  const endedAt = send(ledger, study, backend, received);
  if (index % eventOneOf === 0) {
    ledger.addEvent(uid, { at: endedAt, kind: 'note', text: 'a word on it' });
    ledger.audit({ at: endedAt, who: 'admin', action: 'reconcile', target: front, detail: 'by hand' });
  }
  const settledAt = endedAt + minuteMs;
  for (const part of ledger.beginRemoval(uid, settledAt, settledAt))
    ledger.removed(part.front, part.orthancIds, settledAt);
}

/** All images of a study, one each millisecond. Returns when the last one came. */
export function receive(ledger: Ledger, study: ScaleStudy, front: string, at: EpochMs): EpochMs {
  const images = [...imagesOf(study)];
  for (let from = 0; from < images.length; from += 500) {
    const some = images.slice(from, from + 500).map((image) => arrivalOf(study, image, front));
    ledger.receivedMany(some, at + from);
  }
  return at + images.length;
}

/** Binds a study, with all that is said about every backend. */
export function place(
  ledger: Ledger,
  studyUid: string,
  {
    backend,
    backends,
    at,
  }: { readonly backend: string; readonly backends: readonly string[]; readonly at: EpochMs },
): void {
  const considered = backends.map(
    (name, rank): ConsideredBackend => ({
      backend: name,
      score: 1 + rank / 100,
      passedOver: name === backend ? null : 'another one has it sooner',
      inputs: { instancesInFlight: rank, seconds: 1.25 },
    }),
  );
  ledger.decide({
    studyUid,
    copy: 0,
    at,
    policy: 'expected-completion',
    kind: 'placed',
    backend,
    reason: `${backend} has it soonest`,
    considered,
    clean: true,
  });
}

/** Returns when the last of it was proven. */
function send(ledger: Ledger, study: ScaleStudy, backend: string, from: EpochMs): EpochMs {
  const md5s = new Map([...imagesOf(study)].map((image) => [orthancIdOf(image), md5Of(contentOf(image))]));
  let at = from;
  for (;;) {
    const transfer = ledger.claim(backend, limits, at);
    if (transfer === null) return at;
    at += 200 + 4 * transfer.deliveries.length;
    const isFirst = transfer.deliveries.every(({ attempts }) => attempts === 0);
    if (isFirst && transfer.id % failsOneOf === 0)
      conclude(ledger, transfer, at, 'send-failed', () => ({
        kind: 'retry',
        code: 'send-failed',
        detail: `${backend}: the job failed`,
        notBefore: 0,
      }));
    else
      conclude(ledger, transfer, at, 'done', (id) => ({
        kind: 'proven',
        md5: md5s.get(id) ?? '',
        bytes: null,
      }));
  }
}

function conclude(
  ledger: Ledger,
  transfer: Transfer,
  at: EpochMs,
  code: string,
  outcomeOf: (orthancId: string) => DeliveryOutcome,
): void {
  const { id, deliveries } = transfer;
  const bytesSent = deliveries.reduce((sum, { bytes }) => sum + bytes, 0);
  ledger.conclude(
    id,
    { at, code, detail: '', bytesSent, instancesSent: deliveries.length },
    new Map(deliveries.map((delivery) => [delivery.id, outcomeOf(delivery.orthancId)])),
  );
}

function nth(names: readonly string[], index: number): string {
  const name = names[index % names.length];
  if (name === undefined) throw new RangeError('no backends');
  return name;
}
