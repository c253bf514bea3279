import axios from 'axios';
import type { Command } from 'commander';
import type { z } from 'zod';
import { queueAnswer, readyAnswer } from '../../admin/schemas.ts';
import { prepareFiles } from '../../farm/generated.ts';
import { createOrthanc } from '../../orthanc/client.ts';
import { OrthancError } from '../../orthanc/orthanc.ts';
import { loadTopology } from '../../topology/load.ts';
import type { OrthancConfig, Topology } from '../../topology/topology.ts';
import { findTwins, twinSentence } from '../../transfer/twins.ts';
import { UserError } from '../../user-error.ts';
import { connectService, type ServiceClient, type ServiceOptions, withServiceOptions } from '../client.ts';
import { counted } from '../format.ts';
import type { CliContext } from '../program.ts';
import { ServiceError } from '../service-error.ts';

/** What was looked at, and everything that is wrong with it; no problem: it is as it should be. */
interface Finding {
  readonly kind: 'front' | 'backend' | 'service' | 'files';
  readonly name: string;
  readonly version: string | null;
  readonly problems: readonly string[];
}

const oldest = [1, 10, 1] as const;
/** A person waits for the slowest of them; all are asked at once. */
const patienceMs = 5_000;

export function registerCheck(program: Command, context: CliContext): void {
  withServiceOptions(program.command('check'))
    .summary('reach every Orthanc, say what is wrong with each')
    .description(
      'reach every Orthanc of the topology, and say what is wrong with each; exit code 1 when something is',
    )
    .addHelpText('after', '\nExamples:\n  dde check\n  dde check --json')
    .action(async (options: ServiceOptions) => {
      const environment = context.environment();
      const topology = loadTopology(environment.topologyFile, environment.variables);
      const [twins, ...reached] = await Promise.all([
        twinsAmong(topology),
        ...topology.fronts.map((front) => checkOrthanc('front', front, topology)),
        ...topology.backends.map((backend) => checkOrthanc('backend', backend, topology)),
        checkService(context, options),
      ]);
      const findings = [...withTwins(reached, twins), checkFiles(context)];
      const wrong = findings.reduce((sum, finding) => sum + finding.problems.length, 0);
      if (wrong > 0) context.exitWith(1);
      const { out } = context;
      if (options.json === true) {
        out.json({ ok: wrong === 0, findings });
        return;
      }
      out.table(
        ['WHAT', 'NAME', 'VERSION', 'IS'],
        findings.map(({ kind, name, version, problems }) => [
          kind,
          name,
          version,
          problems.length === 0 ? 'as it should be' : problems.join('; '),
        ]),
      );
      out.line();
      out.line(wrong === 0 ? 'Nothing is wrong.' : `${counted(wrong, 'thing')} to mend.`);
    });
}

/** By the name of the second of two backends that are one Orthanc: what is to be said of it. */
async function twinsAmong({ backends }: Topology): Promise<ReadonlyMap<string, readonly string[]>> {
  const clients = new Map(
    backends.map(({ name, url, username, password }) => [
      name,
      createOrthanc({ name, url, username, password, requestTimeoutMs: patienceMs }),
    ]),
  );
  try {
    const { twins } = await findTwins(clients, { timeoutMs: patienceMs });
    const bySecond = Map.groupBy(twins, ({ other }) => other);
    return new Map([...bySecond].map(([name, of]) => [name, of.map(twinSentence)]));
  } finally {
    for (const client of clients.values()) client.close();
  }
}

function withTwins(
  findings: readonly Finding[],
  twins: ReadonlyMap<string, readonly string[]>,
): readonly Finding[] {
  return findings.map((finding) =>
    finding.kind === 'backend'
      ? { ...finding, problems: [...finding.problems, ...(twins.get(finding.name) ?? [])] }
      : finding,
  );
}

