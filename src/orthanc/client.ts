import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { z } from 'zod';
import type { Arrival } from '../study.ts';
import {
  errorAnswer,
  idsAnswer,
  instancesAnswer,
  jobsAnswer,
  lookupAnswer,
  parseMetrics,
  peersAnswer,
  seriesAnswer,
  seriesChildrenAnswer,
  statisticsAnswer,
  storeAnswer,
  studiesAnswer,
  studyStatisticsAnswer,
  systemAnswer,
  uploadAnswer,
} from './answers.ts';
import { type HttpRequest, type OrthancAccess, OrthancHttp, parseJson } from './http.ts';
import {
  type CallOptions,
  type LoadReading,
  type Orthanc,
  OrthancError,
  type SystemInfo,
  type UploadStatus,
} from './orthanc.ts';

/** Resources asked for in one call: about half a megabyte of answer, and never long on Orthanc's index. */
const BATCH = 500;

/** The client of one Orthanc. `url` without trailing slash; `requestTimeoutMs` is the limit of calls that say none of their own. */
export function createOrthanc(access: OrthancAccess): Orthanc {
  return new OrthancClient(access);
}

class OrthancClient implements Orthanc {
  readonly name: string;
  private readonly http: OrthancHttp;

  constructor(access: OrthancAccess) {
    this.name = access.name;
    this.http = new OrthancHttp(access);
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

  async instanceIds(options?: CallOptions): Promise<readonly string[]> {
    return await this.get('/instances', idsAnswer, options);
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

  async sizes(ids: readonly string[], options?: CallOptions): Promise<ReadonlyMap<string, number>> {
    const instances = await this.bulk('Instance', ids, instancesAnswer, false, options);
    return new Map(instances.map((instance) => [instance.ID, instance.FileSize]));
  }

  async md5(id: string, options?: CallOptions): Promise<string | null> {
    const request: HttpRequest = {
      method: 'GET',
      path: `/instances/${encodeURIComponent(id)}/attachments/dicom/md5`,
    };
    const answer = await this.http.exchange(request, options);
    if (answer.status === 404) {
      if (errorAnswer.safeParse(parseJson(answer.body)).success) return null;
      // Orthanc says 404 without a word where it holds the instance and recorded no MD5.
      if (answer.body === '') return await this.hashFile(id, options);
    }
    if (answer.status !== 200) throw this.http.failure(request, answer);
    const md5 = answer.body.trim().toLowerCase();
    if (!/^[0-9a-f]{32}$/.test(md5)) throw this.http.error('nonsense', request, 'this is no MD5');
    return md5;
  }

  async md5s(
    ids: readonly string[],
    concurrency: number,
    options?: CallOptions,
  ): Promise<ReadonlyMap<string, string | null>> {
    const found = new Map<string, string | null>();
    const failed = new AbortController();
    const signal =
      options?.signal === undefined ? failed.signal : AbortSignal.any([failed.signal, options.signal]);
    const waiting = [...new Set(ids)].values();
    const errors: unknown[] = [];
    const work = async () => {
      // One iterator for all: each takes the next id when it is ready for it.
      for (const id of waiting) {
        if (failed.signal.aborted) return;
        try {
          found.set(id, await this.md5(id, { ...options, signal }));
        } catch (error) {
          errors.push(error);
          failed.abort();
          return;
        }
      }
    };
    const workers = Array.from({ length: Math.max(1, Math.min(concurrency, ids.length)) }, work);
    await Promise.all(workers);
    // The first is the reason; the others only say that they were stopped for it.
    const [reason] = errors;
    if (reason instanceof Error) throw reason;
    return found;
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
    // Wildcards and lists: Orthanc refuses the ones and would find other studies with the others. No UID has them.
    if (studyUid === '' || /[*?\\]/.test(studyUid)) return [];
    const request: HttpRequest = {
      method: 'POST',
      path: '/tools/lookup',
      body: studyUid,
      contentType: 'text/plain',
      repeatable: true,
    };
    const found = await this.asked(request, lookupAnswer, options);
    return found.filter((resource) => resource.Type === 'Study').map((resource) => resource.ID);
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

  async download(
    id: string,
    options?: CallOptions,
  ): Promise<{ readonly file: Readable; readonly bytes: number } | null> {
    const opened = await orNull(this.http.open(fileOf(id), options), ['not-found']);
    return opened === null ? null : { file: opened.body, bytes: opened.bytes };
  }

  async readBack(id: string, options?: CallOptions): Promise<string | null> {
    const hash = createHash('md5');
    try {
      await this.http.stream(fileOf(id), (bytes) => void hash.update(bytes), options);
      return hash.digest('hex');
    } catch (error) {
      if (error instanceof OrthancError && isAboutFile(error)) return null;
      throw error;
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
    await this.post(path, { Resources: ids, Synchronous: true, Permissive: false }, storeAnswer, options);
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
    await this.http.ask(jsonRequest('/tools/bulk-delete', { Resources: ids }), options);
  }

  async delete(id: string, options?: CallOptions): Promise<void> {
    // Not there: that is what was wanted.
    await orNull(this.http.ask({ method: 'DELETE', path: `/instances/${encodeURIComponent(id)}` }, options), [
      'not-found',
    ]);
  }

  async upload(
    file: Readable | Buffer,
    options?: CallOptions & { readonly bytes?: number },
  ): Promise<{ orthancId: string; status: UploadStatus }> {
    const bytes = options?.bytes;
    // Orthanc wants to know the length: without it, the file is read whole first.
    const body = file instanceof Readable && bytes === undefined ? await buffer(file) : file;
    const request: HttpRequest = {
      method: 'POST',
      path: '/instances',
      body: body instanceof Readable ? exactly(body, bytes ?? 0) : body,
      contentType: 'application/dicom',
      ...(body instanceof Readable && bytes !== undefined ? { bytes } : {}),
    };
    const answer = await this.asked(request, uploadAnswer, options);
    return { orthancId: answer.ID, status: answer.Status };
  }

  async peers(options?: CallOptions): Promise<readonly string[]> {
    return await this.get('/peers', idsAnswer, options);
  }

  close(): void {
    this.http.close();
  }

  private async openStoreJobs(options?: CallOptions): Promise<z.output<typeof jobsAnswer>> {
    const jobs = await this.get('/jobs?expand', jobsAnswer, options);
    const open = ['Pending', 'Running', 'Retry', 'Paused'];
    return jobs.filter((job) => job.Type === 'OrthancPeerStore' && open.includes(job.State));
  }

  /** Empty where metrics are switched off. */
  private async metrics(options?: CallOptions): Promise<ReadonlyMap<string, number>> {
    const request: HttpRequest = { method: 'GET', path: '/tools/metrics-prometheus' };
    const text = await orNull(this.http.ask(request, options), ['not-found', 'unauthorized', 'rejected']);
    return text === null ? new Map() : parseMetrics(text);
  }

  private async hashFile(id: string, options?: CallOptions): Promise<string | null> {
    const hash = createHash('md5');
    const request: HttpRequest = {
      method: 'GET',
      path: `/instances/${encodeURIComponent(id)}/attachments/dicom/data`,
    };
    const read = this.http.stream(request, (bytes) => void hash.update(bytes), options).then(() => true);
    return (await orNull(read, ['not-found'])) === null ? null : hash.digest('hex');
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
      const some = await this.asked(
        { ...jsonRequest('/tools/bulk-content', body), repeatable: true },
        answer,
        options,
      );
      for (const resource of some) resources.push(resource);
    }
    return resources;
  }

  private async get<T extends z.ZodType>(
    path: string,
    answer: T,
    options?: CallOptions,
  ): Promise<z.output<T>> {
    return await this.asked({ method: 'GET', path }, answer, options);
  }

  private async post<T extends z.ZodType>(
    path: string,
    body: unknown,
    answer: T,
    options?: CallOptions,
  ): Promise<z.output<T>> {
    return await this.asked(jsonRequest(path, body), answer, options);
  }

  private async asked<T extends z.ZodType>(
    request: HttpRequest,
    answer: T,
    options?: CallOptions,
  ): Promise<z.output<T>> {
    const parsed = answer.safeParse(parseJson(await this.http.ask(request, options)));
    if (parsed.success) return parsed.data;
    // Where it differs, not what stands there: an answer may hold a patient's name.
    const where = parsed.error.issues
      .map((issue) => `${issue.path.join('.') || 'answer'} ${issue.code}`)
      .slice(0, 3);
    throw this.http.error('nonsense', request, `not the answer to this question (${where.join(', ')})`);
  }
}

function fileOf(id: string): HttpRequest {
  return { method: 'GET', path: `/instances/${encodeURIComponent(id)}/file` };
}

/** Orthanc's numbers for: beyond the end, no such item, no such file, bad file, no such resource, another MD5 than recorded. */
const fileErrors: ReadonlySet<number> = new Set([3, 7, 13, 15, 17, 20]);

/**
 * Whether an Orthanc's error, when asked for a file, is about that file: missing, cut off, not what was stored, or not held. Its
 * database, its memory and whatever stands before it say nothing about a file. From 2000 to 2099 are those of files and folders.
 */
function isAboutFile({ code, status, orthancStatus }: OrthancError): boolean {
  if (code === 'not-found') return true;
  if (orthancStatus === null || (status !== 400 && status !== 500)) return false;
  return fileErrors.has(orthancStatus) || (orthancStatus >= 2000 && orthancStatus < 2100);
}

function sameAddress(one: string, other: string): boolean {
  return one.replace(/\/+$/, '') === other.replace(/\/+$/, '');
}

/**
 * Passes a file on, and fails where it has another length than was announced: the other side would wait for the rest for ever,
 * or take what is too much for the next request.
 */
function exactly(file: Readable, bytes: number): Readable {
  async function* counted(): AsyncGenerator<unknown, void, undefined> {
    let passed = 0;
    for await (const piece of file) {
      passed += Buffer.isBuffer(piece) ? piece.length : Buffer.byteLength(String(piece));
      if (passed > bytes) break;
      yield piece;
    }
    if (passed !== bytes) throw new Error(`a file of another length than the ${bytes} bytes announced`);
  }
  const passing = Readable.from(counted(), { objectMode: false });
  passing.once('close', () => file.destroy());
  return passing;
}

function jsonRequest(path: string, body: unknown): HttpRequest {
  return { method: 'POST', path, body: JSON.stringify(body), contentType: 'application/json' };
}

/** Null for these failures; all others are thrown. */
async function orNull<T>(call: Promise<T>, codes: readonly OrthancError['code'][]): Promise<T | null> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof OrthancError && codes.includes(error.code)) return null;
    throw error;
  }
}

function byId<T extends { readonly ID: string }>(resources: readonly T[]): Map<string, T> {
  return new Map(resources.map((resource) => [resource.ID, resource]));
}

function blankAsNull(text: string | undefined): string | null {
  return text === undefined || text.trim() === '' ? null : text.trim();
}
