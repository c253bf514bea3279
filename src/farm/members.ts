import { join } from 'node:path';
import type { Environment } from '../environment.ts';
import { generateFiles, orthancConfigFile } from '../generate/generate.ts';
import { createOrthanc } from '../orthanc/client.ts';
import type { OrthancConfig, ServiceConfig, Topology } from '../topology/topology.ts';
import { UserError } from '../user-error.ts';
import type { Member } from './farm.ts';
import { generatedRoot } from './generated.ts';
import { findProgram } from './guard.ts';
import type { Home } from './home.ts';
import { backendProgram, frontProgram, type OrthancSetting } from './orthanc.ts';
import type { WantedPort } from './ports.ts';
import { serviceCommand } from './service-command.ts';

const serviceGraceMs = 20_000;

/** The farm runs it, rather than somebody else. */
export function isLocal({ run }: OrthancConfig): boolean {
  return run !== null;
}

/**
 * The programs of the farm that this topology wants.
 *
 * @param service arguments to this Node that run the service; default: the project's own.
 * @throws UserError when there is no Orthanc to run.
 */
export function membersOf(
  topology: Topology,
  environment: Environment,
  home: Home,
  service?: readonly string[],
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
  const files = generateFiles(topology);
  return [
    ...topology.backends.filter(isLocal).map((backend): Member => {
      const configuration = files.get(orthancConfigFile(backend.name));
      return {
        role: 'backend',
        program: backendProgram(backend, setting),
        ...(configuration === undefined ? {} : { configuration }),
        answers: orthancAnswers(backend),
      };
    }),
    {
      role: 'service',
      program: {
        name: 'service',
        command: process.execPath,
        args: service ?? command.args,
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
export function wantedPorts({ service, ...orthancs }: Topology): readonly WantedPort[] {
  return [{ port: service.port, host: service.listen, use: 'service' }, ...orthancPorts(orthancs)];
}

/** Those of the Orthancs that the farm runs. */
export function orthancPorts({
  fronts,
  backends,
}: Pick<Topology, 'fronts' | 'backends'>): readonly WantedPort[] {
  return [...fronts, ...backends].flatMap(({ name, run }) =>
    run === null
      ? []
      : [
          { port: run.httpPort, host: '0.0.0.0', use: `${name}, HTTP` },
          { port: run.dicomPort, host: '0.0.0.0', use: `${name}, DICOM` },
        ],
  );
}
