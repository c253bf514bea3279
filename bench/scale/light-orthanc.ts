import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { contentOf, md5Of, orthancIdOf, type ScaleStudy } from './images.ts';
import { Pace } from './pace.ts';

/** An image as one light Orthanc holds it. */
interface Held {
  readonly image: number;
  readonly study: ScaleStudy;
  /** Of the bytes that it was given. */
  readonly md5: string;
  readonly bytes: number;
  /** Which file it is in: every one has its own, also of the same bytes. */
  readonly file: string;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** As much of Orthanc's REST as the service uses, in memory: what is measured beside it is the service. */
export class LightOrthanc {
  readonly name: string;
  /** Where a front's jobs go. */
  readonly peers: ReadonlyMap<string, LightOrthanc>;
  /** Where its peers lead to, as it shows them. What stands there says nothing of where its jobs go. */
  readonly peerSettings = new Map<string, object>();
  readonly images = new Map<string, Held>();
  /** Requests that no answer was written for: the service speaks more than this does, and figures would be of something else. */
  readonly notUnderstood: string[] = [];
  /** Answers 503 to whoever asks how it is: it counts as down. */
  down = false;
  readonly #pace = new Pace();
  readonly #studies = new Map<string, { readonly study: ScaleStudy; readonly ids: Set<string> }>();
  readonly #server: Server;

