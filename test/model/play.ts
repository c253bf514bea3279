import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'winston';
import type { Event, Gap, History } from './events.ts';
import { Died, type LedgerFate } from './guarded-ledger.ts';
import { image, studyUidOf } from './image.ts';
import { acceptCurrent, decide, isRefusal, setOperator } from './persons.ts';
import { type Run, startRun } from './run.ts';
import { arrivalOf } from './sim-orthanc.ts';
import { world as own, takeOver } from './time.ts';
import { leftOver } from './verdict.ts';
import { backendNames, World } from './world.ts';

/** How long a farm without faults may take until nothing is left to do. */
const recoveryMs = 6 * 60_000;
/** And how long it is watched afterwards: nothing may come back. */
const calmMs = 16_000;

export interface Played {
  readonly violations: readonly string[];
  readonly notes: readonly string[];
  readonly steps: number;
  readonly calls: number;
}

export interface Stage {
  /** An empty ledger, to be copied. */
  readonly template: string;
  /** A folder for the copies. */
  readonly folder: string;
  readonly log: Logger;
  /** Keeps what happened, for a person. */
  readonly tracing?: boolean;
}

/** Plays a history to its end, lets the farm recover, and says what was wrong. */
export async function play(history: History, stage: Stage): Promise<Played> {
  const folder = mkdtempSync(join(stage.folder, 'h-'));
  const player = new Player(history, stage, join(folder, 'ledger.sqlite'));
  copyFileSync(stage.template, join(folder, 'ledger.sqlite'));
  const giveBack = takeOver(player.world.time);
  const unhandled = (error: unknown): void => {
    if (!(error instanceof Died))
      player.world.violated(`nobody caught ${error instanceof Error ? error.stack : String(error)}`);
  };
  process.on('unhandledRejection', unhandled);
  try {
    await player.play();
  } finally {
    process.off('unhandledRejection', unhandled);
    await player.end();
    giveBack();
    rmSync(folder, { recursive: true, force: true });
  }
  const { violations, notes, time, calls } = player.world;
  return { violations, notes, steps: time.steps, calls };
}

class Player {
  readonly world: World;
  readonly #history: History;
  readonly #file: string;
  readonly #log: Logger;
  readonly #fates: LedgerFate[] = [];
  /** Studies of which something has come to a front. */
  readonly #known = new Set<string>();
  #run: Run | null = null;
  /** One that has died, while its file is still open. */
  #abandoned: Run | null = null;
  #owner = own;
  #awayMs = 500;

  constructor(history: History, { log, tracing = false }: Stage, file: string) {
    this.world = new World(history.seed, history.spreadMs);
    this.world.tracing = tracing;
    this.#history = history;
    this.#file = file;
    this.#log = log;
  }

  async play(): Promise<void> {
    const { world } = this;
    this.#start();
    for (const { gap, event } of this.#history.happenings) {
      await this.#goOn(gap);
      if (world.violations.length > 0) return;
      world.note(`EVENT ${JSON.stringify(event)}`);
      this.#happen(event);
      world.check();
    }
    await this.#recover();
  }

  async end(): Promise<void> {
    this.world.alive = null;
    const run = this.#run ?? this.#abandoned;
    if (run === null) return;
    this.#tellStory(run);
    this.world.time.kill(run.owner);
    await run.abandon();
  }

