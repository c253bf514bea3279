import type { Ledger, NewDecision } from '../../src/ledger/ledger.ts';
import type { Arrival, DeliveryOutcome, Transfer } from '../../src/study.ts';

export function arrivalOf(number: number, changes: Partial<Arrival> = {}): Arrival {
  return {
    front: 'front',
    orthancId: `instance-${number}`,
    studyUid: '1.2.3',
    seriesUid: '1.2.3.1',
    sopUid: `1.2.3.1.${number}`,
    modality: 'CT',
    station: 'CT1',
    remoteAet: 'SCANNER',
    calledAet: 'ROUTER',
    remoteIp: '10.0.0.1',
    transferSyntax: '1.2.840.10008.1.2.1',
    bytes: 100,
    bytesExact: true,
    ...changes,
  };
}

export function placing(backend: string, changes: Partial<NewDecision> = {}): NewDecision {
  return {
    studyUid: '1.2.3',
    copy: 0,
    at: 0,
    policy: 'least-in-flight',
    kind: 'placed',
    backend,
    reason: 'fewest in flight',
    considered: [{ backend, score: 1, passedOver: null, inputs: { instancesInFlight: 0 } }],
    ...changes,
  };
}

export const proven: DeliveryOutcome = {
  kind: 'proven',
  md5: 'd41d8cd98f00b204e9800998ecf8427e',
  bytes: null,
};

export const wide = { instances: 50, bytes: 64_000_000 };

/** Ends the transfer with the same outcome for each delivery. */
export function concludeAll(
  ledger: Ledger,
  transfer: Transfer,
  outcome: DeliveryOutcome,
  at: number,
  sent: { readonly bytesSent?: number } = {},
): void {
  ledger.conclude(
    transfer.id,
    {
      at,
      code: outcome.kind === 'proven' ? 'done' : 'send-failed',
      detail: '',
      bytesSent: sent.bytesSent ?? 1,
      instancesSent: transfer.deliveries.length,
    },
    new Map(transfer.deliveries.map((delivery) => [delivery.id, outcome])),
  );
}

export function claimed(ledger: Ledger, backend: string, now: number, limits = wide): Transfer {
  const transfer = ledger.claim(backend, limits, now);
  if (transfer === null) throw new Error(`nothing to claim for ${backend}`);
  return transfer;
}