  constructor(name: string, peers: ReadonlyMap<string, LightOrthanc> = new Map()) {
    this.name = name;
    this.peers = peers;
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        this.notUnderstood.push(String(error));
        response.writeHead(500).end();
      });
    });
    this.#server.keepAliveTimeout = 60_000;
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', () => resolve());
    });
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Images a second that it sends, all jobs together: what a real front's processor, disk and network allow. At first without end. */
  sendAt(imagesPerSecond: number): void {
    this.#pace.set(imagesPerSecond);
  }

  clear(): void {
    this.images.clear();
    this.#studies.clear();
  }

  /** Takes an image in, as its bytes come. */
  store(study: ScaleStudy, image: number, content: Buffer): void {
    const id = orthancIdOf(image);
    this.images.set(id, { image, study, md5: md5Of(content), bytes: content.length, file: randomUUID() });
    const known = this.#studies.get(study.uid);
    if (known === undefined) this.#studies.set(study.uid, { study, ids: new Set([id]) });
    else known.ids.add(id);
  }

  #remove(id: string): boolean {
    const held = this.images.get(id);
    if (held === undefined) return false;
    this.images.delete(id);
    const { ids } = this.#studies.get(held.study.uid) ?? { ids: new Set() };
    ids.delete(id);
    if (ids.size === 0) this.#studies.delete(held.study.uid);
    return true;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) if (Buffer.isBuffer(part)) parts.push(part);
    const { status, body } = await this.#answer(
      `${request.method} ${request.url}`,
      Buffer.concat(parts).toString('utf8'),
    );
    response.writeHead(status, { 'Content-Length': Buffer.byteLength(body) }).end(body);
  }

  async #answer(what: string, body: string): Promise<Answer> {
    const image = /^(\w+) \/instances\/([0-9a-f-]{44})(\/.*)?$/.exec(what);
    if (image !== null) return this.#ofImage(`${image[1]} ${image[3] ?? ''}`, image[2] ?? '', what);
    const peer = /^POST \/peers\/([^/]+)\/store$/.exec(what)?.[1];
    if (peer !== undefined) return await this.#send(peer, resourcesIn(body));
    const book = /^PUT \/peers\/([^/]+)$/.exec(what)?.[1];
    if (book !== undefined) {
      // A password is never shown.
      this.peerSettings.set(book, { ...parsed(body), Password: null });
      return json({});
    }
    const study = /^GET \/studies\/study-([^/]+)\/statistics$/.exec(what)?.[1];
    if (study !== undefined) {
      const found = this.#studies.get(study);
      return found === undefined ? notFound : json({ CountInstances: found.ids.size });
    }
    const part = /^GET \/instances\?since=(\d+)&limit=(\d+)$/.exec(what);
    if (part !== null) return json([...this.images.keys()].slice(Number(part[1])).slice(0, Number(part[2])));
    switch (what) {
      case 'GET /system':
        return json({ Name: this.name, Version: '1.12.7', DicomAet: 'LIGHT', DicomPort: 4242 });
      case 'GET /statistics':
        if (this.down) return { status: 503, body: '' };
        return json({ CountInstances: this.images.size, TotalDiskSize: String(this.images.size * 512) });
      case 'GET /tools/metrics-prometheus':
        return { status: 200, body: 'orthanc_jobs_pending 0 1\northanc_jobs_running 0 1\n' };
      case 'GET /instances':
        return json([...this.images.keys()]);
      case 'GET /studies':
        return json([...this.#studies.keys()].map((uid) => `study-${uid}`));
      case 'POST /tools/lookup':
        return json(this.#studies.has(body) ? [{ ID: `study-${body}`, Type: 'Study' }] : []);
      case 'POST /tools/bulk-content':
        return this.#described(body);
      case 'POST /tools/find':
        return this.#found(body);
      case 'POST /tools/bulk-delete':
        for (const id of resourcesIn(body)) this.#remove(id);
        return json({});
      case 'GET /jobs?expand':
        return json([]);
      case 'GET /peers?expand':
        return json(Object.fromEntries(this.peerSettings));
      default:
        this.notUnderstood.push(what);
        return { status: 501, body: '' };
    }
  }

  #ofImage(what: string, id: string, whole: string): Answer {
    const held = this.images.get(id);
    if (held === undefined) return notFound;
    switch (what) {
      case 'GET /attachments/dicom/md5':
        return { status: 200, body: held.md5 };
      case 'GET /attachments/dicom/info':
        return json(attachmentOf(held));
      case 'POST /attachments/dicom/verify-md5':
        // The bytes it would find on its disk.
        return { status: md5Of(contentOf(held.image)) === held.md5 ? 200 : 400, body: '' };
      case 'DELETE ':
        this.#remove(id);
        return json({});
      default:
        this.notUnderstood.push(whole);
        return { status: 501, body: '' };
    }
  }

  /** A synchronous peer-store job. */
  async #send(peer: string, ids: readonly string[]): Promise<Answer> {
    const target = this.peers.get(peer);
    if (target === undefined) return notFound;
    await this.#pace.wait(ids.length);
    for (const id of ids) {
      const held = this.images.get(id);
      if (held === undefined) return notFound;
      target.store(held.study, held.image, contentOf(held.image));
    }
    return json({ FailedInstancesCount: 0, InstancesCount: ids.length });
  }

  #described(body: string): Answer {
    const asked = parsed(body);
    const level = 'Level' in asked ? asked.Level : null;
    const ids = resourcesIn(body);
    if (level === 'Instance') {
      return json(
        ids.flatMap((id) => {
          const held = this.images.get(id);
          return held === undefined ? [] : [describedImage(id, held)];
        }),
      );
    }
    return json(ids.flatMap((id) => this.#describedParent(level === 'Series' ? 'series-' : 'study-', id)));
  }

  /** A search by SOPInstanceUIDs, answered with the files. */
  #found(body: string): Answer {
    const asked = parsed(body);
    const query: unknown = 'Query' in asked ? asked.Query : null;
    if (typeof query !== 'object' || query === null || !('SOPInstanceUID' in query))
      throw new Error('a search for something else than images');
    return json(
      String(query.SOPInstanceUID)
        .split('\\')
        .flatMap((uid) => {
          const [, studyUid = '', number = ''] = /^(.*)\.1\.(\d+)$/.exec(uid) ?? [];
          const known = this.#studies.get(studyUid);
          if (known === undefined) return [];
          const id = orthancIdOf(known.study.first + Number(number) - 1);
          const held = this.images.get(id);
          return held === undefined ? [] : [{ ID: id, Type: 'Instance', Attachments: [attachmentOf(held)] }];
        }),
    );
  }

  /** A study of this bench has one series. */
  #describedParent(prefix: 'series-' | 'study-', id: string): object[] {
    const found = this.#studies.get(id.slice(prefix.length));
    if (found === undefined || !id.startsWith(prefix)) return [];
    const { uid, modality, station } = found.study;
    if (prefix === 'study-')
      return [{ ID: id, MainDicomTags: { StudyInstanceUID: uid }, Series: [`series-${uid}`] }];
    const tags = { SeriesInstanceUID: `${uid}.1`, Modality: modality, StationName: station };
    return [{ ID: id, ParentStudy: `study-${uid}`, MainDicomTags: tags, Instances: [...found.ids] }];
  }
}

function attachmentOf({ file, bytes, md5 }: Held): object {
  return { ContentType: 1, Uuid: file, UncompressedSize: bytes, UncompressedMD5: md5 };
}

function describedImage(id: string, { image, study, bytes }: Held): unknown {
  return {
    ID: id,
    ParentSeries: `series-${study.uid}`,
    FileSize: bytes,
    MainDicomTags: { SOPInstanceUID: `${study.uid}.1.${image - study.first + 1}` },
    Metadata: {
      Origin: 'DicomProtocol',
      RemoteAET: study.station,
      CalledAET: 'ROUTER',
      RemoteIP: '10.0.0.1',
    },
  };
}

const notFound: Answer = {
  status: 404,
  body: JSON.stringify({ OrthancStatus: 17, Message: 'Unknown resource' }),
};

function json(value: unknown): Answer {
  return { status: 200, body: JSON.stringify(value) };
}

function parsed(body: string): object {
  const value: unknown = JSON.parse(body);
  if (typeof value !== 'object' || value === null) throw new Error('a body that is no object');
  return value;
}

function resourcesIn(body: string): string[] {
  const value = parsed(body);
  const ids: unknown = 'Resources' in value ? value.Resources : null;
  if (!Array.isArray(ids)) throw new Error('a body without Resources');
  return ids.map(String);
}
