import type { Arrival } from '../study.ts';

/** What the generated hook posts to `/hook/stored`. Null: it was empty, or not said. */
export interface Announcement
  extends FreeSpace,
    Pick<Arrival, 'modality' | 'station' | 'remoteAet' | 'calledAet' | 'remoteIp' | 'transferSyntax'> {
  readonly instance: string;
  readonly study: string;
  readonly series: string;
  readonly sop: string;
  readonly rows: string | null;
  readonly columns: string | null;
  readonly bitsAllocated: string | null;
  readonly samplesPerPixel: string | null;
  readonly frames: string | null;
}

/** What it posts to `/hook/admission`, of its own limit: not whether the service's sign is up. */
export interface AdmissionReport extends FreeSpace {
  readonly open: boolean;
  /** Why the last image was refused, be it for its own sake or because none is taken. */
  readonly reason: string | null;
  /** Images refused since the front started, for whatever reason. */
  readonly refused: number | null;
  /** Seconds since 1970. */
  readonly startedAt: number | null;
}

/** What a front says of the disks it writes to. */
export interface FreeSpace {
  readonly front: string;
  readonly freeBytes: number | null;
  /** When that was read, seconds since 1970 by the front's clock. */
  readonly freeAt: number | null;
}

const orthancId = /^[0-9a-f]{8}(-[0-9a-f]{8}){4}$/;
const wholeNumber = /^\d{1,16}(\.0+)?$/;
const longestUid = 128;
const longestText = 1024;

/**
 * The announcement in the body of a request, or all that is wrong with it, as words. Unknown keys are ignored, so that an older service
 * understands a newer hook.
 *
 * Written out, since it is done for each image. A schema does as much in some microseconds where it is used without a pause; between
 * images that come some milliseconds apart the processor forgets its many ways, and it took as long as noting the image does.
 */
export function readAnnouncement(content: unknown): Announcement | readonly string[] {
  if (!isObject(content)) return ['it is no object'];
  const problems: string[] = [];
  const announcement: Announcement = {
    front: nameIn(content, problems),
    instance: identifierIn(content, problems),
    study: uidIn(content, 'study', problems),
    series: uidIn(content, 'series', problems),
    sop: uidIn(content, 'sop', problems),
    modality: textIn(content, 'modality', problems),
    station: textIn(content, 'station', problems),
    remoteAet: textIn(content, 'remoteAet', problems),
    calledAet: textIn(content, 'calledAet', problems),
    remoteIp: textIn(content, 'remoteIp', problems),
    transferSyntax: textIn(content, 'transferSyntax', problems),
    rows: textIn(content, 'rows', problems),
    columns: textIn(content, 'columns', problems),
    bitsAllocated: textIn(content, 'bitsAllocated', problems),
    samplesPerPixel: textIn(content, 'samplesPerPixel', problems),
    frames: textIn(content, 'frames', problems),
    freeBytes: figureIn(content, 'freeBytes'),
    freeAt: figureIn(content, 'freeAt'),
  };
  return problems.length === 0 ? announcement : problems;
}

/** The report in the body of a request, or all that is wrong with it, as words. Unknown keys are ignored. */
export function readAdmissionReport(content: unknown): AdmissionReport | readonly string[] {
  if (!isObject(content)) return ['it is no object'];
  const problems: string[] = [];
  const { open } = content;
  if (typeof open !== 'boolean') problems.push('open: it is to be true or false');
  const report: AdmissionReport = {
    front: nameIn(content, problems),
    open: open === true,
    reason: textIn(content, 'reason', problems),
    freeBytes: figureIn(content, 'freeBytes'),
    freeAt: figureIn(content, 'freeAt'),
    refused: figureIn(content, 'refused'),
    startedAt: figureIn(content, 'startedAt'),
  };
  return problems.length === 0 ? report : problems;
}

type Content = Readonly<Record<string, unknown>>;

function isObject(content: unknown): content is Content {
  return typeof content === 'object' && content !== null && !Array.isArray(content);
}

/** DICOM strings may be padded with a space or a NUL; identifiers are compared without. */
function withoutPadding(text: string): string {
  return text.replace(/[\s\0]+$/u, '').trimStart();
}

function nameIn({ front }: Content, problems: string[]): string {
  if (typeof front === 'string' && front.length >= 1 && front.length <= 64) return front;
  problems.push('front: it is to be a name of 1 to 64 characters');
  return '';
}

function identifierIn({ instance }: Content, problems: string[]): string {
  if (typeof instance === 'string' && orthancId.test(instance)) return instance;
  problems.push("instance: it is to be an Orthanc's identifier");
  return '';
}

function uidIn(content: Content, key: string, problems: string[]): string {
  const value = content[key];
  const uid = typeof value === 'string' ? withoutPadding(value) : '';
  if (uid === '' || uid.length > longestUid) {
    problems.push(`${key}: it is to be a UID of 1 to ${longestUid} characters`);
  }
  return uid;
}

function textIn(content: Content, key: string, problems: string[]): string | null {
  const value = content[key];
  if (value === undefined || value === null) return null;
  const text = typeof value === 'string' ? withoutPadding(value) : null;
  if (text === null || text.length > longestText) {
    problems.push(`${key}: it is to be text of at most ${longestText} characters`);
    return null;
  }
  return text === '' ? null : text;
}

/** A whole number; Lua hands its numbers over as text. Null when it is missing or none: a figure is no reason to refuse. */
function figureIn(content: Content, key: string): number | null {
  const value = content[key];
  const number = typeof value === 'string' && wholeNumber.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : null;
}

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
