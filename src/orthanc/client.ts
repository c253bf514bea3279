import type { Readable } from 'node:stream';
import type { z } from 'zod';
import type { Arrival } from '../study.ts';
import {
  idsAnswer,
  instancesAnswer,
  jobsAnswer,
  parseMetrics,
  peersAnswer,
  seriesAnswer,
  seriesChildrenAnswer,
  statisticsAnswer,
  storeAnswer,
  studiesAnswer,
  studyStatisticsAnswer,
  systemAnswer,
} from './answers.ts';
import { askFor, orNull, understood } from './ask.ts';
import { OrthancFiles } from './files.ts';
import { type HttpRequest, type OrthancAccess, OrthancHttp } from './http.ts';
import { IdListReader } from './id-list.ts';
import { Lookups } from './lookups.ts';
import {
  type CallOptions,
  type FileOptions,
  type FileState,
  type HeldFile,
  type LoadReading,
  type Orthanc,
  type SystemInfo,
  type UploadStatus,
} from './orthanc.ts';
import { SmallReads, type TextRequest } from './small-reads.ts';
import { Turns } from './turns.ts';

/** Resources asked for in one call: about half a megabyte of answer, and never long on Orthanc's index. */
const BATCH = 500;
/** Studies of one accession number: more are a mistake of whoever gave the numbers. */
const mostFound = 100;

/**
 * The client of one Orthanc. `url` without trailing slash; `requestTimeoutMs` is the limit of calls that say none of their own. `turns`:
 * shared by all whose Orthancs are asked the same at the same time.
 */
export function createOrthanc(access: OrthancAccess, turns: Turns = new Turns()): Orthanc {
  return new OrthancClient(access, turns);
}

class OrthancClient implements Orthanc {
  readonly name: string;
  private readonly http: OrthancHttp;
  private readonly reads: SmallReads;
  private readonly lookups: Lookups;
  private readonly files: OrthancFiles;

  constructor(access: OrthancAccess, turns: Turns) {
    this.name = access.name;
    this.http = new OrthancHttp(access);
    this.reads = new SmallReads(access, this.http);
    this.lookups = new Lookups(this.http, this.reads, turns, access.requestTimeoutMs);
    this.files = new OrthancFiles(this.http, this.reads, access.requestTimeoutMs);
  }

  async system(options?: CallOptions): Promise<SystemInfo> {
    const system = await this.get('/system', systemAnswer, options);
    return {
      name: system.Name,
      version: system.Version,
      dicomAet: system.DicomAet,
      dicomPort: system.DicomPort,
      overwriteInstances: system.OverwriteInstances ?? null,
      ingestTranscoding: blankAsNull(system.IngestTranscoding),
      storageCompression: system.StorageCompression ?? null,
      databaseId: blankAsNull(system.DatabaseServerIdentifier),
    };
  }

  async load(options?: CallOptions): Promise<LoadReading> {
    const askedAt = performance.now();
    const statistics = await this.get('/statistics', statisticsAnswer, options);
    const latencyMs = performance.now() - askedAt;
    const metrics = await this.metrics(options);
    return {
      latencyMs,
      jobsPending: metrics.get('orthanc_jobs_pending') ?? null,
      jobsRunning: metrics.get('orthanc_jobs_running') ?? null,
      activeRequests: metrics.get('orthanc_rest_api_active_requests') ?? null,
      instances: statistics.CountInstances,
      diskBytes: Number(statistics.TotalDiskSize),
    };
  }

  async countInstances(options?: CallOptions): Promise<number> {
    return (await this.get('/statistics', statisticsAnswer, options)).CountInstances;
  }

  async instanceIds(take: (ids: readonly string[]) => void, options?: CallOptions): Promise<void> {
    const request: HttpRequest = { method: 'GET', path: '/instances' };
    const list = new IdListReader();
    const wellFormed = <T>(read: () => T): T => {
      try {
        return read();
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        throw this.http.error('nonsense', request, error.message);
      }
    };
    await this.http.stream(request, (bytes) => take(wellFormed(() => list.read(bytes))), options);
    wellFormed(() => list.end());
  }

