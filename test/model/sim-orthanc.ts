import { Readable } from 'node:stream';
import {
  type CallOptions,
  type FileState,
  type HeldFile,
  type LoadReading,
  type Orthanc,
  OrthancError,
  type OrthancErrorCode,
  type SystemInfo,
  type UploadStatus,
} from '../../src/orthanc/orthanc.ts';
import type { Arrival } from '../../src/study.ts';
import { cutOff, type Image, isWhole, ofContent } from './image.ts';
import { type Exchange, type Result, Server } from './sim-server.ts';

/** A peer-store job. It belongs to the front: whoever asked for it may be dead. */
export interface Job {
  readonly id: string;
  readonly peer: string;
  readonly ids: readonly string[];
  next: number;
  over: boolean;
  cancelled: boolean;
  readonly end: (result: Result<void>) => void;
}

/**
 * An Orthanc in memory, as the rooms see one: what it holds, whether it answers, and peer-store jobs that go on when nobody waits
 * for them any more. Faults come from the history; see `Server`.
 */
export class SimOrthanc extends Server implements Orthanc {
  readonly jobs = new Set<Job>();
  /** Instances it answers 500 to. */
  readonly refuses = new Set<string>();
  #jobs = 0;

  system(options?: CallOptions): Promise<SystemInfo> {
    return this.ask('system', options, () => ({
      name: this.name,
      version: '1.12.7',
      dicomAet: this.name.toUpperCase(),
      dicomPort: 4242,
      overwriteInstances: false,
      ingestTranscoding: null,
      storageCompression: false,
      databaseId: null,
    }));
  }

  load(options?: CallOptions): Promise<LoadReading> {
    return this.ask('load', options, () => ({
      latencyMs: 1,
      jobsPending: 0,
      jobsRunning: this.jobs.size,
      activeRequests: 1,
      instances: this.images.size,
      diskBytes: this.images.size * 1000,
    }));
  }

  countInstances(options?: CallOptions): Promise<number> {
    return this.ask('read', options, () => this.images.size);
  }

  async instanceIds(take: (ids: readonly string[]) => void, options?: CallOptions): Promise<void> {
    take(await this.ask('read', options, () => [...this.images.keys()]));
  }

  anyInstance(options?: CallOptions): Promise<string | null> {
    return this.ask('read', options, () => this.images.keys().next().value ?? null);
  }

  describe(ids: readonly string[], options?: CallOptions): Promise<readonly Arrival[]> {
    return this.ask('read', options, () => this.#of(ids).map((image) => arrivalOf(this.name, image)));
  }

  sizes(ids: readonly string[], options?: CallOptions): Promise<ReadonlyMap<string, number>> {
    return this.ask('read', options, () => {
      this.world.looked(this.name, [...ids]);
      return new Map(this.#of(ids).map((one) => [one.id, bytesOf(one)]));
    });
  }

  held(ids: readonly string[], options?: CallOptions): Promise<ReadonlyMap<string, HeldFile>> {
    return this.ask('read', options, () => {
      this.world.looked(this.name, [...ids]);
      return new Map(
        this.#of(ids).map((one) => [
          one.id,
          { bytes: bytesOf(one), md5: one.md5, uuid: `${this.name} ${one.id}` },
        ]),
      );
    });
  }

  md5(id: string, options?: CallOptions): Promise<string | null> {
    return this.ask('read', options, () => {
      this.world.looked(this.name, [id]);
      return this.images.get(id)?.md5 ?? null;
    });
  }

  async md5s(ids: readonly string[], options?: CallOptions): Promise<ReadonlyMap<string, string | null>> {
    const found = new Map<string, string | null>();
    for (const id of new Set(ids)) found.set(id, await this.md5(id, options));
    return found;
  }

  async verify(ids: readonly string[], options?: CallOptions): Promise<ReadonlyMap<string, FileState>> {
    const found = new Map<string, FileState>();
    for (const id of new Set(ids)) {
      const state = await this.ask('read', options, (): FileState => {
        this.world.looked(this.name, [id]);
        const one = this.images.get(id);
        if (one === undefined) return 'absent';
        return isWhole(one) ? 'intact' : 'damaged';
      });
      found.set(id, state);
    }
    return found;
  }

  studyInstances(studyUid: string, options?: CallOptions): Promise<number> {
    return this.ask('read', options, () => {
      const found = this.#ofStudy(studyUid).map((one) => one.id);
      this.world.looked(this.name, found);
      return found.length;
    });
  }

  studyIds(studyUid: string, options?: CallOptions): Promise<readonly string[]> {
    return this.ask('read', options, () =>
      this.#ofStudy(studyUid).length === 0 ? [] : [`study-${studyUid}`],
    );
  }

  studiesOfAccession(_accession: string, options?: CallOptions): Promise<readonly string[]> {
    return this.ask('read', options, () => []);
  }

  studyInstanceIds(studyUid: string, options?: CallOptions): Promise<readonly string[]> {
    return this.ask('read', options, () => {
      const found = this.#ofStudy(studyUid).map((one) => one.id);
      this.world.looked(this.name, found);
      return found;
    });
  }

  async *studyUids(options?: CallOptions): AsyncGenerator<readonly string[], void, undefined> {
    const all = await this.ask('read', options, () => [
      ...new Set([...this.images.values()].map((one) => one.studyUid)),
    ]);
    for (const uid of all) yield [uid];
  }

