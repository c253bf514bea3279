import { z } from 'zod';
import type { Arrival } from '../study.ts';

/** DICOM strings may be padded with a space or a NUL; identifiers are compared without. */
const trimmed = z.string().transform((text) => text.replace(/[\s\0]+$/u, '').trimStart());
const uid = trimmed.pipe(z.string().min(1).max(128));
const text = trimmed
  .pipe(z.string().max(1024))
  .transform((value) => (value === '' ? null : value))
  .nullish()
  .transform((value) => value ?? null);

/** A whole number; Lua hands its numbers over as text. Null when it is missing or none: a figure is no reason to refuse. */
const figure = z
  .union([
    z.number(),
    z
      .string()
      .regex(/^\d{1,16}(\.0+)?$/)
      .transform(Number),
  ])
  .pipe(z.int().nonnegative())
  .nullable()
  .catch(null);

const freeSpace = {
  /** Of the disks the front writes to. */
  freeBytes: figure,
  /** When that was read, seconds since 1970 by the front's clock. */
  freeAt: figure,
};

/** What the generated hook posts to `/hook/stored`. Unknown keys are ignored, so that an older service understands a newer hook. */
export const announcementSchema = z.object({
  front: z.string().min(1).max(64),
  instance: z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{8}){4}$/),
  study: uid,
  series: uid,
  sop: uid,
  modality: text,
  station: text,
  remoteAet: text,
  calledAet: text,
  remoteIp: text,
  transferSyntax: text,
  rows: text,
  columns: text,
  bitsAllocated: text,
  samplesPerPixel: text,
  frames: text,
  ...freeSpace,
});
export type Announcement = z.output<typeof announcementSchema>;

/** What it posts to `/hook/admission`, of its own limit: not whether the service's sign is up. */
export const admissionReportSchema = z.object({
  front: z.string().min(1).max(64),
  open: z.boolean(),
  /** Why the last image was refused, be it for its own sake or because none is taken. */
  reason: text,
  ...freeSpace,
  /** Images refused since the front started, for whatever reason. */
  refused: figure,
  /** Seconds since 1970. */
  startedAt: figure,
});
export type AdmissionReport = z.output<typeof admissionReportSchema>;

/** The hook looks for `received` to equal the instance's id; anything else is no success to it. */
export interface HookAnswer {
  readonly received: string;
  /** Where the study goes; null while it waits. */
  readonly backend: string | null;
  readonly reason: string | null;
}

const headerBytes = 2048;
const uncompressed = new Set(['1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.2']);
/** Of lossless medical compression, the usual order of magnitude. Only an estimate's factor: true sizes are read before sending. */
const usualCompression = 2.5;

/**
 * Bytes of the file as far as the announcement's tags tell: Rows × Columns × ⌈BitsAllocated / 8⌉ × SamplesPerPixel ×
 * NumberOfFrames plus a header. Values that are no sensible numbers count as absent, since tags come from anybody.
 */
export function estimateBytes(announcement: Announcement): number {
  const rows = count(announcement.rows, 0);
  const columns = count(announcement.columns, 0);
  const bytesPerSample = Math.ceil(count(announcement.bitsAllocated, 16) / 8);
  const pixels =
    rows * columns * bytesPerSample * count(announcement.samplesPerPixel, 1) * count(announcement.frames, 1);
  const syntax = announcement.transferSyntax;
  const factor = syntax === null || uncompressed.has(syntax) ? 1 : usualCompression;
  return headerBytes + Math.round(Math.min(pixels, 2 ** 40) / factor);
}

function count(value: string | null, otherwise: number): number {
  if (value === null || !/^\s*\d{1,9}\s*$/.test(value)) return otherwise;
  return Number(value);
}

export function arrivalOf(announcement: Announcement): Arrival {
  return {
    front: announcement.front,
    orthancId: announcement.instance,
    studyUid: announcement.study,
    seriesUid: announcement.series,
    sopUid: announcement.sop,
    modality: announcement.modality,
    station: announcement.station,
    remoteAet: announcement.remoteAet,
    calledAet: announcement.calledAet,
    remoteIp: announcement.remoteIp,
    transferSyntax: announcement.transferSyntax,
    bytes: estimateBytes(announcement),
    bytesExact: false,
  };
}