  async anyInstance(options?: CallOptions): Promise<string | null> {
    return (await this.get('/instances?since=0&limit=1', idsAnswer, options))[0] ?? null;
  }

  async describe(ids: readonly string[], options?: CallOptions): Promise<readonly Arrival[]> {
    const instances = await this.bulk('Instance', ids, instancesAnswer, true, options);
    const series = byId(
      await this.bulk(
        'Series',
        instances.map((instance) => instance.ParentSeries),
        seriesAnswer,
        false,
        options,
      ),
    );
    const studies = byId(
      await this.bulk(
        'Study',
        [...series.values()].map((one) => one.ParentStudy),
        studiesAnswer,
        false,
        options,
      ),
    );
    const arrivals: Arrival[] = [];
    for (const instance of instances) {
      const parent = series.get(instance.ParentSeries);
      const study = parent === undefined ? undefined : studies.get(parent.ParentStudy);
      // Deleted between two calls: not held.
      if (parent === undefined || study === undefined) continue;
      arrivals.push({
        front: this.name,
        orthancId: instance.ID,
        studyUid: study.MainDicomTags.StudyInstanceUID,
        seriesUid: parent.MainDicomTags.SeriesInstanceUID,
        sopUid: instance.MainDicomTags.SOPInstanceUID,
        modality: blankAsNull(parent.MainDicomTags.Modality),
        station: blankAsNull(parent.MainDicomTags.StationName),
        remoteAet: blankAsNull(instance.Metadata?.RemoteAET),
        calledAet: blankAsNull(instance.Metadata?.CalledAET),
        remoteIp: blankAsNull(instance.Metadata?.RemoteIP),
        transferSyntax: blankAsNull(instance.Metadata?.TransferSyntax),
        bytes: instance.FileSize,
        bytesExact: true,
      });
    }
    return arrivals;
  }

  async receivedBy(id: string, options?: CallOptions): Promise<string | null> {
    const [instance] = await this.bulk('Instance', [id], instancesAnswer, true, options);
    return instance?.Metadata?.Origin ?? null;
  }

  async sizes(ids: readonly string[], options?: CallOptions): Promise<ReadonlyMap<string, number>> {
    const instances = await this.bulk('Instance', ids, instancesAnswer, false, options);
    return new Map(instances.map((instance) => [instance.ID, instance.FileSize]));
  }

  held(ids: readonly string[], options?: FileOptions): Promise<ReadonlyMap<string, HeldFile>> {
    return this.files.held(ids, options);
  }

  md5(id: string, options?: CallOptions): Promise<string | null> {
    return this.files.md5(id, options);
  }

  md5s(ids: readonly string[], options?: FileOptions): Promise<ReadonlyMap<string, string | null>> {
    return this.files.md5s(ids, options);
  }

  verify(ids: readonly string[], options?: CallOptions): Promise<ReadonlyMap<string, FileState>> {
    return this.files.verify(ids, options);
  }

  download(
    id: string,
    options?: CallOptions,
  ): Promise<{ readonly file: Readable; readonly bytes: number } | null> {
    return this.files.download(id, options);
  }

  readBack(id: string, options?: CallOptions): Promise<string | null> {
    return this.files.readBack(id, options);
  }

  upload(
    file: Readable | Buffer,
    options?: CallOptions & { readonly bytes?: number },
  ): Promise<{ orthancId: string; status: UploadStatus }> {
    return this.files.upload(file, options);
  }

  async studyInstances(studyUid: string, options?: CallOptions): Promise<number> {
    let sum = 0;
    for (const id of await this.studyIds(studyUid, options)) {
      const path = `/studies/${encodeURIComponent(id)}/statistics`;
      const statistics = await orNull(this.get(path, studyStatisticsAnswer, options), ['not-found']);
      sum += statistics?.CountInstances ?? 0;
    }
    return sum;
  }

