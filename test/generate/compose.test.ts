import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { loadTopology } from '../../src/topology/load.ts';
import { orthancCommand } from '../support/orthanc-process.ts';
import { makeInstance, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import type { Container, FarmSpec } from './compose-farm.ts';

const project = join(import.meta.dirname, '../..');
const composeFile = join(project, 'docker-compose.yml');
const topology = loadTopology(join(project, 'orthanc-config/topology.yaml'), {}, 'generate');
const orthancs = [...topology.fronts, ...topology.backends];

const serviceSchema = z.object({
  image: z.string(),
  restart: z.literal('unless-stopped'),
  env_file: z.string(),
  environment: z.record(z.string(), z.string()).default({}),
  secrets: z.array(z.string()).min(1),
  volumes: z.array(z.string()),
  ports: z.array(z.string()),
  entrypoint: z.array(z.string()).optional(),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
});
const compose = z
  .object({
    services: z.record(z.string(), serviceSchema),
    volumes: z.record(z.string(), z.null()),
    secrets: z.record(z.string(), z.object({ file: z.string() })),
  })
  .parse(parse(await readFile(composeFile, 'utf8'), { merge: true }));

function service(name: string): z.output<typeof serviceSchema> {
  const found = compose.services[name];
  if (found === undefined) throw new Error(`compose has no service ${name}`);
  return found;
}

describe('docker-compose.yml', () => {
  it('has the service and every Orthanc that the farm runs, on the ports of the topology', () => {
    expect(Object.keys(compose.services).sort()).toEqual(
      [...orthancs.map(({ name }) => name), 'service'].sort(),
    );
    for (const { name, run } of orthancs) {
      expect(service(name).ports).toEqual([
        `${run?.dicomPort}:${run?.dicomPort}`,
        `127.0.0.1:${run?.httpPort}:${run?.httpPort}`,
      ]);
    }
    const { port } = topology.service;
    expect(service('service').ports).toEqual([`127.0.0.1:${port}:${port}`]);
  });

  it('pins the image, watches health, and keeps each storage in a volume', () => {
    for (const { name } of orthancs) {
      expect(service(name).image).toMatch(/^orthancteam\/orthanc:\d+\.\d+\.\d+$/);
      expect(service(name).healthcheck?.test.join(' ')).toContain('test-aliveness');
      expect(service(name).volumes).toContain(`${name}:/var/lib/orthanc/db`);
      expect(service(name).volumes).toContain(`./orthanc-config/${name}.json:/etc/orthanc/orthanc.json:ro`);
    }
  });

  it('hands out the secrets each needs, and holds none', async () => {
    expect(service('front').secrets.toSorted()).toEqual(
      ['DDE_HOOK_TOKEN', ...orthancs.map(({ passwordVariable }) => passwordVariable)].sort(),
    );
    for (const { name, passwordVariable } of topology.backends)
      expect(service(name).secrets).toEqual([passwordVariable]);
    for (const [name, { file }] of Object.entries(compose.secrets))
      expect(file).toBe(`./.dde/compose/${name}`);
    expect(await readFile(composeFile, 'utf8')).not.toMatch(/(PASSWORD|TOKEN) *[:=] *[^ {\n]/);
  });

  it.skipIf(spawnSync('docker-compose', ['version']).error !== undefined)(
    'is accepted by docker-compose (skipped where that is not installed)',
    () => {
      const run = spawnSync('docker-compose', ['-f', composeFile, 'config'], {
        cwd: project,
        encoding: 'utf8',
      });
      expect(run.stderr).toBe('');
      expect(run.status).toBe(0);
      expect(run.stdout).toContain('DDE_ORTHANC1_URL: http://orthanc1:8042');
    },
  );
});

describe('with-secrets.sh', () => {
  const script = join(project, 'orthanc-config/with-secrets.sh');
  const run = (folder: string) =>
    spawnSync('sh', [script, 'sh', '-c', 'echo "$DDE_A|$DDE_B"'], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], DDE_SECRETS: folder },
    });

  it('hands secrets on as they are, and starts nothing without them', async () => {
    await using folder = await tempDir('secrets');
    expect(run(folder.path)).toMatchObject({ status: 2, stdout: '' });
    await writeFile(join(folder.path, 'DDE_A'), `a b$HOME'"\\*\n`);
    await writeFile(join(folder.path, 'DDE_B'), 'b');
    await writeFile(join(folder.path, 'OTHER'), '');
    expect(run(folder.path)).toMatchObject({ status: 0, stdout: `a b$HOME'"\\*|b\n` });
    await writeFile(join(folder.path, 'DDE_B'), '\n');
    expect(run(folder.path)).toMatchObject({ status: 2, stdout: '' });
  });
});

