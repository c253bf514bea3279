import { LedgerError } from '../../src/ledger/ledger.ts';
import type { OperatorState } from '../../src/study.ts';
import { FailoverError, QuarantineError } from '../../src/transfer/failover.ts';
import type { Event } from './events.ts';
import type { Run } from './run.ts';
import type { World } from './world.ts';

/** Of every former copy in conflict. */
export function acceptCurrent(world: World, { ledger, healer }: Run): void {
  for (const { studyUid, backend, state } of ledger.formerCopies()) {
    if (state !== 'conflict') continue;
    healer.acceptCurrent(studyUid, backend, 'somebody');
    for (const one of world.orthanc(backend).images.values())
      if (one.studyUid === studyUid) world.givenUp.add(one.content);
  }
}

/** About one of the instances in quarantine. */
export function decide(world: World, { ledger, desk }: Run, event: Extract<Event, { do: 'decide' }>): void {
  const { items } = ledger.quarantined({ limit: 10 });
  const one = items[event.which % Math.max(1, items.length)];
  if (one === undefined) return;
  const { front, orthancId, studyUid } = one;
  const giveUp = (orthanc: string): void => {
    const there = world.orthanc(orthanc).images.get(orthancId);
    if (there !== undefined) world.givenUp.add(there.content);
  };
  const failed = (error: unknown): void => {
    if (!isRefusal(error)) throw error;
  };
  switch (event.what) {
    case 'retry':
      desk.retry({ studyUid, orthancId, who: 'somebody' });
      return;
    case 'release':
      // It may go elsewhere than its study.
      world.direct.add(studyUid);
      world.released.add(studyUid);
      if (event.replace) giveUp(event.backend);
      desk
        .release({ front, orthancId, backend: event.backend, replace: event.replace, who: 'somebody' })
        .catch(failed);
      return;
    case 'discard':
      giveUp(front);
      desk.discard({ front, orthancId, who: 'somebody' }).catch(failed);
  }
}

export function setOperator(world: World, run: Run, backend: string, state: OperatorState): void {
  const { maintSince, time } = world;
  run.pool.setOperator(backend, { state }, time.now);
  if (state !== 'maint') maintSince.delete(backend);
  else if (!maintSince.has(backend)) maintSince.set(backend, time.now);
}

/** What a person is told when it cannot be done. */
export function isRefusal(error: unknown): boolean {
  return error instanceof LedgerError || error instanceof FailoverError || error instanceof QuarantineError;
}