  async download(
    id: string,
    options?: CallOptions,
  ): Promise<{ readonly file: Readable; readonly bytes: number } | null> {
    const found = await this.ask('download', options, (fault) => {
      const one = this.images.get(id);
      return one === undefined ? null : { one, cut: fault === 'partial' };
    });
    if (found === null) return null;
    const bytes = Buffer.from(found.one.content);
    const error = this.error('unreachable', 'the body broke off');
    function* pieces(): Generator<Buffer> {
      yield bytes.subarray(0, 3);
      if (found?.cut === true) throw error;
      yield bytes.subarray(3);
    }
    return { file: Readable.from(pieces(), { objectMode: false }), bytes: bytes.length };
  }

  receivedBy(id: string, options?: CallOptions): Promise<string | null> {
    return this.ask('read', options, () => (this.images.has(id) ? 'RestApi' : null));
  }

  readBack(id: string, options?: CallOptions): Promise<string | null> {
    return this.md5(id, options);
  }

  openStores(options?: CallOptions): Promise<
    readonly {
      id: string;
      peer: string | null;
      instances: readonly string[];
      running: boolean;
      progress: number;
    }[]
  > {
    return this.ask('read', options, () =>
      [...this.jobs].map(({ id, peer, ids, next }) => ({
        id,
        peer,
        instances: ids,
        running: true,
        progress: Math.floor((next / ids.length) * 100),
      })),
    );
  }

  storeToPeer(peer: string, ids: readonly string[], options?: CallOptions): Promise<void> {
    this.world.sends(this.name, peer, ids);
    return this.exchange('store', options, (_fault, done) => {
      if (ids.some((id) => !this.images.has(id))) {
        done({ error: this.error('not-found', 'unknown instance') });
        return;
      }
      this.#jobs += 1;
      const id = `${this.name}-job-${this.#jobs}`;
      const job: Job = { id, peer, ids, next: 0, over: false, cancelled: false, end: done };
      this.jobs.add(job);
      this.world.runJob(this, job);
    });
  }

  cancelStores(ids: readonly string[], options?: CallOptions): Promise<number> {
    return this.ask('read', options, () => {
      const hit = [...this.jobs].filter((job) => job.ids.some((id) => ids.includes(id)));
      // The request that is under way is not interrupted; the job ends after it.
      for (const job of hit) job.cancelled = true;
      return hit.length;
    });
  }

  endJob(job: Job, result: Result<void>): void {
    if (job.over) return;
    job.over = true;
    this.jobs.delete(job);
    job.end(result);
  }

  /** Jobs are not kept over a restart; what they had just sent may arrive all the same. */
  override kill(): void {
    for (const job of this.jobs) job.over = true;
    this.jobs.clear();
    super.kill();
  }

  bulkDelete(ids: readonly string[], options?: CallOptions): Promise<void> {
    if (ids.length === 0) return Promise.resolve();
    return this.#removing(ids, options);
  }

  delete(id: string, options?: CallOptions): Promise<void> {
    return this.#removing([id], options);
  }

  #removing(ids: readonly string[], options: CallOptions | undefined): Promise<void> {
    const sure = this.world.asksToDelete(this.name, ids);
    return this.exchange('delete', options, (fault, done) => {
      const some = fault === 'partial' ? ids.slice(0, Math.ceil(ids.length / 2)) : ids;
      this.world.deletes(this.name, some, sure);
      done(
        fault === 'partial'
          ? { error: this.error('server-error', 'broke off half-way') }
          : { value: undefined },
      );
    });
  }

  async upload(
    file: Readable | Buffer,
    options?: CallOptions & { readonly bytes?: number },
  ): Promise<{ orthancId: string; status: UploadStatus }> {
    let text = '';
    try {
      if (Buffer.isBuffer(file)) text = file.toString();
      else for await (const piece of file) text += String(piece);
    } catch (error) {
      throw this.error('unreachable', String(error));
    }
    if (options?.bytes !== undefined && options.bytes !== Buffer.byteLength(text))
      throw this.error('unreachable', 'another length than announced');
    this.world.uploads(this.name);
    return this.exchange('post', options, (fault, done) => {
      const { id } = ofContent(text);
      const stored = this.take(text, fault);
      done(
        stored === null
          ? { error: this.error('server-error', 'refused') }
          : { value: { orthancId: id, status: stored } },
      );
    });
  }

  peers(options?: CallOptions): Promise<readonly string[]> {
    return this.ask('read', options, () => this.world.backendNames);
  }

  close(): void {}

  /** What POST /instances does, without overwriting. Null: refused. */
  take(content: string, fault: Exchange['fault']): UploadStatus | null {
    const one = ofContent(fault === 'flip' ? `${content}#` : content);
    if (this.refuses.has(one.id)) return null;
    if (this.images.has(one.id)) return 'AlreadyStored';
    if (fault !== 'lie') this.images.set(one.id, fault === 'full-disk' ? cutOff(one) : one);
    return 'Success';
  }

  error(code: OrthancErrorCode, message: string): OrthancError {
    return new OrthancError(
      this.name,
      code,
      `${this.name}: ${message}`,
      code === 'server-error' ? { status: 500 } : {},
    );
  }

  #of(ids: readonly string[]): Image[] {
    return ids.flatMap((id) => this.images.get(id) ?? []);
  }

  #ofStudy(studyUid: string): Image[] {
    return [...this.images.values()].filter((one) => one.studyUid === studyUid);
  }
}

export function arrivalOf(front: string, one: Image): Arrival {
  return {
    front,
    orthancId: one.id,
    studyUid: one.studyUid,
    seriesUid: `${one.studyUid}.1`,
    sopUid: one.sopUid,
    modality: 'CT',
    station: 'CT1',
    remoteAet: 'MODALITY',
    calledAet: 'DDE',
    remoteIp: '127.0.0.1',
    transferSyntax: '1.2.840.10008.1.2.1',
    bytes: bytesOf(one),
    bytesExact: true,
  };
}

function bytesOf(one: Image): number {
  return Buffer.byteLength(one.content);
}