/** How to get a network and a mount table of one's own; null where this user may not. */
function ownNamespace(): readonly string[] | null {
  const forms = [
    ['unshare', '--net', '--mount'],
    ['unshare', '--net', '--mount', '--map-root-user'],
  ];
  const script = 'ip link set lo up && mount --bind /etc/hosts /etc/hosts';
  return (
    forms.find(
      ([program = '', ...options]) => spawnSync(program, [...options, 'sh', '-c', script]).status === 0,
    ) ?? null
  );
}
const namespace = ownNamespace();

describe('the containers, natively', () => {
  it.skipIf(namespace === null)(
    'carry an image to a backend (skipped where no network namespace can be made)',
    { timeout: 150_000 },
    async () => {
      await using folder = await tempDir('compose');
      const spec = await farmSpec(folder.path);
      const specFile = join(folder.path, 'spec.json');
      await writeFile(specFile, JSON.stringify(spec));
      const hosts = join(folder.path, 'hosts');
      await writeFile(hosts, `127.0.0.1 localhost ${Object.keys(compose.services).join(' ')}\n`);

      const inNamespace = 'ip link set lo up && mount --bind "$1" /etc/hosts && shift && exec "$@"';
      const farm = [process.execPath, join(import.meta.dirname, 'compose-farm.ts'), specFile];
      const run = spawnSync(
        'setpriv',
        ['--pdeathsig', 'KILL', ...(namespace ?? []), 'sh', '-c', inNamespace, 'sh', hosts, ...farm],
        { encoding: 'utf8', timeout: 140_000 },
      );

      expect(run.stderr).toBe('');
      const held = z.record(z.string(), z.array(z.string())).parse(JSON.parse(run.stdout));
      expect(held['front']).toEqual([]);
      expect(topology.backends.flatMap(({ name }) => held[name] ?? [])).toHaveLength(1);
    },
  );
});

/** The containers with the paths they mount replaced by what is mounted there, and their image's program by ours. */
async function farmSpec(root: string): Promise<FarmSpec> {
  const secrets: Record<string, string> = {};
  for (const name of Object.keys(compose.secrets)) secrets[name] = `secret-of-${name.toLowerCase()}`;
  const containers: Container[] = [];
  for (const name of Object.keys(compose.services)) {
    const { volumes, environment, env_file, secrets: granted } = service(name);
    const folder = join(root, name);
    await mkdir(join(folder, 'secrets'), { recursive: true });
    for (const secret of granted)
      await writeFile(join(folder, 'secrets', secret), `${secrets[secret] ?? ''}\n`);
    const mounts = new Map<string, string>();
    for (const volume of volumes) {
      const [source = '', target = ''] = volume.split(':');
      const named = source in compose.volumes;
      const host = named ? join(root, 'volumes', source) : resolve(project, source);
      if (named) await mkdir(host, { recursive: true });
      else expect(existsSync(host), `${source} is there`).toBe(true);
      mounts.set(target, host);
    }
    const inside = (path: string) => mounted(path, mounts);
    const fromFile = (await readFile(join(project, env_file), 'utf8'))
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]);
    const env: Record<string, string> = Object.fromEntries(
      [...fromFile, ...Object.entries(environment)].map(([key = '', value = '']) => [key, inside(value)]),
    );
    const program =
      name === 'service'
        ? [process.execPath, join(project, 'src/main.ts')]
        : [orthancCommand(), inside('/etc/orthanc/orthanc.json')];
    containers.push({
      name,
      command: ['sh', join(project, 'orthanc-config/with-secrets.sh'), ...program],
      env: { PATH: process.env['PATH'] ?? '', ...env, DDE_SECRETS: join(folder, 'secrets') },
      cwd: folder,
      log: join(folder, 'log'),
    });
  }
  const [file = ''] = await writeInstances([makeInstance()], join(root, 'file'));
  return {
    containers,
    file,
    front: { host: 'front', port: topology.fronts[0]?.run?.dicomPort ?? 0 },
    orthancs: Object.fromEntries(
      orthancs.map(({ name, username, passwordVariable, run }) => [
        name,
        { url: `http://${name}:${run?.httpPort}`, authorization: basic(username, secrets[passwordVariable]) },
      ]),
    ),
  };
}

function basic(user: string, password = ''): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function mounted(path: string, mounts: ReadonlyMap<string, string>): string {
  const targets = [...mounts].toSorted(([a], [b]) => b.length - a.length);
  const found = targets.find(([target]) => path === target || path.startsWith(`${target}/`));
  return found === undefined ? path : found[1] + path.slice(found[0].length);
}
