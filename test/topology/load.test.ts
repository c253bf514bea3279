import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadTopology, type Purpose, parseTopology } from '../../src/topology/load.ts';
import { type Problem, TopologyError } from '../../src/topology/problems.ts';
import type { Topology } from '../../src/topology/topology.ts';
import type { Variables } from '../../src/topology/variables.ts';
import { tempDir } from '../support/temp.ts';

const committed = join(import.meta.dirname, '../../orthanc-config/topology.yaml');

const smallest = `
fronts:
  - name: front
    url: http://127.0.0.1:8032
    password: { env: FRONT }
backends:
  - name: archive
    url: https://archive.example/orthanc/
    password: { env: ARCHIVE, default: letmein }
`;

/** The smallest one with another address of its front. */
function withUrl(url: string): string {
  return smallest.replace('http://127.0.0.1:8032', () => url);
}

function parse(text: string, variables: Variables = { FRONT: 'f' }, purpose?: Purpose): Topology {
  return parseTopology('farm.yaml', text, variables, purpose);
}

/** Everything that is wrong with the text, as `line path: message`. */
function mistakes(text: string, variables?: Variables): readonly string[] {
  return problemsOf(() => parse(text, variables)).map(
    ({ line, path, message }) => `${line} ${path}: ${message}`,
  );
}

function problemsOf(load: () => unknown): readonly Problem[] {
  try {
    load();
  } catch (error) {
    if (error instanceof TopologyError) return error.problems;
    throw error;
  }
  return [];
}

describe('the committed topology', () => {
  it('is the local farm', () => {
    const topology = loadTopology(committed, { DDE_FRONT_PASSWORD: 'generated' });

    expect(topology.service).toEqual({
      listen: '127.0.0.1',
      port: 3000,
      url: 'http://127.0.0.1:3000',
      accessionSearch: false,
    });
    expect(topology.fronts).toMatchObject([
      { name: 'front', password: 'generated', run: { httpPort: 8032, dicomPort: 11113, aeTitle: 'DDE' } },
    ]);
    expect(topology.backends).toMatchObject([
      {
        name: 'orthanc1',
        username: 'orthanc',
        password: 'orthanc',
        publicUrl: 'http://localhost:8042',
        run: { httpPort: 8042, dicomPort: 4242 },
      },
      {
        name: 'orthanc2',
        username: 'orthanc',
        password: 'orthanc',
        publicUrl: 'http://localhost:8052',
        run: { httpPort: 8052, dicomPort: 4252 },
      },
    ]);
    expect(topology.routing.settleMs).toBeLessThan(60_000);
  });

  it('needs the password of the front, and says so', () => {
    expect(problemsOf(() => loadTopology(committed, {}))).toMatchObject([
      {
        path: 'fronts[0].password',
        message: 'the variable DDE_FRONT_PASSWORD is not set: it must carry the password',
      },
    ]);
  });
});

it('fills in every default', () => {
  expect(parse(smallest)).toEqual({
    file: 'farm.yaml',
    service: { listen: '127.0.0.1', port: 3000, url: 'http://127.0.0.1:3000', accessionSearch: false },
    fronts: [
      {
        name: 'front',
        url: 'http://127.0.0.1:8032',
        publicUrl: 'http://127.0.0.1:8032',
        username: 'orthanc',
        password: 'f',
        passwordVariable: 'DDE_FRONT_PASSWORD',
        passwordDefault: null,
        run: null,
        associations: 16,
      },
    ],
    backends: [
      {
        name: 'archive',
        url: 'https://archive.example/orthanc',
        publicUrl: 'https://archive.example/orthanc',
        username: 'orthanc',
        password: 'letmein',
        passwordVariable: 'DDE_ARCHIVE_PASSWORD',
        peerUrl: null,
        passwordDefault: 'letmein',
        run: null,
        weight: 1,
        lanes: 2,
        disk: null,
      },
    ],
    routing: {
      policy: 'expected-completion',
      order: 'fifo',
      shadow: null,
      settleMs: 60_000,
      batch: { instances: 50, bytes: 64_000_000, gatherMs: 80 },
      conflict: 'quarantine',
      lookupTimeoutMs: 2000,
      requestTimeoutMs: 10_000,
      transferTimeout: { baseMs: 60_000, bytesPerSecond: 1_000_000 },
      rebindAfterMs: 30_000,
      healAfterMs: 600_000,
      stallMs: 15_000,
      reconcile: '*/5 * * * * *',
      admission: {
        maxBacklogBytes: null,
        maxBacklogInstances: null,
        maxBacklogAgeMs: null,
        minFreeBytes: 1_000_000_000,
        resume: 0.8,
      },
    },
    history: {
      sampleMs: 5000,
      downAfter: 2,
      keepRawMs: 86_400_000,
      keepMinutesMs: 30 * 86_400_000,
      keepHoursMs: 365 * 86_400_000,
    },
  });
});

