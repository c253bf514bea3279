import type { z } from 'zod';
import { type attachmentAnswer, filesAnswer } from './answers.ts';
import { parseJson } from './http.ts';
import { type CallOptions, type FileOptions, OrthancError } from './orthanc.ts';
import type { SmallReads, TextRequest } from './small-reads.ts';

export type Attachment = z.infer<typeof attachmentAnswer>;

/** From three on it costs the Orthanc less than a question for each; of two it costs the same. */
const fewest = 3;
/** UIDs in one question: some 6 KB. */
const most = 100;
/** Beyond this something is the matter with its index, and single questions, which need no search, do better. */
const longestMs = 3_000;
/** After an Orthanc could not, so many sets are asked one by one: it may be a newer one by then. */
const setsWithout = 1_000;
const dicomFile = 1;

/**
 * What an Orthanc recorded of the files of many instances, asked in one question: `/tools/find` with the attachments. Seen to be answered
 * by 1.12.7 and 1.13.0; 1.10.1 answers with identifiers alone. For eight images it costs either side a third to a half of the CPU of eight
 * questions.
 *
 * It is a search by SOPInstanceUID, so what it does not find proves nothing: an Orthanc may limit its answers. Whoever asks goes on to ask
 * about those by their identifiers.
 */
export class FilesTogether {
  readonly #reads: SmallReads;
  readonly #limitMs: number;
  #without = 0;

  /** @param requestTimeoutMs of a request that moves no images */
  constructor(reads: SmallReads, requestTimeoutMs: number) {
    this.#reads = reads;
    // A third: callers bound the whole of it by that time, and single questions are to have the rest.
    this.#limitMs = Math.min(longestMs, requestTimeoutMs / 3);
  }

  /**
   * The files it found, by identifier: of as many of these as it could. Empty when it cannot answer such questions.
   *
   * @throws OrthancError when it is away, or the caller gave up
   */
  async of(ids: readonly string[], options: FileOptions = {}): Promise<ReadonlyMap<string, Attachment>> {
    const { sopUids, ...limits } = options;
    const found = new Map<string, Attachment>();
    const uids = ids.flatMap((id) => sopUids?.get(id) ?? []).filter(isPlain);
    if (uids.length < fewest) return found;
    if (this.#without > 0) {
      this.#without--;
      return found;
    }
    const wanted = new Set(ids);
    for (let at = 0; at < uids.length; at += most) {
      const some = await this.#search(uids.slice(at, at + most), limits);
      if (some === null) {
        this.#without = setsWithout;
        break;
      }
      // The same UID may stand in another study as well.
      for (const [id, file] of some) if (wanted.has(id)) found.set(id, file);
    }
    return found;
  }

  /** Null: it cannot. */
  async #search(
    uids: readonly string[],
    options: CallOptions,
  ): Promise<ReadonlyMap<string, Attachment> | null> {
    const request: TextRequest = {
      method: 'POST',
      path: '/tools/find',
      body: JSON.stringify({
        Level: 'Instance',
        Query: { SOPInstanceUID: uids.join('\\') },
        ResponseContent: ['Attachments'],
      }),
      contentType: 'application/json',
      repeatable: true,
    };
    try {
      const { status, body } = await this.#reads.exchange(request, {
        ...options,
        timeoutMs: Math.min(this.#limitMs, options.timeoutMs ?? this.#limitMs),
      });
      if (status !== 200) return null;
      const answer = filesAnswer.safeParse(parseJson(body));
      if (!answer.success) return null;
      return new Map(
        answer.data.flatMap(({ ID, Attachments }) => {
          const file = Attachments.find(({ ContentType }) => ContentType === dicomFile);
          return file === undefined ? [] : [[ID, file] as const];
        }),
      );
    } catch (error) {
      if (!(error instanceof OrthancError) || error.code !== 'timeout') throw error;
      if (options.signal?.aborted !== true) return null;
      // Also when the caller did not wait so long: it would never come to the single questions.
      this.#without = setsWithout;
      throw error;
    }
  }
}

/** Other characters would be understood as patterns or lists. */
function isPlain(uid: string): boolean {
  return /^[0-9.]{1,64}$/.test(uid);
}
