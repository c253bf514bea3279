import { existsSync, statSync, writeFileSync } from 'node:fs';
import { appendFile, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { sendAllDicom } from '../support/dicom-sender.ts';
import { makeStudy, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';
import { type FarmFolder, farmFolder } from './farm-process.ts';

async function pidOf(farm: FarmFolder, name: string): Promise<number> {
  const found = (await farm.processes()).find((each) => each.name === name);
  if (found === undefined) throw new Error(`${name} does not run`);
  return found.pid;
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '0.0.0.0' }, () => server.close(() => resolve(true)));
  });
}

async function allPortsFree(farm: FarmFolder): Promise<boolean> {
  return (await Promise.all(farm.ports.map(canListen))).every(Boolean);
}

describe('dde up', () => {
  test('runs the farm, restarts what dies, and stops it all', async () => {
    await using farm = await farmFolder();
    const up = farm.dde(['up'], { DDE_LOG_MAX_SIZE: '100 kB', DDE_LOG_FILES: '2' });
    await up.said('Ctrl-C stops everything');
    // As if orthanc2 had written a lot: its log is put aside while it runs, seen at the end.
    const log = join(farm.home, 'logs', 'orthanc2.log');
    await appendFile(log, `${'x'.repeat(150_000)}\n`);
    const token = (await readFile(join(farm.home, 'admin-token'), 'utf8')).trim();
    expect(up.output()).toContain(`http://localhost:${farm.port.service}/#token=${token}`);
    expect(
      up
        .output()
        // As it is at a user's, where the state folder is .dde below the current one.
        .replaceAll(farm.home, '.dde')
        .split('\n')
        .filter((line) => line.length > 80 && !line.startsWith('wrote')),
    ).toEqual([]);
    expect(statSync(join(farm.home, 'secrets.env')).mode & 0o777).toBe(0o600);
    expect(statSync(farm.home).mode & 0o777).toBe(0o700);

    for (const name of ['orthanc1', 'service', 'front']) {
      const pid = await pidOf(farm, name);
      process.kill(pid, 'SIGKILL');
      await up.said(new RegExp(`${name} died after .*killed by SIGKILL.*started again in 0\\.5 s`));
      await up.said(`${name} answers again`);
      expect(await pidOf(farm, name)).not.toBe(pid);
    }
    await until(() => existsSync(`${log}.1`) && statSync(log).size < 100_000, {
      what: 'the log to be put aside',
    });
    expect(await readFile(`${log}.1`, 'utf8')).toContain('xxx');

    up.signal('SIGTERM');
    expect(await up.ended()).toBe(0);
    expect(up.output()).toMatch(/front stopped\nservice stopped\northanc1, orthanc2 stopped\n$/);
    expect(await farm.processes()).toEqual([]);
    expect(await allPortsFree(farm)).toBe(true);
    expect(existsSync(join(farm.home, 'farm.lock'))).toBe(false);
  });

  test('killed with SIGKILL it takes its children along, and the next start goes on with the same state', async () => {
    await using farm = await farmFolder();
    const first = farm.dde(['up']);
    await first.said('Ctrl-C stops everything');
    const secrets = await readFile(join(farm.home, 'secrets.env'), 'utf8');

    const second = farm.dde(['up']);
    expect(await second.ended()).toBe(2);
    expect(second.output()).toMatch(/already running \(pid \d+\)/);

    first.signal('SIGKILL');
    expect(await first.ended()).toBe('SIGKILL');
    await until(async () => (await farm.processes()).length === 0, { what: 'the children to be gone' });

    const third = farm.dde(['up']);
    await third.said('Ctrl-C stops everything');
    expect(await readFile(join(farm.home, 'secrets.env'), 'utf8')).toBe(secrets);
    third.signal('SIGINT');
    expect(await third.ended()).toBe(0);
  });

  test('what a front has acknowledged before Ctrl-C is on a backend after the next start', async () => {
    await using farm = await farmFolder();
    const first = farm.dde(['up']);
    await first.said('Ctrl-C stops everything');
    const study = makeStudy({ instances: 20, seed: 'before-ctrl-c' });
    await using dir = await tempDir();
    await sendAllDicom(await writeInstances(study.instances, dir.path), { port: farm.port.frontDicom });
    first.signal('SIGINT');
    expect(await first.ended()).toBe(0);

    const second = farm.dde(['up']);
    await second.said('Ctrl-C stops everything');
    const token = (await readFile(join(farm.home, 'admin-token'), 'utf8')).trim();
    await until(
      async () => {
        const url = `http://127.0.0.1:${farm.port.service}/api/v1/studies/${study.studyUid}`;
        const answer: unknown = await (
          await fetch(url, { headers: { authorization: `Bearer ${token}` } })
        ).json();
        return JSON.stringify(answer).includes('"removed":20');
      },
      { what: 'all 20 to be delivered and removed', timeoutMs: 30_000 },
    );
    second.signal('SIGTERM');
    expect(await second.ended()).toBe(0);
  });

  test('a second Ctrl-C ends what does not end by itself', async () => {
    await using farm = await farmFolder();
    const up = farm.dde(['up']);
    await up.said('Ctrl-C stops everything');
    process.kill(await pidOf(farm, 'front'), 'SIGSTOP');
    const begun = performance.now();
    up.signal('SIGINT');
    // The same press, seen twice, as from a terminal and from npm.
    up.signal('SIGINT');
    await until(() => performance.now() - begun > 1200, { what: 'the second wish to count as one' });
    expect((await farm.processes()).map(({ name }) => name)).toContain('front');
    up.signal('SIGINT');
    expect(await up.ended()).toBe(1);
    expect(performance.now() - begun).toBeLessThan(15_000);
    expect(await farm.processes()).toEqual([]);
  });

  test('a stop while it is still starting', async () => {
    await using farm = await farmFolder();
    const up = farm.dde(['up']);
    await up.said(/answers/);
    up.signal('SIGTERM');
    expect(await up.ended()).toBe(0);
    expect(await farm.processes()).toEqual([]);
  });
});

