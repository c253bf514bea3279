import { copyFile, readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runDde } from '../cli/dde.ts';
import { type MadeCertificate, makeCertificate } from '../support/certificates.ts';
import { type Farm, frontsEmpty, startFarm } from '../support/farm.ts';
import { makeStudy } from '../support/synthetic.ts';
import { type TempDir, tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';

let folder: TempDir;
beforeAll(async () => {
  folder = await tempDir('tls');
});
afterAll(async () => folder?.remove());

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** Over TLS, trusting this certificate alone. */
async function secure(
  farm: Farm,
  ca: string,
  path: string,
  options: {
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly name?: string;
    readonly body?: unknown;
  } = {},
): Promise<Answer> {
  const trusted = await readFile(ca);
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const asked = request(
    {
      host: '127.0.0.1',
      port: farm.topology.service.port,
      path,
      method: options.method ?? 'GET',
      servername: options.name ?? 'localhost',
      ca: trusted,
      agent: false,
      headers: {
        authorization: `Bearer ${farm.service.token}`,
        host: `localhost:${farm.topology.service.port}`,
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
    },
    (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (some: string) => (body += some));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }));
    },
  );
  asked.on('error', reject).end(options.body === undefined ? undefined : JSON.stringify(options.body));
  return await promise;
}