describe('variables', () => {
  it('replace ${NAME} and ${NAME:-default} in any text, numbers included', () => {
    const text = `${withUrl('http://${HOST:-nowhere}:${PORT}')}service: { port: "\${SERVICE_PORT:-3001}" }\n`;
    const topology = parse(text, { FRONT: 'f', HOST: 'pacs', PORT: '81' });
    expect(topology.fronts[0]?.url).toBe('http://pacs:81');
    expect(topology.service.port).toBe(3001);
  });

  it('that are empty count as not set', () => {
    expect(parse(withUrl('http://${HOST:-pacs}'), { FRONT: 'f', HOST: '' }).fronts[0]?.url).toBe(
      'http://pacs',
    );
  });

  it('are not looked for in values', () => {
    expect(mistakes(withUrl('${A}'), { FRONT: 'f', A: '${B}', B: 'http://pacs' })[0]).toContain(
      '"${B}" is no address',
    );
  });

  it('that are missing or misspelt are said, each with its line', () => {
    expect(mistakes(withUrl('http://${HOST}:${1PORT}'))).toEqual(
      ['4 fronts[0].url: the variable HOST is not set: set it, or write ${HOST:-default}'].concat(
        '4 fronts[0].url: "${1PORT}" is no variable: write ${NAME} or ${NAME:-default}',
      ),
    );
  });

  it('of the farm stand at their default, and no password is read, when files are generated', () => {
    const text = withUrl('${DDE_FRONT_URL:-http://127.0.0.1:8032}').replace('archive.example', '${SITE}');
    const topology = parse(
      text,
      { DDE_FRONT_URL: 'http://elsewhere', SITE: 'example', ARCHIVE: 'secret' },
      'generate',
    );
    expect(topology.fronts[0]).toMatchObject({ url: 'http://127.0.0.1:8032', password: '' });
    expect(topology.backends[0]).toMatchObject({ url: 'https://example/orthanc', password: '' });
  });
});

describe('passwords', () => {
  it('come from a variable rather than from its default', () => {
    expect(parse(smallest, { FRONT: 'f', ARCHIVE: 'a' }).backends[0]?.password).toBe('a');
  });

  it('come from a file, without the end of its line', async () => {
    await using folder = await tempDir('password');
    const file = join(folder.path, 'password');
    const text = smallest.replace('{ env: FRONT }', `{ file: ${file} }`);
    expect(mistakes(text)).toEqual([`5 fronts[0].password: the password file ${file} does not exist`]);
    await writeFile(file, '\n');
    expect(mistakes(text)).toEqual([`5 fronts[0].password: the password file ${file} is empty`]);
    await writeFile(file, 'pass word \r\n');
    expect(parse(text).fronts[0]?.password).toBe('pass word ');
  });

  it.each([
    ['secret', 'must be { env: NAME }, { env: NAME, default: TEXT } or { file: PATH }'],
    ['{}', 'must have either env or file'],
    ['{ env: A, file: b }', 'must have either env or file'],
    ['{ file: b, default: c }', 'must not have a default beside file'],
  ])('%s are refused', (password, message) => {
    expect(mistakes(smallest.replace('{ env: FRONT }', password))[0]).toContain(message);
  });

  it('never appear in a message', () => {
    const text = smallest.replace('http://127.0.0.1:8032', 'http:/admin:hunter2@host');
    expect(mistakes(text).join()).not.toContain('hunter2');
  });
});

