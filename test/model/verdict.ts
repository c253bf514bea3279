import type { Ledger, QuarantinedInstance } from '../../src/ledger/ledger.ts';
import type { Run } from './run.ts';
import type { World } from './world.ts';

/** What a farm without faults still has to do; nothing, when all is well. */
export function leftOver(world: World, { ledger }: Run): string[] {
  const left: string[] = [];
  const queue = ledger.queue();
  if (queue.instances > 0) left.push(`${queue.instances} deliveries wait`);
  if (queue.unplacedStudies > 0) left.push(`${queue.unplacedStudies} studies are not placed`);
  for (const former of ledger.formerCopies()) {
    if (former.state !== 'conflict')
      left.push(`former copy of ${former.studyUid} on ${former.backend}: ${former.state}, ${former.reason}`);
  }

  const anyConflict = ledger.formerCopies().some(({ state }) => state === 'conflict');
  for (const { backend, state, waiting } of ledger.evacuations()) {
    if (state === 'running' && !anyConflict) left.push(`${backend} is still being emptied: ${waiting}`);
  }

  const quarantined = new Map(
    ledger.quarantined({ limit: 1000 }).items.map((one) => [`${one.front} ${one.orthancId}`, one]),
  );
  for (const front of world.fronts.values()) {
    for (const one of front.images.values()) {
      const kept = quarantined.get(`${front.name} ${one.id}`);
      if (kept === undefined) left.push(`${one.content} is on ${front.name}`);
      else if (
        kept.code === 'conflict' &&
        !hasOther(world, one.id, one.content) &&
        cameThroughHere(ledger, kept)
      )
        left.push(`${one.content} is in quarantine for a conflict with nothing: ${kept.detail}`);
    }
  }
  for (const key of quarantined.keys()) {
    const [front = '', id = ''] = key.split(' ');
    if (!world.orthanc(front).images.has(id)) left.push(`${key} is in quarantine and not on its front`);
  }

  const studies = new Set([...world.relied.values()].map(({ image }) => image.studyUid));
  for (const uid of studies) {
    const conflicts = ledger.formerCopies({ studyUid: uid }).length > 0;
    if (!conflicts) continue;
    const holders = [...world.backends.values()].filter((backend) =>
      [...backend.images.values()].some((one) => one.studyUid === uid),
    );
    // What was sent past the fronts nobody told the service of.
    if (holders.length > 1 && !conflicts && !world.direct.has(uid))
      left.push(`${uid} is on ${holders.map(({ name }) => name).join(' and ')}`);
    const [bound] = ledger.assignments(uid);
    if (bound === undefined) continue;
    if (holders.length === 1 && holders[0]?.name !== bound.backend && !world.direct.has(uid))
      left.push(`${uid} is bound to ${bound.backend} and stands on ${holders[0]?.name}`);
    const { state } = ledger.study(uid) ?? { state: 'unknown' };
    const others = ledger.study(uid)?.instances;
    const expected =
      others !== undefined && others.quarantined + others.vanished > 0 ? 'quarantined' : 'removed';
    if (state !== expected && !conflicts) left.push(`${uid} is ${state}, not ${expected}`);
  }
  return left;
}

/** Other content under this identifier was there once: a true conflict, whatever has become of it since. */
function hasOther(world: World, id: string, content: string): boolean {
  return [...world.relied.values()].some(({ image }) => image.id === id && image.content !== content);
}

/**
 * Whatever its backend has can be nothing but damage on the way: it said that it held nothing when the study was bound to it, and was never
 * proven to hold this. Only then is a conflict a mistake; in doubt a person is asked.
 */
function cameThroughHere(ledger: Ledger, { studyUid, orthancId }: QuarantinedInstance): boolean {
  const bound = ledger.decisions(studyUid).filter((decision) => decision.backend !== null);
  const first = bound.find((decision) => decision.epoch === 1);
  const wasEmpty = first?.considered.some((one) => one.backend === first.backend && one.inputs.held === 0);
  const seenOnce = ledger.study(studyUid)?.fronts.length === 1;
  const proven = ledger.receipts(studyUid).some((receipt) => receipt.orthancId === orthancId);
  return bound.length === 1 && wasEmpty === true && seenOnce && !proven;
}
