import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { serviceCommand } from '../../src/farm/service-command.ts';
import { type FarmFolder, farmFolder } from '../farm/farm-process.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';

const project = join(import.meta.dirname, '../..');
const folder = join(project, 'systemd');
const installed = '/opt/dynamic-dicom-endpoints';
const units = readdirSync(folder).filter((name) => name.endsWith('.service'));
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
const analyze = spawnSync('systemd-analyze', ['--version']).error === undefined;
const why = analyze ? '' : ' (skipped: there is no systemd-analyze here; Debian has it in "systemd")';

/** What stands behind the key, each time it is there. */
function values(unit: string, key: string): readonly string[] {
  return [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value);
}

test.skipIf(!analyze)(`systemd understands the units, and they are locked up well${why}`, async () => {
  await using dir = await tempDir('units');
  for (const name of units) {
    // A template is looked at as one of its instances.
    const file = join(dir.path, name.replace('@', '@front'));
    await writeFile(file, read(name).replaceAll(installed, project));
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], {
      encoding: 'utf8',
    });
    // Others' units on this machine are no business of ours.
    const own = stderr.split('\n').filter((line) => line.includes(dir.path) || line.includes('dde'));
    expect({ status, own }, name).toEqual({ status: 0, own: [] });
    // Of 100; what is left is that they may use the network.
    const secure = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=25', file], {
      encoding: 'utf8',
    });
    if (!/unrecognized option/.test(secure.stderr)) expect(secure.status, secure.stdout).toBe(0);
  }
});

test('the service is run as the farm runs it', () => {
  const unit = read('dde.service');
  const { args, env } = serviceCommand(installed);
  const [exec = ''] = values(unit, 'ExecStart');
  expect(exec.split(' ').slice(1)).toEqual(args.map((arg) => arg.replace(`${installed}/`, '')));
  expect(values(unit, 'WorkingDirectory')).toEqual([installed]);
  expect(values(unit, 'Environment').join(' ')).toContain(`MALLOC_ARENA_MAX=${env['MALLOC_ARENA_MAX']}`);
});

test('the units do their work: service and Orthancs, each by its own command, make a farm that is ready', async () => {
  await using farm = await farmFolder();
  expect(await farm.dde(['generate'], secrets).ended()).toBe(0);
  await using running = runningUnits(farm);
  for (const name of ['front', 'orthanc1', 'orthanc2']) {
    await mkdir(join(farm.home, 'orthanc', name), { recursive: true });
    running.start('dde-orthanc@.service', name);
  }
  running.start('dde.service', '');
  const url = `http://127.0.0.1:${farm.port.service}`;
  await until(async () => (await fetch(`${url}/readyz`)).ok, {
    what: 'the farm to be ready',
    timeoutMs: 30_000,
  });
  const headers = { authorization: `Bearer ${secrets.DDE_ADMIN_TOKEN}` };
  await until(
    async () => {
      const text = await (await fetch(`${url}/api/v1/backends`, { headers })).text();
      return text.match(/"health":"up"/g)?.length === 2;
    },
    { what: 'both backends to be up' },
  );
});

const secrets = {
  DDE_ADMIN_TOKEN: 'token-of-the-admin',
  DDE_HOOK_TOKEN: 'token-of-the-hook',
  DDE_FRONT_PASSWORD: 'front-password',
  DDE_ORTHANC1_PASSWORD: 'orthanc',
  DDE_ORTHANC2_PASSWORD: 'orthanc',
};

interface RunningUnits extends AsyncDisposable {
  start(unit: string, instance: string): void;
}

/** Runs what a unit would, without systemd: its command and its environment, with its folders in the farm's. */
function runningUnits(farm: FarmFolder): RunningUnits {
  const stops: (() => Promise<void>)[] = [];
  return {
    start(name, instance) {
      const here = (text: string): string =>
        text
          .replaceAll(installed, project)
          .replaceAll('/etc/dde/topology.yaml', farm.topologyFile)
          .replaceAll('/var/lib/dde', farm.home)
          .replaceAll('/var/cache/dde', join(farm.home, 'cache'))
          .replaceAll('%i', instance);
      const unit = read(name);
      const [exec = ''] = values(unit, 'ExecStart');
      const [program = '', ...args] = here(exec).split(' ');
      const environment = values(unit, 'Environment').flatMap((line) => here(line).split(' '));
      const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], {
        cwd: project,
        env: {
          PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
          ...secrets,
          DDE_SERVICE_URL: `http://127.0.0.1:${farm.port.service}`,
          ...Object.fromEntries(environment.map((one) => one.split('=', 2))),
        },
        stdio: 'ignore',
      });
      const ended = once(child, 'exit');
      stops.push(async () => {
        child.kill('SIGTERM');
        await ended;
      });
    },
    async [Symbol.asyncDispose]() {
      // Fronts first: they hand over what they have to announce.
      for (const stop of stops) await stop();
    },
  };
}
