import { join } from 'node:path';
import type { Environment } from '../environment.ts';
import { createOrthanc } from '../orthanc/client.ts';
import { loadTopology } from '../topology/load.ts';
import type { OrthancConfig, ServiceConfig, Topology } from '../topology/topology.ts';
import { UserError } from '../user-error.ts';
import { banner } from './banner.ts';
import { createFarm, type Farm, type Member } from './farm.ts';
import { generatedRoot, prepareFiles } from './generated.ts';
import { findProgram } from './guard.ts';
import { type Home, prepareHome } from './home.ts';
import { takeLock } from './lock.ts';
import { backendProgram, frontProgram, type OrthancSetting } from './orthanc.ts';
import { checkPorts, type WantedPort } from './ports.ts';
import { ensureSecrets } from './secrets.ts';
import { serviceCommand, warmService } from './service-command.ts';

/** Where `up` reports; the command line's own output fits. */
export interface UpOutput {
  readonly colour: { bold(text: string): string };
  line(text?: string): void;
  note(text: string): void;
}

export interface UpOptions {
  /** Arguments to this Node that run the service. Default: the project's own. */
  readonly service?: readonly string[];
}

const serviceGraceMs = 20_000;
/** Ctrl-C reaches this process from the terminal, and again from each program between: one press, one wish. */
const sameWishMs = 1000;

/**
 * Runs the farm of the topology in the foreground until it is told to stop (SIGINT, SIGTERM, SIGHUP); a second such
 * signal ends everything at once.
 *
 * @param read reads the environment; again after secrets have been made.
 * @returns 0 after an orderly stop, 1 after one in a hurry.
 * @throws UserError, TopologyError before anything is started; FarmError when a program cannot be kept running.
 */
export async function up(read: () => Environment, out: UpOutput, options: UpOptions = {}): Promise<0 | 1> {
  const before = read();
  // The topology first: everything else depends on it, and a mistake in it is the likeliest.
  const draft = loadTopology(before.topologyFile, before.variables, 'generate');
  const orthancs = [...draft.fronts, ...draft.backends].filter(isLocal);
  const home = prepareHome(
    before.home,
    orthancs.map(({ name }) => name),
  );
  const lock = takeLock(home.folder);
  try {
    ensureSecrets(
      before,
      draft.fronts.filter(isLocal).map(({ passwordVariable }) => passwordVariable),
    );
    const environment = read();
    const topology = loadTopology(environment.topologyFile, environment.variables);
    for (const file of prepareFiles(environment).write())
      out.note(`wrote ${file}, which was not what the topology says`);
    const members = membersOf(topology, environment, home, options);
    await checkPorts(wantedPorts(topology), environment.topologyFile);
    // Not worth failing for: a cold start takes longer and more memory.
    if (options.service === undefined) warmService(environment.project);
    return await runInForeground(createFarm(members, { say: (line) => out.note(line) }), () =>
      out.line(banner(topology, environment, (text) => out.colour.bold(text))),
    );
  } finally {
    lock.release();
  }
}

/** The farm runs it, rather than somebody else. */
function isLocal({ run }: OrthancConfig): boolean {
  return run !== null;
}

async function runInForeground(farm: Farm, announce: () => void): Promise<0 | 1> {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const { promise: wish, resolve: stopNow } = Promise.withResolvers<'stop'>();
  let firstAt: number | null = null;
  let hurried = false;
  const onSignal = (): void => {
    const now = performance.now();
    if (firstAt === null) {
      firstAt = now;
      stopNow('stop');
    } else if (now - firstAt > sameWishMs) {
      hurried = true;
      farm.kill();
    }
  };
  for (const signal of signals) process.on(signal, onSignal);
  try {
    const begun = farm.start().then(() => 'started' as const);
    if ((await Promise.race([begun, wish])) === 'started') {
      announce();
      await wish;
    } else {
      // Nobody waits for it any more.
      begun.catch(() => {});
    }
  } finally {
    await farm.stop();
    for (const signal of signals) process.off(signal, onSignal);
  }
  // Only now: the second signal comes while the farm is stopping.
  return hurried ? 1 : 0;
}

function membersOf(
  topology: Topology,
  environment: Environment,
  home: Home,
  options: UpOptions,
): readonly Member[] {
  const program = findProgram(environment.orthanc);
  const hookToken = environment.hookToken;
  if (hookToken === null) throw new Error('the token of the hook has just been made and is not there');
  const needed = [...topology.fronts, ...topology.backends].some(isLocal);
  if (program === null && needed)
    throw new UserError(
      environment.orthanc === 'Orthanc'
        ? 'Orthanc is not installed: npm start installs it on Debian and Ubuntu; elsewhere set DDE_ORTHANC to the program.'
        : `DDE_ORTHANC is "${environment.orthanc}", which is no program that can be run.`,
    );
  const setting: OrthancSetting = {
    topology,
    home,
    program: program ?? environment.orthanc,
    generatedRoot: generatedRoot(environment),
    hookToken,
    base: environment.variables,
    logLimits: environment.logLimits,
  };
  const command = serviceCommand(environment.project);
  return [
    ...topology.backends.filter(isLocal).map(
      (backend): Member => ({
        role: 'backend',
        program: backendProgram(backend, setting),
        answers: orthancAnswers(backend),
      }),
    ),
    {
      role: 'service',
      program: {
        name: 'service',
        command: process.execPath,
        args: options.service ?? command.args,
        cwd: environment.project,
        env: {
          ...command.env,
          ...environment.variables,
          DDE_HOME: environment.home,
          DDE_TOPOLOGY: environment.topologyFile,
        },
        logFile: join(home.logs, 'service.log'),
        logLimits: environment.logLimits,
        graceMs: serviceGraceMs,
      },
      answers: serviceAnswers(topology.service),
    },
    ...topology.fronts.filter(isLocal).map(
      (front): Member => ({
        role: 'front',
        program: frontProgram(front, setting),
        answers: orthancAnswers(front),
      }),
    ),
  ];
}

const answerTimeoutMs = 2000;

function orthancAnswers(config: OrthancConfig): () => Promise<boolean> {
  return async () => {
    const { name, username, password } = config;
    // Where it listens, not how others reach it: a proxy between is no business of ours.
    const url = `http://127.0.0.1:${config.run?.httpPort ?? 0}`;
    const orthanc = createOrthanc({ name, url, username, password, requestTimeoutMs: answerTimeoutMs });
    try {
      await orthanc.system();
      return true;
    } finally {
      orthanc.close();
    }
  };
}

function serviceAnswers({ listen, port }: ServiceConfig): () => Promise<boolean> {
  const host =
    { '0.0.0.0': '127.0.0.1', '::': '[::1]' }[listen] ?? (listen.includes(':') ? `[${listen}]` : listen);
  return async () => {
    const answer = await fetch(`http://${host}:${port}/livez`, {
      signal: AbortSignal.timeout(answerTimeoutMs),
    });
    await answer.body?.cancel();
    return answer.ok;
  };
}

/** Everything the farm listens on. Orthanc takes all addresses of the machine. */
function wantedPorts({ service, fronts, backends }: Topology): readonly WantedPort[] {
  return [
    { port: service.port, host: service.listen, use: 'service' },
    ...[...fronts, ...backends].flatMap(({ name, run }) =>
      run === null
        ? []
        : [
            { port: run.httpPort, host: '0.0.0.0', use: `${name}, HTTP` },
            { port: run.dicomPort, host: '0.0.0.0', use: `${name}, DICOM` },
          ],
    ),
  ];
}