async function checkOrthanc(
  kind: 'front' | 'backend',
  config: OrthancConfig,
  topology: Topology,
): Promise<Finding> {
  const { name, url, username, password } = config;
  const orthanc = createOrthanc({ name, url, username, password, requestTimeoutMs: patienceMs });
  let version: string | null = null;
  try {
    const system = await orthanc.system();
    version = system.version;
    const problems: string[] = [];
    if (tooOld(version)) problems.push(`is older than ${oldest.join('.')}, the oldest that works`);
    // Transcoded on arrival, no instance ever has the MD5 it had on the front.
    if (kind === 'backend' && system.ingestTranscoding !== null) {
      problems.push(`IngestTranscoding is ${system.ingestTranscoding}; nothing sent to it can be proven`);
    }
    // On a front it is what lets its script see an image that is held already; the script lets nothing be overwritten.
    if (kind === 'front' && system.overwriteInstances === false) {
      problems.push(
        'OverwriteInstances is off; other content under a known identifier is acknowledged and dropped: run "dde generate"',
      );
    }
    if (kind === 'backend' && system.overwriteInstances === true) {
      problems.push('OverwriteInstances is on; an image can be replaced after it was proven');
    }
    if (kind === 'front') problems.push(...peerProblems(await orthanc.peers(), topology));
    return { kind, name, version, problems };
  } catch (error) {
    if (!(error instanceof OrthancError)) throw error;
    return { kind, name, version, problems: [whyNot(error, url, username)] };
  } finally {
    orthanc.close();
  }
}

function whyNot(error: OrthancError, url: string, username: string): string {
  if (error.code === 'unreachable') return `nothing answers at ${url}`;
  if (error.code === 'timeout') return `no answer at ${url} within ${patienceMs / 1000} s`;
  if (error.code === 'unauthorized') return `refuses user ${username} with the topology's password`;
  return `what answers at ${url} does not act like an Orthanc (${error.message})`;
}

function peerProblems(peers: readonly string[], { backends }: Topology): string[] {
  const names = new Set(backends.map(({ name }) => name));
  const missing = [...names].filter((name) => !peers.includes(name));
  const other = peers.filter((name) => !names.has(name));
  return [
    ...(missing.length > 0
      ? [`has no peer ${missing.join(', ')}; a running service makes it within seconds`]
      : []),
    ...(other.length > 0 ? [`has a peer that is no backend of the topology: ${other.join(', ')}`] : []),
  ];
}

/** A version that is no number, such as "mainline", is taken for the newest. */
function tooOld(version: string): boolean {
  const parts = /^(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number);
  if (parts === undefined) return false;
  for (const [index, least] of oldest.entries()) {
    const part = parts[index] ?? 0;
    if (part !== least) return part < least;
  }
  return false;
}

/** Longer than the service itself waits for a front. */
const limitMs = 10_000;

async function checkService(context: CliContext, options: ServiceOptions): Promise<Finding> {
  let name = 'service';
  let version: string | null = null;
  let problems: readonly string[];
  try {
    const service = connectService(context, options);
    name = service.url;
    // Readiness needs no token; the queue does, and so shows that the token is right.
    await service.get('/api/v1/queue', queueAnswer);
    const ready = await readiness(service);
    version = ready.version;
    problems = [...ready.missing, ...(ready.notice === null ? [] : [ready.notice])];
  } catch (error) {
    if (!(error instanceof UserError) && !(error instanceof ServiceError)) throw error;
    problems = [error.message];
  }
  return { kind: 'service', name, version, problems };
}

function checkFiles(context: CliContext): Finding {
  const files = prepareFiles(context.environment());
  const problems = files.stale().map((file) => `${file} is stale; run "dde generate"`);
  return { kind: 'files', name: files.topologyFile, version: null, problems };
}

/** What is missing comes with status 503, and is an answer all the same. */
async function readiness({
  url,
  agent,
}: Pick<ServiceClient, 'url' | 'agent'>): Promise<z.output<typeof readyAnswer>> {
  const answer = await axios
    .get<unknown>(`${url}/readyz`, {
      timeout: limitMs,
      proxy: false,
      validateStatus: () => true,
      ...(agent === undefined ? {} : { httpsAgent: agent }),
    })
    .catch((error: unknown) => {
      throw new UserError(`The service does not say whether it is ready (${url}/readyz).`, { cause: error });
    });
  const parsed = readyAnswer.safeParse(answer.data);
  if (!parsed.success) throw new UserError(`What answers at ${url}/readyz is not this service.`);
  return parsed.data;
}
