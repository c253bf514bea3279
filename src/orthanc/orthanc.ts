import type { Readable } from 'node:stream';
import type { Arrival } from '../study.ts';

/** What went wrong when talking to an Orthanc. Callers read the code, never the message. */
export type OrthancErrorCode =
  | 'unreachable' // no connection, or it broke before an answer
  | 'timeout'
  | 'unauthorized' // 401, 403
  | 'not-found' // 404
  | 'rejected' // another 4xx: what was asked is wrong, or the file is no DICOM
  | 'server-error' // 5xx
  | 'nonsense'; // an answer that is no answer to this question

export class OrthancError extends Error {
  readonly code: OrthancErrorCode;
  /** Name of the Orthanc in the topology. */
  readonly orthanc: string;
  readonly status: number | null;
  /** Orthanc's own words (`Message` or `Details` of its error answer), never containing patient data beyond what it says itself. */
  readonly details: string | null;
  /** Orthanc's own error number (`OrthancStatus`); null where it gave none, or something else answered. */
  readonly orthancStatus: number | null;
  constructor(
    orthanc: string,
    code: OrthancErrorCode,
    message: string,
    more?: { status?: number; details?: string; orthancStatus?: number; cause?: unknown },
  ) {
    super(message, more?.cause === undefined ? undefined : { cause: more.cause });
    this.name = 'OrthancError';
    this.code = code;
    this.orthanc = orthanc;
    this.status = more?.status ?? null;
    this.details = more?.details ?? null;
    this.orthancStatus = more?.orthancStatus ?? null;
  }
}

export interface SystemInfo {
  readonly name: string;
  readonly version: string;
  readonly dicomAet: string;
  readonly dicomPort: number;
  readonly overwriteInstances: boolean | null;
  readonly ingestTranscoding: string | null;
  readonly storageCompression: boolean | null;
  /** Of its database; by default made of the machine and the settings. Null before 1.11. */
  readonly databaseId: string | null;
}

