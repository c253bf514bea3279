import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { readCertificate } from './certificate.ts';
import { crossCheck } from './checks.ts';
import { readDocument } from './document.ts';
import type { Problem } from './problems.ts';
import { cannotRead, formatPath, nearest, TopologyError } from './problems.ts';
import type { PasswordSource, TopologyDocument } from './schema.ts';
import { topologySchema } from './schema.ts';
import { sentence } from './schema-sentences.ts';
import type {
  BackendConfig,
  FrontConfig,
  OrthancConfig,
  ServiceConfig,
  TlsConfig,
  Topology,
} from './topology.ts';
import { farmPrefix, farmVariable, type Variables } from './variables.ts';

export type { Problem } from './problems.ts';
export { TopologyError } from './problems.ts';

/**
 * What the topology is read for.
 *
 * - `run`: passwords are read, every variable counts.
 * - `ask`: whoever only asks the service needs to know where it is, and none of its secrets: no password is read (they are ''), and
 *   no certificate looked at.
 * - `generate`: no password is read (they are ''), and a variable `DDE_…` that has a default stands at it, since the
 *   generated files read those variables themselves when an Orthanc starts. So the same topology gives the same files
 *   whatever the environment, and needs no secret for it.
 */
export type Purpose = 'run' | 'ask' | 'generate';

/**
 * Reads `file`, replaces `${NAME}` by `variables`, fills in defaults, reads the passwords.
 *
 * @throws {TopologyError} with every mistake at once; nothing else.
 */
export function loadTopology(file: string, variables: Variables, purpose: Purpose = 'run'): Topology {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new TopologyError(file, [{ path: '', line: null, message: cannotRead(error) }]);
  }
  return parseTopology(file, text, variables, purpose);
}

/** As `loadTopology`, from text; `file` is for messages. */
export function parseTopology(
  file: string,
  text: string,
  variables: Variables,
  purpose: Purpose = 'run',
): Topology {
  const source = readDocument(text, (name, hasDefault) =>
    purpose === 'generate' && hasDefault && name.startsWith(farmPrefix) ? undefined : variables[name],
  );
  // A document that is no YAML, or empty, has one thing wrong with it; what follows from that helps nobody.
  if (source.value === null || source.value === undefined) {
    const empty: Problem = {
      path: '',
      line: null,
      message: 'is empty: it must have at least fronts and backends',
    };
    throw new TopologyError(file, source.problems.length > 0 ? source.problems : [empty]);
  }

  const problems: Problem[] = [...source.problems];
  const spokenOf = new Set(problems.map(({ path }) => path));
  const report = (path: readonly PropertyKey[], message: string) => {
    const place = formatPath(path);
    if (!spokenOf.has(place)) problems.push({ path: place, line: source.lineOf(path), message });
  };

  const { document, problems: schemaProblems } = validate(source.value);
  for (const { path, message } of [...schemaProblems, ...crossCheck(source.value)]) report(path, message);

  const passwords = new Map<string, string>();
  if (document !== null && purpose === 'run') {
    for (const list of ['fronts', 'backends'] as const) {
      for (const [index, { name, password }] of document[list].entries()) {
        const result = readPassword(password, variables);
        if (result.ok) passwords.set(name, result.password);
        else report([list, index, 'password'], result.message);
      }
    }
    if (document.service.tls !== undefined) {
      const read = readCertificate(tlsOf(document.service.tls), new Date());
      if (!read.ok) for (const { key, message } of read.problems) report(['service', 'tls', key], message);
    }
  }
  if (document === null || problems.length > 0) {
    throw new TopologyError(
      file,
      problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0)),
    );
  }
  return build(file, document, passwords);
}

