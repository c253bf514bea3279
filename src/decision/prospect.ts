import { efficiencyLikeKin, type Kin, likeKin } from '../backends/model/kin.ts';
import { partsOf, usualSize } from '../backends/model/service.ts';
import type { EpochMs, StudySize } from '../study.ts';
import type { Candidate } from './policy.ts';

/** How a backend stands, whatever the study: what of a prospect need not be reckoned anew for each of many that wait. */
export interface Standing {
  readonly candidate: Candidate;
  /** A transfer would begin at once. */
  readonly isFree: boolean;
  readonly secondsPerTransfer: number;
  readonly secondsPerInstance: number;
  readonly secondsPerByte: number;
  readonly efficiency: number;
  readonly busyLanes: number;
  readonly reservedLanes: number;
  /** Seconds of work of one lane: what is still to come of the bound studies, and what is here of them. */
  readonly reservedSeconds: number;
  readonly aheadSeconds: number;
  /** Lanes that are left to count with. */
  readonly freeLanes: number;
  /** How much a second counts for which it is booked. */
  readonly bookedWeight: number;
  /** Until a lane comes free, were none free now. */
  readonly backlogSeconds: number;
  /** Seconds for which nothing has moved, where that counts against it; null: it does not. */
  readonly quietSeconds: number | null;
}

/** What comes of it for one study. */
export interface Reckoning {
  /** What is decided by, in seconds: until the study would be available there, and for how long the backend would then be booked. Lower is better. */
  score: number;
  /** Seconds from now until the study would be available there. */
  seconds: number;
  /** Seconds from now for which the backend has work then, this study included. Of equal scores the one with less is better. */
  booked: number;
  ownSeconds: number;
}

export interface ProspectOptions {
  /** False: g is 1. */
  readonly efficiency: boolean;
  /** False: nothing that is uncertain of a backend is taken from the others. */
  readonly kin: boolean;
  /** False: only when the study itself is available counts, and not for how long the backend is booked. */
  readonly booked: boolean;
  /** True: one speed for each backend, in bytes a second. */
  readonly oneParameter: boolean;
}

/**
 * Images of a study that trickles in which share a transfer, as far as what it takes from the others goes. Each goes alone while a lane
 * is idle; as soon as lanes are short, several wait and go together. Counting a whole transfer for each was tried: backends then
 * look full that are not, and the slowest studies end up to twice as late.
 */
const imagesTogether = 20;
/** What is reserved is spread over so many seconds at least: what comes all at once holds no lane for long. */
const reservedSpread = 5;
/** However much is reserved, so much of the lanes is left to count with: the arrivals it is reserved for are a guess. */
const leastShare = 0.1;
/**
 * A second for which a backend is booked counts as so many of the study's own. Who comes next waits for all of it, and what is expected of
 * a backend with much to do is wrong sooner. Counting the study's own time alone was rejected: it took the second lane of a busy backend
 * beside an idle one as long as its own end was the same, and of equal backends the slowest studies ended later than where
 * what is in flight is counted. 1 and 4 are hardly worse; counting only what is ahead of the study, and not what it brings itself, makes the
 * slowest ones of ten speeds twice as late, and counting only what it brings itself those of equal backends no better.
 */
const bookedWeight = 2;
/**
 * Silence says nothing until it is this many seconds, and this many times as long as what is under way should take; then it makes the
 * backend slower by as much as it is late, down to a thousandth.
 */
const silence = { seconds: 3, times: 3, least: 0.001 };

/** Whether a transfer would begin there at once. Whatever is reserved: what has not arrived holds no lane. */
export function hasFreeLane(candidate: Candidate): boolean {
  return busyLanesOf(candidate, partsAheadOf(candidate)) < candidate.lanes;
}

function partsAheadOf({ instancesInFlight, bytesInFlight }: Candidate): number {
  return partsOf({ instances: instancesInFlight, bytes: bytesInFlight });
}

function busyLanesOf({ busyLanes, lanes }: Candidate, partsAhead: number): number {
  return Math.max(busyLanes, Math.min(lanes, Math.ceil(partsAhead)));
}

