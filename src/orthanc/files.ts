import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { attachmentAnswer, errorAnswer, uploadAnswer } from './answers.ts';
import { askFor, orNull } from './ask.ts';
import { type Attachment, FilesTogether } from './files-together.ts';
import { type HttpAnswer, type HttpRequest, type OrthancHttp, parseJson } from './http.ts';
import {
  type CallOptions,
  type FileOptions,
  type FileState,
  type HeldFile,
  OrthancError,
  type UploadStatus,
} from './orthanc.ts';
import type { SmallRead, SmallReads } from './small-reads.ts';

/** What an answer says, or how to find out. */
type Understood<T> = { readonly is: T } | { readonly further: () => Promise<T> };

/** The part of the client that is about files: their MD5s, and the files themselves in both directions. See `Orthanc`. */
export class OrthancFiles {
  private readonly http: OrthancHttp;
  private readonly reads: SmallReads;
  private readonly together: FilesTogether;

  constructor(http: OrthancHttp, reads: SmallReads, requestTimeoutMs: number) {
    this.http = http;
    this.reads = reads;
    this.together = new FilesTogether(reads, requestTimeoutMs);
  }

  async held(ids: readonly string[], options?: FileOptions): Promise<ReadonlyMap<string, HeldFile>> {
    const known = new Map<string, Understood<HeldFile | null>>();
    for (const [id, info] of await this.together.of(ids, options))
      known.set(id, this.described(info, id, options));
    const found = await this.ofEach(
      ids,
      infoOf,
      options,
      (answer, id) => this.file(answer, id, options),
      known,
    );
    const held = new Map<string, HeldFile>();
    for (const [id, file] of found) if (file !== null) held.set(id, file);
    return held;
  }

  async md5(id: string, options?: CallOptions): Promise<string | null> {
    return (await this.md5s([id], options)).get(id) ?? null;
  }

  async md5s(ids: readonly string[], options?: FileOptions): Promise<ReadonlyMap<string, string | null>> {
    const known = new Map<string, Understood<string | null>>();
    for (const [id, { UncompressedMD5: md5 }] of await this.together.of(ids, options))
      known.set(id, md5 === '' ? { further: () => this.hashFile(id, options) } : { is: md5 });
    return await this.ofEach(ids, md5Of, options, (answer, id) => this.recorded(answer, id, options), known);
  }

  async verify(ids: readonly string[], options?: CallOptions): Promise<ReadonlyMap<string, FileState>> {
    return await this.ofEach(ids, verificationOf, options, (answer, id) => this.state(answer, id, options));
  }

  private file(answer: HttpAnswer, id: string, options?: CallOptions): Understood<HeldFile | null> {
    const request = infoOf(id);
    if (answer.status !== 200) {
      const failure = this.http.failure(request, answer);
      if (failure.code === 'not-found') return { is: null };
      throw failure;
    }
    const info = attachmentAnswer.safeParse(parseJson(answer.body));
    if (!info.success) throw this.http.error('nonsense', request, 'this is no description of a file');
    return this.described(info.data, id, options);
  }

  private described(info: Attachment, id: string, options?: CallOptions): Understood<HeldFile | null> {
    const { UncompressedSize: bytes, UncompressedMD5: md5, Uuid: uuid = null } = info;
    if (md5 !== '') return { is: { bytes, md5, uuid } };
    return {
      further: async () => {
        const hashed = await this.hashFile(id, options);
        return hashed === null ? null : { bytes, md5: hashed, uuid };
      },
    };
  }

  private recorded(answer: HttpAnswer, id: string, options?: CallOptions): Understood<string | null> {
    const request = md5Of(id);
    if (answer.status === 404) {
      if (errorAnswer.safeParse(parseJson(answer.body)).success) return { is: null };
      // Orthanc says 404 without a word where it holds the instance and recorded no MD5.
      if (answer.body === '') return { further: () => this.hashFile(id, options) };
    }
    if (answer.status !== 200) throw this.http.failure(request, answer);
    const md5 = answer.body.trim().toLowerCase();
    if (!/^[0-9a-f]{32}$/.test(md5)) throw this.http.error('nonsense', request, 'this is no MD5');
    return { is: md5 };
  }

  private state(answer: HttpAnswer, id: string, options?: CallOptions): Understood<FileState> {
    if (answer.status === 200) return { is: 'intact' };
    // What 1.10.1 and 1.12.7 say of another MD5, and every version where none was recorded: then `md5` has just read the file.
    if (answer.status === 400 && answer.body === '') {
      return {
        further: async () => {
          const recorded = await this.http.exchange(md5Of(id), options);
          return recorded.status === 404 && recorded.body === '' ? 'intact' : 'damaged';
        },
      };
    }
    const failure = this.http.failure(verificationOf(id), answer);
    if (failure.code === 'not-found') return { is: 'absent' };
    if (isAboutFile(failure)) return { is: 'damaged' };
    throw failure;
  }

  /**
   * The answers for many: what is known already, and for the others what each says, asked about once; what has to be asked further is asked
   * one after another. The first error ends it.
   */
  private async ofEach<T>(
    ids: readonly string[],
    ask: (id: string) => SmallRead,
    options: CallOptions | undefined,
    understand: (answer: HttpAnswer, id: string) => Understood<T>,
    known: ReadonlyMap<string, Understood<T>> = new Map(),
  ): Promise<ReadonlyMap<string, T>> {
    const distinct = [...new Set(ids)];
    const open = distinct.filter((id) => !known.has(id));
    const answers = await this.reads.all(
      open.map(ask),
      (answer, index) => [open[index] ?? '', understand(answer, open[index] ?? '')] as const,
      options,
    );
    const understood = new Map([...known, ...answers]);
    const found = new Map<string, T>();
    for (const id of distinct) {
      const answer = understood.get(id);
      if (answer !== undefined) found.set(id, 'is' in answer ? answer.is : await answer.further());
    }
    return found;
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
    const answer = await askFor(this.http, request, uploadAnswer, options);
    return { orthancId: answer.ID, status: answer.Status };
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
}

function md5Of(id: string): SmallRead {
  return { method: 'GET', path: `/instances/${encodeURIComponent(id)}/attachments/dicom/md5` };
}

function infoOf(id: string): SmallRead {
  return { method: 'GET', path: `/instances/${encodeURIComponent(id)}/attachments/dicom/info` };
}

function verificationOf(id: string): SmallRead {
  return { method: 'POST', path: `/instances/${encodeURIComponent(id)}/attachments/dicom/verify-md5` };
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
