import type { Ledger } from '../../src/ledger/ledger.ts';
import type { Image } from './image.ts';
import { seeded } from './random.ts';
import { type Job, SimOrthanc } from './sim-orthanc.ts';
import type { CallKind } from './sim-server.ts';
import { world as own, VirtualTime } from './time.ts';

/** How long a front's job waits for a backend's answer to one instance. */
const peerTimeoutMs = 5_000;
/** More calls than this within one virtual second are a hot loop: a history has a dozen instances. */
const callsInASecond = 600;

/** How long something that was begun before its backend went into `maint` may still begin to send. */
const begunBeforeMs = 5_000;

/** What the service was told of a backend is as good as new for so long; and so long it may be acted upon if it is still so. */
const aMomentMs = 3_000;
const aWhileMs = 15_000;

export const frontNames = ['f1', 'f2'] as const;
export const backendNames = ['b1', 'b2', 'b3'] as const;

/** What the world knows of the service that is alive, for asking what it thinks at the moment of a deed. */
export interface Alive {
  readonly ledger: Ledger;
}

/** Content somebody relies on: a sender was told it is stored, or it stood on a backend before. */
interface Relied {
  readonly image: Image;
  /** Why nobody may complain that it is gone. */
  excused: string | null;
}

/**
 * The Orthancs and the truth about them. It watches every deed of the service at the moment of its effect and notes what must
 * never happen; the ledger is asked for one thing only: where a study is bound at that moment.
 */
export class World {
  readonly time = new VirtualTime(Date.UTC(2026, 2, 1, 12));
  readonly fronts = new Map<string, SimOrthanc>();
  readonly backends = new Map<string, SimOrthanc>();
  readonly backendNames: readonly string[] = backendNames;
  readonly violations: string[] = [];
  readonly notes: string[] = [];
  readonly relied = new Map<string, Relied>();
  /** Contents a person gave up or allowed to be replaced. */
  readonly givenUp = new Set<string>();
  /** Since when an operator has had them in `maint`. What was begun before may go on. */
  readonly maintSince = new Map<string, number>();
  /** Studies of which something was sent past the fronts. */
  readonly direct = new Set<string>();
  /** Studies of which a person had something brought to a backend of their choice. */
  readonly released = new Set<string>();
  alive: Alive | null = null;
  inHook = false;
  calls = 0;
  tracing = false;
  readonly #looks = new Map<string, { readonly content: string | null; readonly at: number }>();
  readonly #random: () => number;
  readonly #spreadMs: number;
  #second = 0;
  #callsThisSecond = 0;

  constructor(seed: number, spreadMs: number) {
    this.#random = seeded(seed);
    this.#spreadMs = spreadMs;
    for (const name of frontNames) this.fronts.set(name, new SimOrthanc(name, this));
    for (const name of backendNames) this.backends.set(name, new SimOrthanc(name, this));
  }