/** How the backend stands now. `kin`: what it has in common with the others; null: each is taken for itself. */
export function standingOf(
  candidate: Candidate,
  kin: Kin | null,
  now: EpochMs,
  options: ProspectOptions,
): Standing {
  const { lanes, reserved, instancesInFlight, bytesInFlight, service } = candidate;
  let { secondsPerTransfer: c, secondsPerInstance: o, secondsPerByte: s } = likeKin(service, kin);
  if (options.oneParameter) {
    s += (o * usualSize.instances) / usualSize.bytes;
    [c, o] = [0, 0];
  }
  // While transfers are under way it is not idle, whenever the last of them ended: what was seen of it is not out of date.
  const seenAt = candidate.busyLanes > 0 ? (service.sampledAt ?? now) : now;
  const usualG = options.efficiency ? efficiencyLikeKin(service, kin, seenAt) : 1;
  const quiet = quietSeconds(candidate, now, { c, o, s }, usualG);
  const g = quiet === null ? usualG : usualG * Math.max(silence.least, quiet.expected / quiet.seconds);

  const partsAhead = partsAheadOf(candidate);
  const busyLanes = busyLanesOf(candidate, partsAhead);
  const ahead =
    (Math.max(candidate.busyLanes, partsAhead) * c + instancesInFlight * o + bytesInFlight * s) / g;
  const perImage = o + c / imagesTogether;
  const reservedWork = (reserved.instances * perImage + reserved.bytes * s) / g;
  const reservedLanes = Math.min(
    (reserved.instancesPerSecond * perImage + reserved.bytesPerSecond * s) / g,
    reservedWork / reservedSpread,
  );
  const free = Math.max(leastShare * lanes, lanes - reservedLanes);
  return {
    candidate,
    isFree: busyLanes < lanes,
    secondsPerTransfer: c,
    secondsPerInstance: o,
    secondsPerByte: s,
    efficiency: g,
    busyLanes,
    reservedLanes,
    reservedSeconds: reservedWork,
    aheadSeconds: ahead,
    freeLanes: free,
    bookedWeight: options.booked ? bookedWeight : 0,
    backlogSeconds: Math.min(ahead / free, (ahead + reservedWork) / lanes),
    quietSeconds: quiet?.seconds ?? null,
  };
}

/**
 * When the study would be available there, by what is known now. Deliveries go out oldest first, so all that is bound goes before it;
 * what the bound studies will still bring takes its share of the lanes while it arrives, and no longer: taking it off the lanes for ever was
 * rejected, since a backend that is promised more than it can do in these seconds then looked ten times slower than it is, and large
 * studies went where they took minutes. Three things can be the last to be over, and the latest counts:
 *
 * - its own transfers, after a lane has come free, on as many lanes as it has parts;
 * - everything ahead of it, what arrives meanwhile, and itself, on all lanes together;
 * - the arrival of its last image, and that image's own way, which is longer the more of the lanes is reserved.
 *
 * Written into what is given: a thousand small objects for each study that waits would be most of what a decision costs.
 */
export function reckon(size: StudySize, standing: Standing, into: Reckoning): void {
  const { freeLanes, reservedLanes, efficiency: g, secondsPerTransfer: c } = standing;
  const { lanes, weight } = standing.candidate;
  const parts = Math.max(1, Math.ceil(partsOf(size)));
  const carried = size.instances * standing.secondsPerInstance + size.bytes * standing.secondsPerByte;
  const own = (parts * c + carried) / g / weight;
  const before = standing.isFree ? 0 : standing.aheadSeconds;
  const whileArriving = before / freeLanes + own / Math.min(freeLanes, parts);
  const afterwards = (before + standing.reservedSeconds) / lanes + own / Math.min(lanes, parts);
  const coming = Math.min(standing.reservedSeconds, reservedLanes * size.arrivesIn);
  const last = (c + carried / Math.max(1, size.instances)) / g / weight / (freeLanes / lanes);
  into.ownSeconds = own;
  into.booked = (standing.aheadSeconds + coming + own) / lanes;
  into.seconds = Math.max(Math.min(whileArriving, afterwards), into.booked, size.arrivesIn + last);
  into.score = into.seconds + standing.bookedWeight * into.booked;
}

/**
 * How long nothing has moved, once that is remarkable, and how long it should have taken; null: it is not. Believing silence
 * sooner was rejected: a heavy tail is silent for a while all the time, everything flees to the others, and the slowest studies end
 * later by a factor of two.
 */
function quietSeconds(
  { quiet }: Candidate,
  now: EpochMs,
  { c, o, s }: { readonly c: number; readonly o: number; readonly s: number },
  g: number,
): { readonly seconds: number; readonly expected: number } | null {
  if (quiet === null) return null;
  const seconds = (now - quiet.since) / 1000;
  const expected = (c + quiet.instances * o + quiet.bytes * s) / g;
  return expected > 0 && seconds > Math.max(silence.seconds, silence.times * expected)
    ? { seconds, expected }
    : null;
}
