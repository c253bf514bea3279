import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { generateFiles } from '../../src/generate/generate.ts';
import { type Purpose, parseTopology } from '../../src/topology/load.ts';
import { TopologyError } from '../../src/topology/problems.ts';
import type { Topology } from '../../src/topology/topology.ts';
import { type MadeCertificate, makeCertificate } from '../support/certificates.ts';
import { type TempDir, tempDir } from '../support/temp.ts';

let folder: TempDir;
let good: MadeCertificate;
let other: MadeCertificate;
let text: string;
beforeAll(async () => {
  folder = await tempDir('certificates');
  good = await makeCertificate(folder.path, 'good', ['DNS:dde.example']);
  other = await makeCertificate(folder.path, 'other', ['DNS:dde.example']);
  text = join(folder.path, 'text');
  await writeFile(text, 'no certificate at all');
});
afterAll(async () => folder?.remove());
afterEach(() => {
  vi.useRealTimers();
});

function parse(service: unknown, purpose?: Purpose): Topology {
  const document = {
    service,
    fronts: [
      {
        name: 'front',
        url: 'http://127.0.0.1:8032',
        password: { env: 'SECRET' },
        run: { httpPort: 8032, dicomPort: 4242, aeTitle: 'DDE' },
      },
    ],
    backends: [{ name: 'one', url: 'http://127.0.0.1:8042', password: { env: 'SECRET' } }],
  };
  return parseTopology('farm.yaml', JSON.stringify(document), { SECRET: 'very-secret' }, purpose);
}

function mistakes(service: unknown): readonly string[] {
  try {
    parse(service);
  } catch (error) {
    if (error instanceof TopologyError)
      return error.problems.map(({ path, message }) => `${path}: ${message}`);
    throw error;
  }
  return [];
}

describe('a certificate', () => {
  test('that fits is read from where it says', () => {
    expect(parse({ tls: { ...good, ca: good.certificate } }).service.tls).toEqual({
      ...good,
      ca: good.certificate,
    });
    expect(parse({}).service.tls).toBeUndefined();
  });

  test('that is not there, or no certificate, is said in a sentence, all of them at once', () => {
    expect(mistakes({ tls: { certificate: '/nowhere/a.pem', key: text, ca: text } })).toEqual([
      'service.tls.certificate: the file /nowhere/a.pem does not exist',
      `service.tls.ca: the file ${text} holds no certificate: it must be PEM, beginning with -----BEGIN CERTIFICATE-----`,
      `service.tls.key: the file ${text} holds no private key: it must be PEM, without a passphrase`,
    ]);
    expect(mistakes({ tls: { certificate: folder.path, key: good.key } })).toEqual([
      `service.tls.certificate: the file ${folder.path} is a folder, not a file`,
    ]);
    expect(mistakes({ tls: { certificate: 'a.pem', key: good.key } })).toEqual([
      expect.stringMatching(/^service\.tls\.certificate: must be the absolute path of a file/),
    ]);
    expect(mistakes({ tls: { certificate: good.certificate } })).toEqual([
      expect.stringMatching(/^service\.tls\.key: is missing/),
    ]);
  });

  test('whose key is another one, is said', () => {
    expect(mistakes({ tls: { certificate: good.certificate, key: other.key } })).toEqual([
      `service.tls.key: the key in ${other.key} does not fit the certificate in ${good.certificate}: they must have been made together`,
    ]);
  });

  test('that has expired, or is not valid yet, is said', () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 40 * 86_400_000 });
    expect(mistakes({ tls: good })).toEqual([
      expect.stringMatching(
        /^service\.tls\.certificate: .* expired on \d{4}-\d\d-\d\d: put a renewed one there$/,
      ),
    ]);
    vi.setSystemTime(Date.now() - 80 * 86_400_000);
    expect(mistakes({ tls: good })).toEqual([
      expect.stringMatching(/^service\.tls\.certificate: .* is not valid before \d{4}-\d\d-\d\d$/),
    ]);
  });

  test('is not looked at by who only asks the service, or generates files', () => {
    const tls = { certificate: '/nowhere/a.pem', key: '/nowhere/a.key' };
    for (const purpose of ['ask', 'generate'] as const)
      expect(parse({ tls }, purpose).service.tls).toEqual(tls);
  });
});

test('fronts on other machines must come over TLS, those of this one need not', () => {
  for (const url of [
    'http://127.0.0.1:3000',
    'http://localhost:3000',
    'http://[::1]:3000',
    'https://dde.example:3000',
  ])
    expect(mistakes({ tls: good, url }), url).toEqual([]);
  expect(mistakes({ tls: good, listen: '10.1.2.3', url: 'http://10.1.2.3:3000' })).toEqual([]);
  expect(mistakes({ url: 'http://dde.example:3000' })).toEqual([]);
  expect(mistakes({ tls: good, url: 'http://dde.example:3000' })).toEqual([
    expect.stringMatching(/^service\.url: must begin with https:\/\//),
  ]);
});

test('a front is told whom to trust, and containers where to ask', () => {
  const generated = (service: unknown) => {
    const files = generateFiles(parse(service, 'generate'));
    return {
      front: files.get('orthanc-config/front.json') ?? '',
      compose: files.get('orthanc-config/compose.env') ?? '',
    };
  };
  const plain = generated({});
  expect(plain.front).not.toContain('HttpsCACertificates');
  expect(plain.compose).toContain('DDE_SERVICE_URL=http://service:3000');
  const own = generated({ tls: { ...good, ca: '/etc/dde/ca.pem' } });
  expect(own.front).toContain('"HttpsCACertificates": "/etc/dde/ca.pem"');
  expect(own.compose).toContain('DDE_SERVICE_URL=https://service:3000');
  expect(generated({ tls: good }).front).toContain(
    '"HttpsCACertificates": "/etc/ssl/certs/ca-certificates.crt"',
  );
  expect(own.front).not.toContain(good.key);
});