/** The images that the hook has announced. */
async function announced(farm: Farm, ca: string, name?: string): Promise<number> {
  const { body } = await secure(farm, ca, '/metrics', name === undefined ? {} : { name });
  return [...body.matchAll(/^dde_hook_answers_total\{answer="(?:assigned|waiting)"\} (\d+)/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

async function sendThree(farm: Farm, seed: string): Promise<void> {
  for (const { file } of makeStudy({ seed, instances: 3 }).instances) {
    const answer = await farm.front.fetch('/instances', { method: 'POST', body: new Uint8Array(file) });
    expect(answer.status).toBe(200);
    await answer.arrayBuffer();
  }
}

describe('a certificate that has signed itself, and a front that asks over TLS', () => {
  let farm: Farm;
  let made: MadeCertificate;
  beforeAll(async () => {
    made = await makeCertificate(folder.path, 'self', ['DNS:localhost', 'IP:127.0.0.1']);
    farm = await startFarm({
      backends: 1,
      startService: false,
      service: { tls: { ...made, ca: made.certificate } },
      serviceVia: (url) => Promise.resolve(url.replace('http:', 'https:')),
    });
    await farm.service.start();
  }, 60_000);
  afterAll(async () => farm?.stop());

  test('the hook announces over TLS, and everything is delivered', async () => {
    await sendThree(farm, 'tls');
    await until(async () => (await announced(farm, made.certificate)) >= 3, { what: 'three announcements' });
    await frontsEmpty(farm);
    expect(farm.front.log()).not.toContain('does not take announcements');
  });

  test('a session is for TLS alone, and browsers are told to come by it', async () => {
    const answer = await secure(farm, made.certificate, '/api/v1/session', {
      method: 'POST',
      body: { token: farm.service.token },
    });
    expect(answer.status).toBe(200);
    expect(answer.headers['set-cookie']).toEqual([
      expect.stringMatching(/^dde_session=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Strict$/),
    ]);
    expect(answer.headers['strict-transport-security']).toBe('max-age=15552000');
    // There the Orthancs' own pages are without TLS, and a browser would not come to them any more.
    const beside = await secure(farm, made.certificate, '/', {
      headers: { host: `127.0.0.1:${farm.topology.service.port}` },
    });
    expect(beside.headers['strict-transport-security']).toBeUndefined();
  });

  test('without TLS only probes and the hook of this machine are answered; others are sent to it', async () => {
    const { url } = farm.service;
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    const hook = await fetch(`${url}/hook/stored`, {
      method: 'POST',
      headers: { authorization: 'Bearer hook-token-of-this-test-farm' },
      body: '{}',
    });
    expect(hook.status).toBe(400);
    const page = await fetch(`${url}/api/v1/queue?x=1`, { redirect: 'manual' });
    expect(page.status).toBe(308);
    expect(page.headers.get('location')).toBe(`${url.replace('http:', 'https:')}/api/v1/queue?x=1`);
    const posted = await fetch(`${url}/api/v1/session`, { method: 'POST', body: '{"token":"x"}' });
    expect(posted.status).toBe(403);
    expect(await posted.json()).toMatchObject({ type: 'urn:dde:problem:tls-needed' });
  });

  test('dde asks over TLS by itself, and says what is wrong when it is told otherwise', async () => {
    expect(await runDde(farm, ['queue'])).toMatchObject({ code: 0, err: '' });
    const checked = await runDde(farm, ['check']);
    expect(checked, checked.out).toMatchObject({ code: 0 });
    expect(checked.out).toContain('https://127.0.0.1:');
    const plain = await runDde(farm, ['queue', '--service', farm.service.url]);
    expect(plain).toMatchObject({ code: 2, err: expect.stringContaining('name it with https://') });
  });
});

describe('a certificate of another name, by an authority of its own', () => {
  let farm: Farm;
  let authority: MadeCertificate;
  let served: MadeCertificate;
  const name = 'dde.example';
  beforeAll(async () => {
    authority = await makeCertificate(folder.path, 'authority', []);
    const first = await makeCertificate(folder.path, 'first', [`DNS:${name}`], authority);
    served = { certificate: `${folder.path}/served.pem`, key: `${folder.path}/served.key` };
    await put(first);
    farm = await startFarm({ backends: 1, startService: false, service: { tls: served } });
    await farm.service.start();
  }, 60_000);
  afterAll(async () => farm?.stop());

  async function put({ certificate, key }: MadeCertificate): Promise<void> {
    await copyFile(certificate, served.certificate);
    await copyFile(key, served.key);
  }

  /** Common name of what is served now. */
  function nameServed(): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const socket = connect({
      host: '127.0.0.1',
      port: farm.topology.service.port,
      servername: name,
      rejectUnauthorized: false,
    });
    socket.once('error', reject).once('secureConnect', () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    return promise;
  }

  test('a front on the same machine announces as before, without TLS', async () => {
    await sendThree(farm, 'plain');
    await until(async () => (await announced(farm, authority.certificate, name)) >= 3, {
      what: 'three announcements',
    });
    await frontsEmpty(farm);
  });

  test('dde knows it by the file, whatever it is called', async () => {
    expect(await runDde(farm, ['queue'])).toMatchObject({ code: 0, err: '' });
  });

  test('a renewed one is taken over while it runs, and one that does not fit is not', async () => {
    expect(await nameServed()).toBe('first');
    const { pid } = farm.service;
    await put(await makeCertificate(folder.path, 'second', [`DNS:${name}`], authority));
    await until(async () => (await nameServed()) === 'second', { what: 'the renewed certificate' });
    const other = await makeCertificate(folder.path, 'third', [`DNS:${name}`], authority);
    await copyFile(other.certificate, served.certificate);
    await until(() => farm.service.log().includes('does not fit the certificate'), { what: 'the complaint' });
    expect(await nameServed()).toBe('second');
    // When it ends is a metric, so that nobody is surprised by it.
    const { body } = await secure(farm, authority.certificate, '/metrics', { name });
    const [, ends] = /^dde_certificate_expiry_timestamp_seconds\{file="[^"]+"\} (\d+)$/m.exec(body) ?? [];
    expect(Number(ends)).toBeGreaterThan(Date.now() / 1000);
    await copyFile(other.key, served.key);
    await until(async () => (await nameServed()) === 'third', { what: 'the pair that fits' });
    expect(farm.service.pid).toBe(pid);
    expect(await runDde(farm, ['queue'])).toMatchObject({ code: 0, err: '' });
  });

  test('it ends in order', async () => {
    expect(await farm.service.kill('SIGTERM')).toBe(0);
  });
});
