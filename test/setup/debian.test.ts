import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { tempDir } from '../support/temp.ts';

interface Machine {
  readonly also?: readonly string[];
  readonly path: string;
  readonly osRelease: string;
  readonly orthanc: string | undefined;
  readonly uid: number;
}

// Plain JavaScript that runs before there are any dependencies: it has no types to import.
const script = pathToFileURL(resolve(import.meta.dirname, '../../scripts/setup/debian.mjs')).href;
const { ensurePackages } = (await import(script)) as {
  ensurePackages: (machine: Machine) => Promise<void>;
};

const orthancAndDcmtk = ['Orthanc', 'storescu', 'dcmsend', 'dcmdump'];

/**
 * A machine in a folder, whose `sudo` notes the script it is to run as root and puts programs where they are looked for. It runs
 * nothing: what stops services must not do so on the machine that tests.
 */
async function machineWith(
  folder: string,
  programs: readonly string[],
  { brings, also }: { readonly brings: readonly string[]; readonly also?: readonly string[] },
): Promise<{ machine: Machine; ranAsRoot: () => string | null }> {
  const put = async (name: string, text: string): Promise<void> => {
    await writeFile(join(folder, name), text);
    await chmod(join(folder, name), 0o755);
  };
  for (const program of [...programs, 'apt-get']) await put(program, '#!/bin/sh\nexit 1\n');
  const noted = join(folder, 'as-root');
  const made = brings.map((name) => `cp '${folder}/apt-get' '${folder}/${name}'`);
  await put(
    'sudo',
    `#!/bin/sh
PATH=/usr/bin:/bin
test "$2" = true && exit 0
printf %s "$4" > '${noted}'
${made.join('\n')}
`,
  );
  await writeFile(join(folder, 'os-release'), 'NAME=x\nID=debian\n');
  return {
    machine: {
      ...(also === undefined ? {} : { also }),
      path: folder,
      osRelease: join(folder, 'os-release'),
      orthanc: undefined,
      uid: 1000,
    },
    ranAsRoot: () => {
      try {
        return readFileSync(noted, 'utf8');
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
        throw error;
      }
    },
  };
}

test('what is there is not installed, and nobody is asked for root', async () => {
  await using dir = await tempDir('setup');
  const { machine, ranAsRoot } = await machineWith(dir.path, [...orthancAndDcmtk, 'haproxy'], {
    brings: [],
    also: ['haproxy'],
  });
  await ensurePackages(machine);
  expect(ranAsRoot()).toBeNull();
});

test('an optional package is installed only for who asks for it', async () => {
  await using dir = await tempDir('setup');
  const { machine, ranAsRoot } = await machineWith(dir.path, orthancAndDcmtk, { brings: ['haproxy'] });
  await ensurePackages(machine);
  expect(ranAsRoot()).toBeNull();

  await ensurePackages({ ...machine, also: ['haproxy'] });
  expect(ranAsRoot()).toContain('install --yes --no-install-recommends haproxy ');
});

test('a browser is brought for the tests, and no service is switched off for it', async () => {
  await using dir = await tempDir('setup');
  const { machine, ranAsRoot } = await machineWith(dir.path, orthancAndDcmtk, {
    brings: ['chromium'],
    also: ['chromium'],
  });
  await ensurePackages(machine);
  expect(ranAsRoot()).toContain('install --yes --no-install-recommends chromium ');
  expect(ranAsRoot()).not.toContain('systemctl');
});

test('the service of a package is switched off by who brought it, and no other service is', async () => {
  await using dir = await tempDir('setup');
  const { machine, ranAsRoot } = await machineWith(dir.path, orthancAndDcmtk, {
    brings: ['haproxy'],
    also: ['haproxy'],
  });
  await ensurePackages(machine);
  const asRoot = ranAsRoot() ?? '';
  expect(asRoot).toContain('systemctl disable --now haproxy');
  expect(asRoot).toContain('/etc/init.d/haproxy stop');
  expect(asRoot).not.toContain('orthanc');
  expect(spawnSync('sh', ['-n'], { input: asRoot }).status).toBe(0);
});

test('Prometheus is there only with its promtool, and does not run as a service of the machine', async () => {
  await using dir = await tempDir('setup');
  const { machine, ranAsRoot } = await machineWith(dir.path, [...orthancAndDcmtk, 'prometheus'], {
    brings: ['promtool'],
    also: ['prometheus'],
  });
  await ensurePackages(machine);
  expect(ranAsRoot()).toContain('--no-install-recommends prometheus ');
  expect(ranAsRoot()).toContain('systemctl disable --now prometheus');
});

test('several are installed in one go, each service switched off', async () => {
  await using dir = await tempDir('setup');
  const { machine, ranAsRoot } = await machineWith(dir.path, [], {
    brings: [...orthancAndDcmtk, 'haproxy'],
    also: ['haproxy'],
  });
  await ensurePackages(machine);
  const asRoot = ranAsRoot() ?? '';
  expect(asRoot).toContain('--no-install-recommends orthanc dcmtk haproxy ');
  expect([...asRoot.matchAll(/systemctl disable --now (\S+)/g)].map(([, service]) => service)).toEqual([
    'orthanc',
    'haproxy',
  ]);
  expect(spawnSync('sh', ['-n'], { input: asRoot }).status).toBe(0);
});

test('what could not be installed is a complaint that says what to type', async () => {
  await using dir = await tempDir('setup');
  const { machine } = await machineWith(dir.path, orthancAndDcmtk, { brings: [], also: ['haproxy'] });
  await expect(ensurePackages(machine)).rejects.toThrow(
    /haproxy could not be installed .*install --no-install-recommends haproxy && sudo systemctl disable --now haproxy/s,
  );
});

test('a package nobody has heard of is a mistake in the script that asks for it', async () => {
  await using dir = await tempDir('setup');
  const { machine } = await machineWith(dir.path, orthancAndDcmtk, { brings: [] });
  await expect(ensurePackages({ ...machine, also: ['nginx'] })).rejects.toThrow(RangeError);
});
