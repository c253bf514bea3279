import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { orthancCommand, orthancVersion } from './orthanc-process.ts';
import { openTempRoot } from './temp.ts';

// Plain JavaScript that runs before there are any dependencies: it has no types to import.
const script = new URL('../../scripts/setup/dashboard.mjs', import.meta.url).href;
const project = fileURLToPath(new URL('../..', import.meta.url));

/** Before the first test: what the tests need is there, or one sentence says what is missing. */
export default async function setUp(): Promise<() => void> {
  for (const tool of ['storescu', 'dcmsend']) {
    if (spawnSync(tool, ['--version']).error) {
      throw new Error(`DCMTK's ${tool} is missing: "apt-get install dcmtk" brings it`);
    }
  }
  if (spawnSync('setpriv', ['--version']).error) {
    throw new Error('setpriv is missing: "apt-get install util-linux" brings it');
  }
  const { ensureDashboard } = (await import(script)) as {
    ensureDashboard: (folder: string, node: string) => Promise<boolean>;
  };
  await ensureDashboard(project, process.execPath);
  process.stdout.write(`Orthanc under test: ${orthancVersion()} (${orthancCommand()})\n`);
  return openTempRoot();
}