/** Signals that exist on every version from 1.10.1; null where an Orthanc does not give one. */
export interface LoadReading {
  readonly latencyMs: number;
  readonly jobsPending: number | null;
  readonly jobsRunning: number | null;
  readonly activeRequests: number | null;
  readonly instances: number | null;
  readonly diskBytes: number | null;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export interface FileOptions extends CallOptions {
  /** SOPInstanceUIDs of instances by their ids: with them, an Orthanc that can is asked about all of these at once: see `FilesTogether`. */
  readonly sopUids?: ReadonlyMap<string, string>;
}

/** Of a file on its Orthanc's disk: `damaged` when it is missing, cut off, or has another MD5 than was recorded; `absent`: not held. */
export type FileState = 'intact' | 'damaged' | 'absent';

/** `FilteredOut`: a script of that Orthanc's has dropped it. */
export const uploadStatuses = ['Success', 'AlreadyStored', 'FilteredOut'] as const;
export type UploadStatus = (typeof uploadStatuses)[number];

/** The file of an instance. */
export interface HeldFile {
  readonly bytes: number;
  /** Lower case hex. */
  readonly md5: string;
  /**
   * What its Orthanc gave the file at random when it was stored, and no other file has, on whatever Orthanc: the same under two names is
   * the same file. Null: it does not say; every version from 1.10.1 on does.
   */
  readonly uuid: string | null;
}

/**
 * One Orthanc's REST API, the part this project needs. All methods throw `OrthancError`. What only asks is asked once more on a new
 * connection when the kept-alive one turned out to be closed; nothing else is retried here.
 */
export interface Orthanc {
  readonly name: string;
  system(options?: CallOptions): Promise<SystemInfo>;
  load(options?: CallOptions): Promise<LoadReading>;
  /** Number of instances, from /statistics: ~1 ms. */
  countInstances(options?: CallOptions): Promise<number>;
  /**
   * All ids in one answer, since paging has no stable order on 1.10.1; handed to `take` while they come, some hundreds at a time. They count
   * only when this resolves: a list may break off.
   */
  instanceIds(take: (ids: readonly string[]) => void, options?: CallOptions): Promise<void>;
  /** One it holds, the same as long as that stands; null: it holds none. */
  anyInstance(options?: CallOptions): Promise<string | null>;
  /**
   * What the hook would have said of these, from the index (bulk-content, parents fetched once each); ids it does not hold are
   * absent from the answer. Sizes are exact.
   */
  describe(ids: readonly string[], options?: CallOptions): Promise<readonly Arrival[]>;
  /** File sizes in one call; ids it does not hold are absent. */
  sizes(ids: readonly string[], options?: CallOptions): Promise<ReadonlyMap<string, number>>;
  /** Size, MD5 and UUID of the file of each, as recorded on reception; ids it does not hold are absent. Where no MD5 was recorded, the file is read and hashed. */
  held(ids: readonly string[], options?: FileOptions): Promise<ReadonlyMap<string, HeldFile>>;
  /** MD5 it recorded on reception, lower case hex; null: it does not hold the instance. Where none was recorded, the file is read and hashed. */
  md5(id: string, options?: CallOptions): Promise<string | null>;
  /** The same for many, over one connection. The first error ends it. */
  md5s(ids: readonly string[], options?: FileOptions): Promise<ReadonlyMap<string, string | null>>;
  /**
   * Has it read each file from its disk and compare it with the MD5 it recorded, which says only what was received: on a full disk
   * the last 4 KB of a file can be lost and acknowledged all the same. With a storage cache (`MaximumStorageCacheSize`, 128 MB by
   * default) 1.10.1 and 1.13.0 compare what is in memory instead, and say `intact`; seen by cutting files off.
   */
  verify(ids: readonly string[], options?: CallOptions): Promise<ReadonlyMap<string, FileState>>;
  /** How it came to hold the instance: `RestApi` (as peers send), `DicomProtocol`, `Plugins`, `Lua`; null: it does not say, or does not hold it. */
  receivedBy(id: string, options?: CallOptions): Promise<string | null>;
  /** How many instances of the study it holds; 0: it does not know the study. */
  studyInstances(studyUid: string, options?: CallOptions): Promise<number>;
  /** Its own ids of the study, for links: several when several patients share the UID, [] when it does not know it. */
  studyIds(studyUid: string, options?: CallOptions): Promise<readonly string[]>;
  /**
   * StudyInstanceUIDs of the studies it holds under this accession number, a hundred at most. It must have no "*", "?" and "\\" in it,
   * which Orthanc takes for more than one number.
   */
  studiesOfAccession(accession: string, options?: CallOptions): Promise<readonly string[]>;
  /** Ids of the study's instances it holds; [] when it does not know it. From the index, not expanded. */
  studyInstanceIds(studyUid: string, options?: CallOptions): Promise<readonly string[]>;
  /** StudyInstanceUIDs of all studies it holds, in batches as they are read. */
  studyUids(options?: CallOptions): AsyncIterable<readonly string[]>;
  /** The file, whole, as a stream of its true length. The caller reads it to its end or destroys it. Null: it does not hold the instance. */
  download(
    id: string,
    options?: CallOptions,
  ): Promise<{ readonly file: Readable; readonly bytes: number } | null>;
  /**
   * Reads its own file back from disk and hashes it: the MD5, or null when it cannot give it (missing, cut off, unreadable), which
   * says that the file is bad and not that the Orthanc is away.
   */
  readBack(id: string, options?: CallOptions): Promise<string | null>;
  /**
   * Peer-store jobs that are not over, with what they carry. `progress` 0–100. `peer`: its name where the address the job sends to
   * is that of one peer; null where it is of none (any more) or of several. `running`: not waiting for a free job thread of this
   * Orthanc's, which would be no fault of the peer's.
   */
  openStores(options?: CallOptions): Promise<
    readonly {
      readonly id: string;
      readonly peer: string | null;
      readonly instances: readonly string[];
      readonly progress: number;
      readonly running: boolean;
    }[]
  >;
  /** One synchronous peer-store job, never permissive. Its success is not proof. */
  storeToPeer(peer: string, ids: readonly string[], options?: CallOptions): Promise<void>;
  /** Cancels running peer-store jobs that carry any of these instances. Best effort: a stalled one ends when its own time-out says so. */
  cancelStores(ids: readonly string[], options?: CallOptions): Promise<number>;
  bulkDelete(ids: readonly string[], options?: CallOptions): Promise<void>;
  delete(id: string, options?: CallOptions): Promise<void>;
  /**
   * POST /instances: the file as it is. A stream with `bytes` is passed on as it comes, without being held in memory; one that
   * breaks off, or has another length, leaves nothing there.
   */
  upload(
    file: Readable | Buffer,
    options?: CallOptions & { readonly bytes?: number },
  ): Promise<{ orthancId: string; status: UploadStatus }>;
  peers(options?: CallOptions): Promise<readonly string[]>;
  /** Closes idle connections. */
  close(): void;
}
