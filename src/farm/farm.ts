import { createGuard, type Guard } from './guard.ts';
import {
  type Backoff,
  type Death,
  defaultBackoff,
  type ProgramSpec,
  type Supervised,
  type SupervisorEvents,
  supervise,
} from './supervisor.ts';

/** A program of the farm and how to see that it does its work. */
export interface Member {
  readonly role: 'front' | 'service' | 'backend';
  readonly program: ProgramSpec;
  /** What stands in its configuration file: with another one it has to be started anew. */
  readonly configuration?: string;
  /** Whether it answers; rejects or resolves to false while it does not. Gives up by itself in a second or two. */
  answers(): Promise<boolean>;
}

export interface FarmOptions {
  readonly backoff?: Backoff;
  readonly guard?: Guard;
  /** Told what a person wants to know, a line each. */
  readonly say: (line: string) => void;
  /** How often a member that has just been started is asked whether it answers. Default 100 ms. */
  readonly pollMs?: number;
}

export interface Farm {
  /**
   * Starts all members at once and resolves when all have answered.
   *
   * @throws FarmError when one keeps dying before it has ever answered. The farm is to be stopped then.
   */
  start(): Promise<void>;
  /** Names of the backends it runs. */
  backends(): readonly string[];
  /**
   * While it runs: backends that are not among these members are stopped, new ones started, those with another program or configuration
   * started anew. Front and service go by theirs when they are started the next time: modalities send to them now. Resolves when what
   * was to be stopped has stopped; how the started ones fare is said.
   */
  change(members: readonly Member[]): Promise<void>;
  /**
   * Stops in the order in which images pass: fronts first, so that nothing new is taken and what they have to announce
   * reaches the service; then the service, which can still finish transfers to backends that live; then the backends.
   */
  stop(): Promise<void>;
  /** Ends everything now. What was acknowledged is on the disk. */
  kill(): void;
}

/** The farm cannot be brought up, for a reason that its own log has. */
export class FarmError extends Error {}

/** So many deaths in a row before the first answer mean that trying on helps nobody. */
const hopelessAfter = 3;
const remindMs = 10_000;

interface Attended {
  readonly member: Member;
  readonly supervised: Supervised;
  readonly firstAnswer: Promise<void>;
}

export function createFarm(members: readonly Member[], options: FarmOptions): Farm {
  const { say, guard = createGuard(), backoff = defaultBackoff, pollMs = 100 } = options;
  let stopping = false;
  let running = members.map((member) => attend(member));

  function attend(member: Member): Attended {
    const { program } = member;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // Whoever waits for it hears of it; nobody has to wait.
    promise.catch(() => {});
    let hasAnswered = false;
    const greet = async (pid: number | null): Promise<void> => {
      const seconds = await untilAnswer(member, () => !stopping && supervised.pid === pid);
      if (seconds === null) return;
      say(
        hasAnswered ? `${program.name} answers again` : `${program.name} answers (${seconds.toFixed(1)} s)`,
      );
      hasAnswered = true;
      resolve();
    };
    const events: SupervisorEvents = {
      started(pid) {
        greet(pid).catch(reject);
      },
      died(death) {
        const hopeless = !hasAnswered && death.inARow >= hopelessAfter;
        if (!hopeless) say(describe(program, death));
        else
          reject(
            new FarmError(
              `${program.name} ends as soon as it is started (${death.cause})${lastWords(death)}; its log: ${program.logFile}`,
            ),
          );
      },
      logStuck: (reason) => say(`the log of ${program.name} is large and cannot be put aside: ${reason}`),
    };
    const supervised = supervise(program, guard, events, backoff);
    return { member, supervised, firstAnswer: promise };
  }

  /** Seconds until it answered; null when it is gone before. */
  async function untilAnswer(member: Member, isCurrent: () => boolean): Promise<number | null> {
    const begun = performance.now();
    let reminded = begun;
    while (isCurrent()) {
      // Not answering is what this is about; which way it does not answer is of no interest.
      const answers = await member.answers().catch(() => false);
      const now = performance.now();
      if (answers) return isCurrent() ? (now - begun) / 1000 : null;
      if (now - reminded >= remindMs) {
        reminded = now;
        say(`still waiting for ${member.program.name}; its log: ${member.program.logFile}`);
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      setTimeout(resolve, pollMs);
      await promise;
    }
    return null;
  }

  /** One that comes while the others run: when it cannot be brought up, that ends nothing else. */
  function join(member: Member): void {
    const joined = attend(member);
    running.push(joined);
    joined.supervised.start();
    joined.firstAnswer.catch((error: unknown) => {
      const detail = error instanceof Error ? error.message : String(error);
      say(`${detail}; it is left alone until the topology is changed`);
      leave(joined).catch((wrong: unknown) => say(String(wrong)));
    });
  }

  async function leave(gone: Attended): Promise<void> {
    await gone.supervised.stop();
    running = running.filter((one) => one !== gone);
  }

  return {
    async start() {
      for (const { supervised } of running) supervised.start();
      await Promise.all(running.map(({ firstAnswer }) => firstAnswer));
    },
    backends() {
      return running
        .filter(({ member }) => member.role === 'backend')
        .map(({ supervised }) => supervised.name);
    },
    async change(next) {
      const before = running.map(({ supervised }) => supervised.name);
      const wanted = new Map(next.map((member) => [member.program.name, member]));
      const joining = next.filter(
        ({ role, program }) =>
          role === 'backend' && !running.some(({ supervised }) => supervised.name === program.name),
      );
      const leaving: Attended[] = [];
      for (const one of running) {
        const { member, supervised } = one;
        const now = wanted.get(supervised.name);
        if (member.role !== 'backend') {
          if (now !== undefined) supervised.goBy(now.program);
        } else if (now === undefined || !isSame(member, now)) {
          leaving.push(one);
          if (now !== undefined) joining.push(now);
          say(
            now === undefined
              ? `${supervised.name} is stopped: the topology no longer has the farm run it. What it holds stays in its storage`
              : `${supervised.name} is started anew: the topology says otherwise about it now`,
          );
        }
      }
      // First those that go: one that comes may want their ports.
      await Promise.all(leaving.map(leave));
      if (stopping) return;
      for (const member of joining) {
        if (!before.includes(member.program.name))
          say(`${member.program.name} is new in the topology, and started`);
        join(member);
      }
    },
    async stop() {
      stopping = true;
      for (const role of ['front', 'service', 'backend'] as const) {
        const those = running.filter(({ member }) => member.role === role);
        await Promise.all(those.map(({ supervised }) => supervised.stop()));
        if (those.length > 0) say(`${those.map(({ supervised }) => supervised.name).join(', ')} stopped`);
      }
    },
    kill() {
      stopping = true;
      for (const { supervised } of running) supervised.kill();
    },
  };
}

function isSame(a: Member, b: Member): boolean {
  return a.configuration === b.configuration && JSON.stringify(a.program) === JSON.stringify(b.program);
}

function describe({ name }: ProgramSpec, death: Death): string {
  const again = `started again in ${(death.restartInMs / 1000).toFixed(1)} s`;
  return `${name} died after ${(death.ranMs / 1000).toFixed(1)} s (${death.cause}), ${again}${lastWords(death)}`;
}

function lastWords({ lastLine }: Death): string {
  return lastLine === '' ? '' : `; its last line: ${lastLine}`;
}