  async studyIds(studyUid: string, options?: CallOptions): Promise<readonly string[]> {
    if (studyUid === '') return [];
    // Orthanc looks identifiers up without regard to case and to signs that no UID should have, and refuses those that it
    // takes for wildcards. Where a UID has any of that, what it says must be looked at, and for wildcards all that it has.
    if (/[*?\\]/.test(studyUid))
      return await this.studiesNamed(studyUid, await this.get('/studies', idsAnswer, options), options);
    const found = await this.lookups.find(studyUid, options);
    const ids = found.filter((resource) => resource.Type === 'Study').map((resource) => resource.ID);
    return /^[\d.]+$/.test(studyUid) ? ids : await this.studiesNamed(studyUid, ids, options);
  }

  /** Those of the studies that have this very UID. */
  private async studiesNamed(
    studyUid: string,
    ids: readonly string[],
    options?: CallOptions,
  ): Promise<readonly string[]> {
    const studies = await this.bulk('Study', ids, studiesAnswer, false, options);
    return studies
      .filter((study) => study.MainDicomTags.StudyInstanceUID === studyUid)
      .map((study) => study.ID);
  }

  async studiesOfAccession(accession: string, options?: CallOptions): Promise<readonly string[]> {
    const body = {
      Level: 'Study',
      Query: { AccessionNumber: accession },
      CaseSensitive: true,
      Expand: true,
      Limit: mostFound,
    };
    const request = { ...jsonRequest('/tools/find', body), repeatable: true };
    // Of all that is answered only the UIDs are taken over.
    const studies = await askFor(this.http, request, studiesAnswer, options);
    return [...new Set(studies.map((study) => study.MainDicomTags.StudyInstanceUID))];
  }

  async studyInstanceIds(studyUid: string, options?: CallOptions): Promise<readonly string[]> {
    const ids = await this.studyIds(studyUid, options);
    if (ids.length === 0) return [];
    const studies = await this.bulk('Study', ids, studiesAnswer, false, options);
    const series = studies.flatMap((study) => study.Series);
    const children = await this.bulk('Series', series, seriesChildrenAnswer, false, options);
    return children.flatMap((one) => one.Instances);
  }

  async *studyUids(options?: CallOptions): AsyncGenerator<readonly string[], void, undefined> {
    const ids = await this.get('/studies', idsAnswer, options);
    for (let from = 0; from < ids.length; from += BATCH) {
      const some = await this.bulk('Study', ids.slice(from, from + BATCH), studiesAnswer, false, options);
      yield some.map((study) => study.MainDicomTags.StudyInstanceUID);
    }
  }

  async openStores(options?: CallOptions): Promise<
    readonly {
      id: string;
      peer: string | null;
      instances: readonly string[];
      progress: number;
      running: boolean;
    }[]
  > {
    const open = await this.openStoreJobs(options);
    if (open.length === 0) return [];
    const peers = Object.entries(await this.get('/peers?expand', peersAnswer, options));
    return open.map((job) => {
      const url = job.Content?.Peer;
      const named = url === undefined ? [] : peers.filter(([, peer]) => sameAddress(peer.Url, url));
      return {
        id: job.ID,
        peer: named.length === 1 ? (named[0]?.[0] ?? null) : null,
        instances: job.Content?.ParentResources ?? [],
        progress: job.Progress ?? 0,
        running: job.State === 'Running',
      };
    });
  }

  async storeToPeer(peer: string, ids: readonly string[], options?: CallOptions): Promise<void> {
    const path = `/peers/${encodeURIComponent(peer)}/store`;
    const request = jsonRequest(path, { Resources: ids, Synchronous: true, Permissive: false });
    understood(this.http, request, storeAnswer, await this.reads.ask(request, options));
  }