describe('mistakes', () => {
  it('are all said at once, each with path and line', () => {
    expect(
      mistakes(`
service:
  prot: 3000
fronts:
  - name: Front
    url: localhost:8032
    password: { env: FRONT }
    run: { httpPort: 0, dicomPort: 70000, aeTitle: 'MUCH TOO LONG FOR IT' }
backends:
  - name: a
    url: http://localhost:8042
    password: { env: A, default: a }
    weight: -1
    lanes: 1.5
  - name: a
    url: http://127.0.0.1:8042/
    password: { env: NOT_SET }
routing:
  policy: least
  settle: 60
  reconcile: every minute
  admission: { maxSize: 5 parsecs, resume: 1 }
history:
  keepRaw: 40 d
`),
    ).toEqual([
      '3 service.prot: is no key here: did you mean port?',
      '5 fronts[0].name: must be a name of 1 to 31 small letters, digits and "-", beginning with a letter',
      '6 fronts[0].url: "localhost:8032" is no address: write http:// or https://, a host, and a port where it is not the usual one',
      '8 fronts[0].run.httpPort: must be at least 1, not "0"',
      '8 fronts[0].run.dicomPort: must be at most 65535, not "70000"',
      '8 fronts[0].run.aeTitle: must be an AE title: 1 to 16 printable ASCII characters, no backslash, no space at either end',
      '13 backends[0].weight: must be at least 0, not "-1"',
      '14 backends[0].lanes: must be a whole number, not "1.5"',
      '15 backends[1].name: the name "a" is taken by backends[0].name: give each its own',
      '16 backends[1].url: 127.0.0.1:8042 is the address of backends[0].url too: each Orthanc stands here once',
      '19 routing.policy: must be expected-completion, least-in-flight, round-robin, weighted-round-robin, rendezvous, power-of-two, peak-ewma, fastest, not "least"',
      '20 routing.settle: must be a number and one of ms, s, min, h, d, such as "60 s"',
      '21 routing.reconcile: must be a cron expression of six fields, seconds first, such as "*/5 * * * * *" for every five seconds',
      '22 routing.admission.maxSize: "5 parsecs" is not understood: write a number and one of B, kB, MB, GB, TB, KiB, MiB, GiB, TiB, such as "64 MB", or none',
      '22 routing.admission.resume: must be less than 1, not "1"',
      '23 history: must keep coarse figures at least as long as fine ones: keepRaw ≤ keepMinutes ≤ keepHours',
    ]);
  });

  it.each([
    ['', 'is empty'],
    ['# nothing\n', 'is empty'],
    ['fronts: [', 'is no valid YAML'],
    ['fronts: a\nfronts: b', 'is no valid YAML'],
    ['a: 1\n---\nb: 2', 'is no valid YAML'],
    ['\tfronts: 1', 'is no valid YAML'],
    ['- 1', 'must be keys and values, not a list'],
    ['fronts: []', 'must have at least one entry'],
    ['fronts:', 'must be a list'],
    ['fronts: &f [*f]', 'must not contain itself'],
    ['fronts: *nobody', 'is no valid YAML'],
  ])('%j', (text, message) => {
    expect(mistakes(text).join('\n')).toContain(message);
  });

  it.each([
    [
      'backends:\n',
      'backends:\n  - { name: service, url: "http://x", password: { env: FRONT } }\n',
      "is the service's own",
    ],
    ['name: archive', 'name: front', 'is taken by fronts[0].name'],
    ['name: archive', 'name: archive\n    weight: 0', 'no backend has a weight above 0'],
    [
      'name: archive',
      'name: archive\n    run: { httpPort: 3000, dicomPort: 4242, aeTitle: A }',
      'port 3000 is taken by',
    ],
    [
      'name: archive',
      'name: archive\n    run: { httpPort: 8042, dicomPort: 8042, aeTitle: A }',
      'port 8042 is taken by backends[0].run.httpPort',
    ],
    ['https://archive.example/orthanc/', 'http://127.0.0.1:8032/', 'is the address of fronts[0].url too'],
    ['https://archive.example/orthanc/', 'http://localhost.:8032/', 'is the address of fronts[0].url too'],
    [
      'https://archive.example/orthanc/',
      'http://[::ffff:127.0.0.1]:8032/',
      'is the address of fronts[0].url too',
    ],
    ['https://archive.example/orthanc/', 'https://a:b@archive.example/', 'must not carry a user or password'],
    ['default: letmein', 'default: "a}b"', 'must have no space, quote'],
    ['backends:', 'routing: { lookupTimeout: 20 s }\nbackends:', 'must not be longer than requestTimeout'],
    ['backends:', 'routing: { settle: 8 d }\nbackends:', 'is out of range: from 0 s to 7 d'],
    ['backends:', 'routing: { reconcile: "* * * * *" }\nbackends:', 'six fields'],
    ['backends:', 'routing: { reconcile: "99 * * * * *" }\nbackends:', 'six fields'],
  ])('%j → %j', (from, to, message) => {
    expect(mistakes(smallest.replace(from, to)).join('\n')).toContain(message);
  });

  it('in a file that is not there are one sentence', () => {
    expect(() => loadTopology('/nowhere/topology.yaml', {})).toThrow(
      '/nowhere/topology.yaml: does not exist',
    );
  });

  it('never crash it: any text gives a topology or a list of problems', () => {
    const scalar = fc.oneof(
      fc.string(),
      fc.double(),
      fc.constantFrom(
        '60 s',
        '${A}',
        '${A:-b}',
        '${',
        'none',
        'http://x',
        '*a',
        '&a',
        '!!binary x',
        '__proto__',
        'null',
        '~',
      ),
    );
    const key = fc.constantFrom(
      'service',
      'fronts',
      'backends',
      'routing',
      'history',
      'name',
      'url',
      'password',
      'env',
      'file',
      'default',
      'run',
      'httpPort',
      'port',
      'settle',
      'admission',
      'maxSize',
      'batch',
      'size',
      'weight',
      '__proto__',
      'constructor',
      'x',
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        scalar,
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(key, tie('tree'), { maxKeys: 5 }),
      ),
    }));
    const garbled = fc
      .tuple(fc.nat(smallest.length), fc.nat(8), fc.string({ unit: 'binary', maxLength: 8 }))
      .map(([at, cut, text]) => smallest.slice(0, at) + text + smallest.slice(at + cut));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          tree.map((value) => JSON.stringify(value) ?? ''),
          garbled,
        ),
        (text) => {
          const problems = problemsOf(() => parse(text));
          for (const { message, line } of problems) {
            expect(message.length).toBeGreaterThan(0);
            expect(message).not.toMatch(/\n\s+at |undefined|\[object/);
            expect(line === null || line >= 1).toBe(true);
          }
        },
      ),
      { numRuns: 1500 },
    );
  });
});
