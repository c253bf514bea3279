import { dirname, join } from 'node:path';
import { hookScript, orthancConfigFile } from '../generate/generate.ts';
import { peerUrl } from '../topology/peer.ts';
import type { FrontConfig, OrthancConfig, Topology } from '../topology/topology.ts';
import { farmVariable } from '../topology/variables.ts';
import type { Home } from './home.ts';
import type { LogLimits } from './log-file.ts';
import type { ProgramSpec } from './supervisor.ts';

/** What all Orthancs of a farm are started with. */
export interface OrthancSetting {
  readonly topology: Topology;
  readonly home: Home;
  /** Full path of the program. */
  readonly program: string;
  /** Folder the generated files count from. */
  readonly generatedRoot: string;
  readonly hookToken: string;
  readonly logLimits: LogLimits;
  /** The environment of the farm itself. */
  readonly base: Readonly<Record<string, string>>;
}

const frontGraceMs = 30_000;
const backendGraceMs = 15_000;

/** A front's end takes longest: it hands its pending announcements to the service first. */
export function frontProgram(front: FrontConfig, setting: OrthancSetting): ProgramSpec {
  const { topology, home, generatedRoot, hookToken } = setting;
  const peers = topology.backends.flatMap((backend) => [
    [backend.passwordVariable, backend.password],
    [`${farmVariable(backend.name)}_URL`, peerUrl(backend)],
  ]);
  return program(front, setting, frontGraceMs, {
    ...Object.fromEntries(peers),
    DDE_SERVICE_URL: topology.service.url,
    DDE_HOOK_TOKEN: hookToken,
    DDE_LUA: join(generatedRoot, dirname(hookScript)),
    DDE_ADMISSION: join(home.admission, front.name),
  });
}

/** A backend knows nothing of the farm but its own password. */
export function backendProgram(backend: OrthancConfig, setting: OrthancSetting): ProgramSpec {
  return program(backend, setting, backendGraceMs, {});
}

function program(
  orthanc: OrthancConfig,
  { home, program: command, generatedRoot, base, logLimits }: OrthancSetting,
  graceMs: number,
  more: Readonly<Record<string, string>>,
): ProgramSpec {
  return {
    name: orthanc.name,
    command,
    args: [join(generatedRoot, orthancConfigFile(orthanc.name))],
    cwd: home.storageOf(orthanc.name),
    env: {
      ...withoutOurs(base),
      ...more,
      [orthanc.passwordVariable]: orthanc.password,
      DDE_STORAGE: home.storageOf(orthanc.name),
      // DCMTK otherwise leaves Nagle's algorithm on, and small images wait 40 ms each.
      TCP_NODELAY: '1',
    },
    logFile: join(home.logs, `${orthanc.name}.log`),
    logLimits,
    graceMs,
  };
}

/** No Orthanc has any business with the admin token or another one's password. */
function withoutOurs(base: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(base).filter(([name]) => !name.startsWith('DDE_')));
}