  /** Of one leg of an exchange. */
  latency(): number {
    return 1 + Math.floor(this.#random() * this.#spreadMs);
  }

  lateMs(kind: CallKind): number {
    return (kind === 'post' ? peerTimeoutMs : 2_000) + 10 + Math.floor(this.#random() * 900);
  }

  luck(): number {
    return this.#random();
  }

  note(text: string): void {
    if (this.tracing) this.notes.push(`${this.time.now - Date.UTC(2026, 2, 1, 12)} ${text}`);
  }

  violated(text: string): void {
    this.note(`VIOLATION ${text}`);
    this.violations.push(text);
  }

  orthanc(name: string): SimOrthanc {
    const found = this.fronts.get(name) ?? this.backends.get(name);
    if (found === undefined) throw new Error(`no Orthanc ${name}`);
    return found;
  }

  // What people and modalities do.

  /** C-STORE. What the sender is told: stored, or not. */
  receives(front: SimOrthanc, one: Image): boolean {
    if (front.power !== 'up') return false;
    const held = front.images.get(one.id);
    // The front refuses other content while it holds an instance.
    if (held !== undefined && held.content !== one.content) return false;
    front.images.set(one.id, one);
    this.rely(one);
    return true;
  }

  rely(one: Image): void {
    this.relied.set(one.content, { image: one, excused: null });
  }

  operatorDeletes(orthanc: SimOrthanc, id: string): void {
    const one = orthanc.images.get(id);
    if (one === undefined) return;
    orthanc.images.delete(id);
    // Also where it had arrived on a backend already: what is sent again in its place may be another image.
    this.#excuse(one, 'an operator deleted it');
  }

  wipe(orthanc: SimOrthanc): void {
    orthanc.images.clear();
    this.#excuseMissing(`${orthanc.name} was wiped`);
  }

  // What the service does.

  called(orthanc: string, kind: CallKind): void {
    this.calls += 1;
    if (this.inHook) this.violated(`${kind} of ${orthanc} while the hook was not answered`);
    const second = Math.floor(this.time.now / 1000);
    if (second !== this.#second) this.#callsThisSecond = 0;
    this.#second = second;
    this.#callsThisSecond += 1;
    if (this.#callsThisSecond === callsInASecond)
      this.violated(`hot loop: ${callsInASecond} calls within a second, the last ${kind} of ${orthanc}`);
  }

  /** The service has asked for these. */
  looked(orthanc: string, ids: readonly string[]): void {
    const { images } = this.orthanc(orthanc);
    for (const id of ids)
      this.#looks.set(`${orthanc} ${id}`, { content: images.get(id)?.content ?? null, at: this.time.now });
  }

  sends(front: string, peer: string, ids: readonly string[]): void {
    this.note(`${front} -> ${peer}: ${ids.map((id) => id.slice(0, 4)).join(' ')}`);
    if (this.alive === null) return;
    // A person may release single instances to any backend, in `maint` or not.
    const bound = this.#studiesOf(ids).filter((uid) => !this.released.has(uid));
    if (bound.length > 0 && this.#isOut(peer)) this.violated(`sent to ${peer}, which is in maint`);
    for (const uid of bound) {
      if (!this.alive.ledger.decisions(uid).some((decision) => decision.backend === peer))
        this.violated(`${uid} sent to ${peer}, where it was never bound`);
    }
  }

  uploads(backend: string): void {
    this.note(`upload to ${backend}`);
    if (this.#isOut(backend)) this.violated(`uploaded to ${backend}, which is in maint`);
  }

  /** Returns the contents that the service had made sure of elsewhere when it asked: nobody can do better than that. */
  asksToDelete(orthanc: string, ids: readonly string[]): ReadonlySet<string> {
    this.note(`asks ${orthanc} to delete ${ids.map((id) => id.slice(0, 4)).join(' ')}`);
    const byAPerson = this.#studiesOf(ids).every((uid) => this.released.has(uid));
    if (this.backends.has(orthanc) && !byAPerson && this.#isOut(orthanc))
      this.violated(`deletion asked of ${orthanc}, which is in maint`);
    const sure = new Set<string>();
    for (const backend of this.backends.values()) {
      if (backend.name === orthanc) continue;
      for (const id of ids) {
        const look = this.#looks.get(`${backend.name} ${id}`);
        if (look === undefined || look.content === null) continue;
        const ageMs = this.time.now - look.at;
        const isThere = backend.images.get(id)?.content === look.content;
        if (ageMs < aMomentMs || (isThere && ageMs < aWhileMs)) sure.add(look.content);
      }
    }
    return sure;
  }

  /** The effect of a deletion the service asked for. */
  deletes(name: string, ids: readonly string[], sure: ReadonlySet<string>): void {
    const orthanc = this.orthanc(name);
    for (const id of ids) {
      const one = orthanc.images.get(id);
      if (one === undefined) continue;
      const relied = this.relied.get(one.content);
      if (relied !== undefined && relied.excused === null && !this.givenUp.has(one.content)) {
        if (this.fronts.has(name)) this.#checkRelease(one, sure);
        else this.#checkFormer(name, one, sure);
      }
      orthanc.images.delete(id);
      this.note(`${name} deletes ${id.slice(0, 4)} ${one.content}`);
    }
    this.check();
  }

  runJob(front: SimOrthanc, job: Job): void {
    if (job.over) return;
    const id = job.ids[job.next];
    if (id === undefined) {
      front.endJob(job, { value: undefined });
      return;
    }
    const one = front.images.get(id);
    if (job.cancelled || one === undefined) {
      front.endJob(job, {
        error: front.error('server-error', job.cancelled ? 'cancelled' : 'unknown instance'),
      });
      return;
    }
    const backend = this.orthanc(job.peer);
    let answered = false;
    const ended = (failure: string | null): void => {
      if (answered) return;
      answered = true;
      limit.cancelled = true;
      if (failure !== null) {
        front.endJob(job, { error: front.error('server-error', failure) });
        return;
      }
      job.next += 1;
      this.runJob(front, job);
    };
    const limit = this.time.after(peerTimeoutMs, own, () => ended('peer did not answer'));
    backend.connect<null>(
      'post',
      (fault, done) => {
        const status = backend.take(one.content, fault);
        this.note(`${job.peer} takes ${id.slice(0, 4)} ${one.content}: ${status ?? 'refused'}`);
        done(status === null ? { error: backend.error('server-error', 'refused') } : { value: null });
      },
      (result) => ended('error' in result ? result.error.message : null),
      () => false,
    );
  }

  // What must hold.

  /** Nothing anybody relies on is gone. */
  check(): void {
    for (const { image, excused } of this.relied.values()) {
      if (excused === null && !this.givenUp.has(image.content) && !this.#isSomewhere(image))
        this.violated(`lost: ${image.content} is nowhere`);
    }
  }

  #checkRelease(one: Image, sure: ReadonlySet<string>): void {
    for (const backend of this.backends.values())
      if (backend.images.get(one.id)?.content === one.content) return;
    if (sure.has(one.content)) {
      this.#excuse(one, 'wiped after the service had made sure');
      return;
    }
    this.violated(`the front was asked to delete ${one.content}, which no backend holds`);
  }

  #checkFormer(name: string, one: Image, sure: ReadonlySet<string>): void {
    // Never proven there, and still on its front, perhaps in quarantine: what is deleted is taken for damage.
    for (const front of this.fronts.values()) if (front.images.get(one.id)?.content === one.content) return;
    const bound = this.alive?.ledger.assignments(one.studyUid).map((assignment) => assignment.backend) ?? [];
    if (bound.includes(name)) this.violated(`${one.content} deleted on ${name}, where its study is bound`);
    if (bound.some((backend) => this.orthanc(backend).images.get(one.id)?.content === one.content)) return;
    if (sure.has(one.content)) {
      if (!this.#isSomewhere(one, name)) this.#excuse(one, 'wiped after the service had made sure');
      return;
    }
    this.violated(
      `${one.content} deleted on ${name}; its study is bound to ${bound.join()}, which does not hold it`,
    );
  }

  #studiesOf(ids: readonly string[]): string[] {
    const all = [...this.fronts.values(), ...this.backends.values()];
    return [...new Set(ids.flatMap((id) => all.flatMap(({ images }) => images.get(id)?.studyUid ?? [])))];
  }

  #isOut(backend: string): boolean {
    return this.time.now - (this.maintSince.get(backend) ?? this.time.now) > begunBeforeMs;
  }

  #isSomewhere(one: Image, except?: string): boolean {
    for (const orthanc of [...this.fronts.values(), ...this.backends.values()])
      if (orthanc.name !== except && orthanc.images.get(one.id)?.content === one.content) return true;
    return false;
  }

  #excuse(one: Image, why: string): void {
    const relied = this.relied.get(one.content);
    if (relied !== undefined) relied.excused = why;
    this.note(`excused ${one.content}: ${why}`);
  }

  #excuseMissing(why: string): void {
    for (const { image, excused } of this.relied.values())
      if (excused === null && !this.#isSomewhere(image)) this.#excuse(image, why);
  }
}
