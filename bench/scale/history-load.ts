import type { Ledger, LoadSample } from '../../src/ledger/ledger.ts';
import type { EpochMs } from '../../src/study.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
/** How far back each resolution goes in a ledger with all of it: so much that samples, minutes and hours have a like number of rows. */
const spans = { samplesMs: hourMs, minutesMs: dayMs, hoursMs: 30 * dayMs };
const sampleMs = 5_000;
/** As the service keeps them by default. */
const keep = { rawMs: dayMs, minutesMs: 30 * dayMs, hoursMs: 365 * dayMs };
/** Of each table, in one call. */
const thinnedAtOnce = 10_000;

/**
 * Load of so many Orthancs as it is after a month: samples, each five seconds at the end and more seldom before, rolled up and thinned by the
 * ledger itself. `share`, 0 to 1, of the month.
 */
export function writeLoad(ledger: Ledger, orthancs: readonly string[], share: number, now: EpochMs): void {
  const begin = (span: number): EpochMs => now - Math.floor((span * share) / hourMs) * hourMs;
  const grids = [
    { from: begin(spans.hoursMs), to: begin(spans.minutesMs), everyMs: hourMs },
    { from: begin(spans.minutesMs), to: begin(spans.samplesMs), everyMs: minuteMs },
    { from: begin(spans.samplesMs), to: now, everyMs: sampleMs },
  ];
  let written = 0;
  for (const { from, to, everyMs } of grids) {
    for (let at = from; at < to; at += everyMs) {
      ledger.addSamples(orthancs.map((orthanc, place) => sampleOf(orthanc, at, place)));
      written += orthancs.length;
    }
  }
  ledger.rollUp(now);
  for (let left = written; left > 0; left -= thinnedAtOnce) ledger.thin(now, keep);
}

function sampleOf(orthanc: string, at: EpochMs, place: number): LoadSample {
  const wave = 1 + Math.sin(at / hourMs + place);
  return {
    orthanc,
    at,
    up: true,
    latencyMs: 1 + wave,
    jobsPending: 0,
    jobsRunning: Math.round(wave),
    activeRequests: 1,
    instances: 100_000 + place,
    diskBytes: 50_000_000_000 + place,
  };
}
