import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { errorAnswer, uploadAnswer } from './answers.ts';
import { askFor, orNull } from './ask.ts';
import { type HttpRequest, type OrthancHttp, parseJson } from './http.ts';
import { type CallOptions, type FileState, OrthancError, type UploadStatus } from './orthanc.ts';

/** The part of the client that is about files: their MD5s, and the files themselves in both directions. See `Orthanc`. */
export class OrthancFiles {
  private readonly http: OrthancHttp;

  constructor(http: OrthancHttp) {
    this.http = http;
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
    return await ofEach(ids, concurrency, options, (id, each) => this.md5(id, each));
  }

  async verify(
    ids: readonly string[],
    concurrency: number,
    options?: CallOptions,
  ): Promise<ReadonlyMap<string, FileState>> {
    return await ofEach(ids, concurrency, options, (id, each) => this.verifyOne(id, each));
  }

  private async verifyOne(id: string, options: CallOptions): Promise<FileState> {
    const attachment = `/instances/${encodeURIComponent(id)}/attachments/dicom`;
    const request: HttpRequest = { method: 'POST', path: `${attachment}/verify-md5`, body: '' };
    const answer = await this.http.exchange(request, options);
    if (answer.status === 200) return 'intact';
    // What 1.10.1 and 1.12.7 say of another MD5, and every version where none was recorded: then `md5` has just read the file.
    if (answer.status === 400 && answer.body === '') {
      const recorded = await this.http.exchange({ method: 'GET', path: `${attachment}/md5` }, options);
      return recorded.status === 404 && recorded.body === '' ? 'intact' : 'damaged';
    }
    const failure = this.http.failure(request, answer);
    if (failure.code === 'not-found') return 'absent';
    if (isAboutFile(failure)) return 'damaged';
    throw failure;
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

/** The answers for many, at most `concurrency` at a time. The first error aborts the rest, and is thrown. */
async function ofEach<T>(
  ids: readonly string[],
  concurrency: number,
  options: CallOptions | undefined,
  ask: (id: string, options: CallOptions) => Promise<T>,
): Promise<ReadonlyMap<string, T>> {
  const found = new Map<string, T>();
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
        found.set(id, await ask(id, { ...options, signal }));
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