  async cancelStores(ids: readonly string[], options?: CallOptions): Promise<number> {
    const wanted = new Set(ids);
    let cancelled = 0;
    for (const job of await this.openStoreJobs(options)) {
      if (job.Content?.ParentResources?.some((id) => wanted.has(id)) !== true) continue;
      const request: HttpRequest = {
        method: 'POST',
        path: `/jobs/${encodeURIComponent(job.ID)}/cancel`,
        body: '',
      };
      // It may have ended in between.
      if ((await orNull(this.http.ask(request, options), ['not-found'])) !== null) cancelled++;
    }
    return cancelled;
  }

  async bulkDelete(ids: readonly string[], options?: CallOptions): Promise<void> {
    if (ids.length === 0) return;
    await this.reads.ask(jsonRequest('/tools/bulk-delete', { Resources: ids }), options);
  }

  async delete(id: string, options?: CallOptions): Promise<void> {
    // Not there: that is what was wanted.
    await orNull(this.http.ask({ method: 'DELETE', path: `/instances/${encodeURIComponent(id)}` }, options), [
      'not-found',
    ]);
  }

  async peers(options?: CallOptions): Promise<readonly string[]> {
    return await this.get('/peers', idsAnswer, options);
  }

  close(): void {
    this.reads.close();
    this.http.close();
  }

  private async openStoreJobs(options?: CallOptions): Promise<z.output<typeof jobsAnswer>> {
    const jobs = await this.get('/jobs?expand', jobsAnswer, options);
    const open = ['Pending', 'Running', 'Retry', 'Paused'];
    return jobs.filter((job) => job.Type === 'OrthancPeerStore' && open.includes(job.State));
  }

  /** Empty where metrics are switched off. */
  private async metrics(options?: CallOptions): Promise<ReadonlyMap<string, number>> {
    const request = { method: 'GET', path: '/tools/metrics-prometheus' } as const;
    const text = await orNull(this.reads.ask(request, options), ['not-found', 'unauthorized', 'rejected']);
    return text === null ? new Map() : parseMetrics(text);
  }

  /** Resources of one level from the index, each asked for once; unknown ones are absent from the answer. */
  private async bulk<T extends z.ZodType<readonly unknown[]>>(
    level: 'Instance' | 'Series' | 'Study',
    ids: readonly string[],
    answer: T,
    metadata: boolean,
    options?: CallOptions,
  ): Promise<z.output<T>[number][]> {
    const distinct = [...new Set(ids)];
    const resources: z.output<T>[number][] = [];
    for (let from = 0; from < distinct.length; from += BATCH) {
      const Resources = distinct.slice(from, from + BATCH);
      const body = { Resources, Level: level, Metadata: metadata };
      const request = { ...jsonRequest('/tools/bulk-content', body), repeatable: true };
      const some = understood(this.http, request, answer, await this.reads.ask(request, options));
      for (const resource of some) resources.push(resource);
    }
    return resources;
  }

  private async get<T extends z.ZodType>(
    path: string,
    answer: T,
    options?: CallOptions,
  ): Promise<z.output<T>> {
    // Not through axios: every Orthanc is polled again and again, and a question costs less than half this way.
    const request = { method: 'GET', path } as const;
    return understood(this.http, request, answer, await this.reads.ask(request, options));
  }
}

function sameAddress(one: string, other: string): boolean {
  return one.replace(/\/+$/, '') === other.replace(/\/+$/, '');
}

function jsonRequest(path: string, body: unknown): TextRequest {
  return { method: 'POST', path, body: JSON.stringify(body), contentType: 'application/json' };
}

function byId<T extends { readonly ID: string }>(resources: readonly T[]): Map<string, T> {
  return new Map(resources.map((resource) => [resource.ID, resource]));
}

function blankAsNull(text: string | undefined): string | null {
  return text === undefined || text.trim() === '' ? null : text.trim();
}