  /** What the ledger thinks, for the person who reads a history that ended badly. */
  #tellStory({ file }: Run): void {
    const { world } = this;
    if (!world.tracing) return;
    for (const uid of new Set([...world.relied.values()].map(({ image: { studyUid } }) => studyUid))) {
      for (const { epoch, backend, kind, reason } of file.decisions(uid))
        world.notes.push(`${uid} epoch ${epoch}: ${kind} ${backend}: ${reason}`);
      for (const { at, kind, text } of file.events(uid))
        world.notes.push(`${uid} ${at - Date.UTC(2026, 2, 1, 12)} ${kind}: ${text}`);
    }
    for (const { studyUid, backend, state, reason } of file.formerCopies())
      world.notes.push(`${studyUid} former copy on ${backend}: ${state}, ${reason}`);
    for (const { front, orthancId, code, detail } of file.quarantined({ limit: 100 }).items)
      world.notes.push(`${front} ${orthancId.slice(0, 4)} in quarantine: ${code}, ${detail}`);
  }

  async #goOn(gap: Gap): Promise<void> {
    const { time, violations } = this.world;
    if ('steps' in gap) {
      for (let n = 0; n < gap.steps && violations.length === 0; n++) await time.step();
      return;
    }
    const until = time.now + gap.ms;
    for (;;) {
      const next = time.nextAt();
      if (violations.length > 0) return;
      if (next === null || next > until) break;
      await time.step();
    }
    time.now = until;
  }

  #happen(event: Event): void {
    const { world } = this;
    switch (event.do) {
      case 'arrive': {
        const front = world.orthanc(event.front);
        const one = image(event.study, event.instance, event.version);
        if (!world.receives(front, one)) return;
        this.#known.add(one.studyUid);
        for (let n = 0; n < event.announced; n++)
          world.time.after(world.latency(), own, () => this.#announce(arrivalOf(front.name, one)));
        return;
      }
      case 'operator-deletes':
        world.operatorDeletes(world.orthanc(event.front), image(event.study, event.instance, 0).id);
        return;
      case 'direct': {
        const one = image(event.study, event.instance, 0);
        const backend = world.orthanc(event.backend);
        if (backend.power !== 'up' || backend.images.has(one.id)) return;
        // Once a study is bound to a backend that held nothing of it, other content of an image of ours there is taken for damage:
        // whoever sends that image past the fronts meanwhile is not told from a flipped bit.
        if (event.instance < 4 && this.#known.has(one.studyUid)) return;
        backend.images.set(one.id, one);
        world.rely(one);
        world.direct.add(one.studyUid);
        return;
      }
      case 'fault':
        world.orthanc(event.orthanc).armed.push({ kind: event.kind, fault: event.fault });
        return;
      case 'power': {
        const orthanc = world.orthanc(event.orthanc);
        if (event.power === 'up') orthanc.rise();
        else if (event.power === 'down') orthanc.kill();
        else orthanc.hang();
        return;
      }
      case 'wipe':
        world.wipe(world.orthanc(event.backend));
        return;
      case 'refuse': {
        const { refuses } = world.orthanc(event.backend);
        const { id } = image(event.study, event.instance, 0);
        if (event.refuses) refuses.add(id);
        else refuses.delete(id);
        return;
      }
      case 'operator':
        this.#ask((run) => setOperator(this.world, run, event.backend, event.state));
        return;
      case 'rebind':
        this.#ask((run) => {
          const studyUid = studyUidOf(event.study);
          run.failover.rebind({ studyUid, copy: 0, backend: event.backend, who: 'somebody' });
        });
        return;
      case 'evacuate':
        this.#ask((run) => {
          const { backend, target } = event;
          run.evacuator.evacuate({ backend, target, bytesPerSecond: null, who: 'somebody' });
        });
        return;
      case 'cancel-evacuation':
        this.#ask((run) => void run.evacuator.cancel(event.backend, 'somebody'));
        return;
      case 'accept-current':
        this.#ask((run) => acceptCurrent(this.world, run));
        return;
      case 'decide':
        this.#ask((run) => decide(this.world, run, event));
        return;
      case 'crash':
        this.#awayMs = event.awayMs;
        this.#die();
        return;
      case 'ledger':
        this.#fates.push({ kind: event.kind, writesLeft: event.writesLeft });
    }
  }

  #announce(arrival: ReturnType<typeof arrivalOf>): void {
    const run = this.#run;
    // The service is away: the front goes on without it.
    if (run === null) return;
    this.world.time.after(0, run.owner, () => run.hook(arrival));
  }

  /** What a person asks of the service. Refusals are none of the model's business. */
  #ask(what: (run: Run) => void): void {
    const run = this.#run;
    if (run === null) return;
    this.world.time.after(0, run.owner, () => {
      try {
        what(run);
      } catch (error) {
        if (!isRefusal(error) && !this.world.time.isDead(run.owner)) throw error;
      }
    });
  }

  #start(): void {
    const { world } = this;
    this.#owner += 1;
    const owner = this.#owner;
    world.time.after(0, owner, () => {
      const run = startRun(world, this.#file, owner, this.#fates, this.#log, () => this.#die());
      this.#run = run;
      world.alive = { ledger: run.file };
    });
  }

  #die(): void {
    const { world } = this;
    const run = this.#run;
    if (run === null || world.time.isDead(run.owner)) return;
    world.note('the service dies');
    world.time.kill(run.owner);
    this.#run = null;
    // Until then the world reads in its file where studies are bound.
    world.time.after(1 + this.#awayMs, own, () => {
      world.alive = null;
      void run.abandon();
      this.#abandoned = null;
      this.#start();
    });
    this.#abandoned = run;
    this.#awayMs = 500;
  }

  /** Everything is mended; then the farm has its time, and nothing may be left over. */
  async #recover(): Promise<void> {
    const { world } = this;
    world.note('RECOVERY');
    this.#fates.length = 0;
    for (const orthanc of [...world.fronts.values(), ...world.backends.values()]) {
      orthanc.armed.length = 0;
      orthanc.refuses.clear();
      orthanc.rise();
    }
    const mend = (): void => {
      if (this.#run === null) {
        world.time.after(1_000, own, mend);
        return;
      }
      this.#ask((run) => {
        // Two that are emptied at the same time would send their studies to each other.
        const [, ...others] = run.ledger.evacuations().filter(({ state }) => state === 'running');
        for (const { backend } of others) run.evacuator.cancel(backend, 'somebody');
      });
      for (const name of backendNames) this.#ask((run) => setOperator(this.world, run, name, 'ready'));
    };
    mend();
    const givenUpAt = world.time.now + recoveryMs;
    let left = ['not looked at yet'];
    do {
      await this.#goOn({ ms: 2_000 });
      if (world.violations.length > 0) return;
      left = this.#run === null ? ['the service is away'] : leftOver(world, this.#run);
    } while (left.length > 0 && world.time.now < givenUpAt);
    for (const what of left) world.violated(`left over: ${what}`);
    if (left.length > 0) return;
    const before = world.calls;
    await this.#goOn({ ms: calmMs });
    const run = this.#run;
    if (world.violations.length > 0 || run === null) return;
    // Polls and comparisons go on; work does not.
    const perSecond = (world.calls - before) / (calmMs / 1000);
    // What is in quarantine is looked at again from time to time, and back at once.
    for (let tries = 0; leftOver(world, run).length > 0 && tries < 5; tries++)
      await this.#goOn({ ms: 1_000 });
    for (const what of leftOver(world, run)) world.violated(`came back: ${what}`);
    if (perSecond > 12) world.violated(`${perSecond} calls a second while there is nothing to do`);
  }
}
