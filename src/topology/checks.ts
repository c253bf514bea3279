import { isLoopback } from '../loopback.ts';
import { formatPath } from './problems.ts';
import { parseDuration } from './units.ts';

/** A mistake and the place it is reported at. */
export interface Finding {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/**
 * What concerns several entries at once: names, addresses and ports that must differ, at least one backend that may be
 * chosen. It reads the document as it stands, so that it also speaks when other keys are wrong; whatever has not the
 * expected form is passed over here and reported by the schema.
 */
export function crossCheck(document: unknown): readonly Finding[] {
  return [
    ...reserved(document),
    ...duplicates(names(document), (value, by) => `the name "${value}" is taken by ${by}: give each its own`),
    ...duplicates(
      urls(document),
      (value, by) => `${value} is the address of ${by} too: each Orthanc stands here once`,
    ),
    ...duplicates(ports(document), (value, by) => `port ${value} is taken by ${by}: give each its own`),
    ...nobodyToChoose(document),
    ...lookupWithinRequest(document),
    ...hookInClear(document),
  ];
}

interface Use {
  readonly path: readonly (string | number)[];
  readonly value: string;
}

function duplicates(uses: readonly Use[], says: (value: string, by: string) => string): readonly Finding[] {
  const first = new Map<string, Use>();
  const findings: Finding[] = [];
  for (const use of uses) {
    const earlier = first.get(use.value);
    if (earlier === undefined) first.set(use.value, use);
    else
      findings.push({
        path: use.path,
        message: says(use.value, formatPath(earlier.path)),
      });
  }
  return findings;
}

function names(document: unknown): readonly Use[] {
  return orthancs(document).flatMap(({ path, entry }) => {
    const name = entry['name'];
    return typeof name === 'string' ? [{ path: [...path, 'name'], value: name }] : [];
  });
}

/** `DDE_SERVICE_URL` would be the address of both. */
function reserved(document: unknown): readonly Finding[] {
  return names(document)
    .filter(({ value }) => value === 'service')
    .map(({ path }) => ({ path, message: 'the name "service" is the service\'s own: choose another' }));
}

/** Other names of 127.0.0.1, as a URL has them. */
const ownMachine: ReadonlySet<string> = new Set(['localhost', '[::1]', '[::ffff:7f00:1]', '0.0.0.0', '[::]']);

function urls(document: unknown): readonly Use[] {
  return orthancs(document).flatMap(({ path, entry }) => {
    const url = entry['url'];
    if (typeof url !== 'string' || !URL.canParse(url)) return [];
    const parsed = new URL(url);
    // Names of one address; that two other names are the same machine only the network knows.
    const name = parsed.hostname.replace(/\.$/, '');
    const host = ownMachine.has(name) ? '127.0.0.1' : name;
    const port = parsed.port === '' ? (parsed.protocol === 'https:' ? '443' : '80') : parsed.port;
    return [{ path: [...path, 'url'], value: `${host}:${port}${parsed.pathname.replace(/\/+$/, '')}` }];
  });
}

function ports(document: unknown): readonly Use[] {
  const uses: Use[] = orthancs(document).flatMap(({ path, entry }) => {
    const run = entry['run'];
    if (!isRecord(run)) return [];
    return ['httpPort', 'dicomPort'].flatMap((key) => portAt(run[key], [...path, 'run', key]));
  });
  const service = isRecord(document) ? document['service'] : undefined;
  const servicePort = (isRecord(service) ? service['port'] : undefined) ?? 3000;
  return [...portAt(servicePort, ['service', 'port']), ...uses];
}

function portAt(value: unknown, path: readonly (string | number)[]): readonly Use[] {
  const text = typeof value === 'number' || typeof value === 'string' ? String(value) : '0';
  return text === '0' ? [] : [{ path, value: text }];
}

function nobodyToChoose(document: unknown): readonly Finding[] {
  const backends = isRecord(document) ? document['backends'] : undefined;
  if (!Array.isArray(backends) || backends.length === 0) return [];
  const idle = backends.every(
    (backend: unknown) => isRecord(backend) && Number(backend['weight'] ?? 1) === 0,
  );
  return idle
    ? [{ path: ['backends'], message: 'no backend has a weight above 0, so no study could be placed' }]
    : [];
}

function lookupWithinRequest(document: unknown): readonly Finding[] {
  const routing = isRecord(document) ? document['routing'] : undefined;
  if (!isRecord(routing)) return [];
  const [lookup, request] = [routing['lookupTimeout'] ?? '2 s', routing['requestTimeout'] ?? '10 s'].map(
    (value) => (typeof value === 'string' ? parseDuration(value.trim()) : null),
  );
  if (typeof lookup !== 'number' || typeof request !== 'number' || lookup <= request) return [];
  return [
    {
      path: ['routing', 'lookupTimeout'],
      message: 'must not be longer than requestTimeout: a lookup is one request',
    },
  ];
}

/** With TLS the service listens to nobody else's announcements without it: they carry a token. */
function hookInClear(document: unknown): readonly Finding[] {
  const service = isRecord(document) ? document['service'] : undefined;
  if (!isRecord(service) || !isRecord(service['tls'])) return [];
  const { url, listen } = service;
  if (typeof url !== 'string' || !URL.canParse(url)) return [];
  const { protocol, hostname } = new URL(url);
  const host = hostname.replaceAll(/[[\]]/g, '');
  if (protocol !== 'http:' || isLoopback(host) || host === listen) return [];
  return [
    {
      path: ['service', 'url'],
      message: `must begin with https://, since service.tls is there: ${host} is another machine, and its fronts would send their token in clear`,
    },
  ];
}

interface Entry {
  readonly path: readonly (string | number)[];
  readonly entry: Readonly<Record<string, unknown>>;
}

function orthancs(document: unknown): readonly Entry[] {
  if (!isRecord(document)) return [];
  return ['fronts', 'backends'].flatMap((list) => {
    const entries = document[list];
    if (!Array.isArray(entries)) return [];
    return entries.flatMap((entry: unknown, index) =>
      isRecord(entry) ? [{ path: [list, index], entry }] : [],
    );
  });
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