describe('dde up says in one sentence what has to be changed, and starts nothing', () => {
  async function refusal(farm: FarmFolder, env: Readonly<Record<string, string>> = {}): Promise<string> {
    const up = farm.dde(['up'], env);
    expect(await up.ended(), up.output()).toBe(2);
    expect(await farm.processes()).toEqual([]);
    expect(up.output()).not.toMatch(/\n\s+at /);
    return up.output();
  }

  test('busy ports: all of them, with who holds them', async () => {
    await using farm = await farmFolder();
    const busy = [farm.port.service, farm.port.orthanc1Http];
    const servers = await Promise.all(
      busy.map(async (port) => {
        const server = createServer();
        await new Promise<void>((resolve) => server.listen({ port, host: '127.0.0.1' }, resolve));
        return server;
      }),
    );
    try {
      const text = await refusal(farm);
      expect(text).toContain('2 ports of the farm cannot be used');
      expect(text).toMatch(new RegExp(`${busy[0]} \\(service\\) is in use by .+, pid ${process.pid}`));
      expect(text).toMatch(new RegExp(`${busy[1]} \\(orthanc1, HTTP\\) is in use by`));
    } finally {
      for (const server of servers) server.close();
    }
  });

  test('no Orthanc', async () => {
    await using farm = await farmFolder();
    expect(await refusal(farm, { DDE_ORTHANC: '/nowhere/Orthanc' })).toContain(
      '"/nowhere/Orthanc", which is no program',
    );
  });

  test('a topology with several mistakes', async () => {
    await using farm = await farmFolder();
    writeFileSync(farm.topologyFile, 'fronts: []\nbackend: 3\nrouting: { settle: soon }\n');
    const text = await refusal(farm);
    for (const mistake of ['fronts', 'backend', 'soon']) expect(text).toContain(mistake);
  });

  test('a state folder below a file', async () => {
    await using farm = await farmFolder();
    expect(await refusal(farm, { DDE_HOME: join(farm.topologyFile, 'home') })).toContain(
      'is a file, not a folder',
    );
  });

  test('an environment with two mistakes', async () => {
    await using farm = await farmFolder();
    const text = await refusal(farm, {
      DDE_LOG_LEVEL: 'loud',
      DDE_LOG_MAX_SIZE: '20',
      DDE_LOG_FILES: 'all',
      DDE_ADMIN_TOKEN: 'a b',
    });
    expect(text).toContain('DDE_LOG_LEVEL');
    expect(text).toContain('DDE_LOG_MAX_SIZE is "20", but must be a number and one of');
    expect(text).toContain('DDE_LOG_FILES is "all", but must be a whole number from 1 to 999.');
    expect(text).toContain('DDE_ADMIN_TOKEN');
  });
});

test('an Orthanc that ends at once ends the start, with its last words', async () => {
  await using farm = await farmFolder();
  const script = join(farm.topologyFile, '..', 'broken-orthanc');
  writeFileSync(script, '#!/bin/sh\necho "bad luck today" >&2\nexit 7\n', { mode: 0o755 });
  const up = farm.dde(['up'], { DDE_ORTHANC: script });
  expect(await up.ended()).toBe(1);
  expect(up.output()).toMatch(/ends as soon as it is started \(exit code 7\); its last line: bad luck today/);
  expect(await farm.processes()).toEqual([]);
});
