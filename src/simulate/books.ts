import type { Candidate } from '../decision/policy.ts';
import type { Agenda } from './agenda.ts';
import { arrivedBy } from './arriving.ts';
import type { Member } from './farm.ts';
import { addComing, type Study } from './study.ts';

/** What is bound to a backend: what is on the front and unproven, and what is still to come. */
export interface Booked {
  readonly studies: number;
  readonly instances: number;
  readonly bytes: number;
  readonly reserved: Candidate['reserved'];
}

export interface BooksParts {
  readonly agenda: Agenda;
  /** Moves what has arrived whole to the counters. */
  readonly countArrived: (member: Member) => void;
  /** Makes the prediction of a bound study anew. */
  readonly predictAnew: (study: Study) => void;
}

/** As of now. */
export function bookedAt(member: Member, parts: BooksParts): Booked {
  const { now } = parts.agenda;
  parts.countArrived(member);
  let { studies, instances, bytes } = member.outstanding;
  const reserved = { instances: 0, bytes: 0, instancesPerSecond: 0, bytesPerSecond: 0 };
  for (const study of member.arriving) {
    const { arrival, proven } = study;
    const arrived = arrivedBy(arrival, now);
    if (arrived > proven) {
      studies++;
      instances += arrived - proven;
      bytes += ((arrived - proven) * arrival.bytes) / arrival.instances;
    }
    if (addComing(study, arrived, now, reserved)) continue;
    parts.predictAnew(study);
    addComing(study, arrived, now, reserved);
  }
  // Sums of many fractions of bytes do not come back to 0 by themselves.
  return { studies, instances, bytes: instances === 0 ? 0 : Math.max(0, bytes), reserved };
}