interface Mistake {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

function validate(value: unknown): { document: TopologyDocument | null; problems: readonly Mistake[] } {
  const knownKeys = new Map<string, readonly string[]>();
  const result = topologySchema.safeParse(value, {
    error: (issue) => {
      if (issue.code === 'unrecognized_keys' && issue.inst instanceof z.ZodObject) {
        knownKeys.set(formatPath(issue.path ?? []), Object.keys(issue.inst.shape));
      }
      return sentence(issue);
    },
  });
  if (result.success) return { document: result.data, problems: [] };
  const problems = result.error.issues.flatMap((issue): Mistake[] => {
    if (issue.code !== 'unrecognized_keys') return [{ path: issue.path, message: issue.message }];
    const known = knownKeys.get(formatPath(issue.path)) ?? [];
    return issue.keys.map((key) => ({ path: [...issue.path, key], message: unknownKey(key, known) }));
  });
  return { document: null, problems };
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  return `is no key here: ${meant === null ? `there are ${known.join(', ')}` : `did you mean ${meant}?`}`;
}

function readPassword(
  source: PasswordSource,
  variables: Variables,
): { ok: true; password: string } | { ok: false; message: string } {
  if (source.env !== undefined) {
    const value = variables[source.env];
    if (value !== undefined && value !== '') return { ok: true, password: value };
    if (source.default !== undefined) return { ok: true, password: source.default };
    return { ok: false, message: `the variable ${source.env} is not set: it must carry the password` };
  }
  const file = source.file ?? '';
  try {
    const password = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
    return password === ''
      ? { ok: false, message: `the password file ${file} is empty` }
      : { ok: true, password };
  } catch (error) {
    return { ok: false, message: `the password file ${file} ${cannotRead(error)}` };
  }
}

function build(file: string, document: TopologyDocument, passwords: ReadonlyMap<string, string>): Topology {
  const { service, fronts, backends, routing, history } = document;
  const orthanc = (
    entry: TopologyDocument['fronts'][number] | TopologyDocument['backends'][number],
  ): OrthancConfig => ({
    name: entry.name,
    url: entry.url,
    publicUrl: entry.publicUrl ?? entry.url,
    username: entry.username,
    password: passwords.get(entry.name) ?? '',
    passwordVariable: `${farmVariable(entry.name)}_PASSWORD`,
    passwordDefault: entry.password.default ?? null,
    run: entry.run ?? null,
  });
  return {
    file,
    service: serviceOf(service),
    fronts: fronts.map((front): FrontConfig => ({ ...orthanc(front), associations: front.associations })),
    backends: backends.map(
      (backend): BackendConfig => ({
        ...orthanc(backend),
        peerUrl: backend.peerUrl ?? null,
        weight: backend.weight,
        lanes: backend.lanes,
        disk: backend.disk ?? null,
      }),
    ),
    routing: {
      policy: routing.policy,
      order: routing.order,
      shadow: routing.shadow === 'none' ? null : routing.shadow,
      settleMs: routing.settle,
      batch: {
        instances: routing.batch.instances,
        bytes: routing.batch.size,
        gatherMs: routing.batch.gather,
      },
      conflict: routing.conflict,
      lookupTimeoutMs: routing.lookupTimeout,
      requestTimeoutMs: routing.requestTimeout,
      transferTimeout: { baseMs: routing.transferTimeout.base, bytesPerSecond: routing.transferTimeout.rate },
      rebindAfterMs: routing.rebindAfter,
      healAfterMs: routing.healAfter,
      stallMs: routing.stall,
      reconcile: routing.reconcile.trim(),
      admission: {
        maxBacklogBytes: routing.admission.maxSize,
        maxBacklogInstances: routing.admission.maxInstances,
        maxBacklogAgeMs: routing.admission.maxAge,
        minFreeBytes: routing.admission.minFree,
        resume: routing.admission.resume,
      },
    },
    history: {
      sampleMs: history.sample,
      downAfter: history.downAfter,
      keepRawMs: history.keepRaw,
      keepMinutesMs: history.keepMinutes,
      keepHoursMs: history.keepHours,
    },
  };
}

function serviceOf({ tls, ...service }: TopologyDocument['service']): ServiceConfig {
  return tls === undefined ? service : { ...service, tls: tlsOf(tls) };
}

function tlsOf({ certificate, key, ca }: NonNullable<TopologyDocument['service']['tls']>): TlsConfig {
  return { certificate, key, ...(ca === undefined ? {} : { ca }) };
}
