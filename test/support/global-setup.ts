import { spawnSync } from 'node:child_process';
import { orthancCommand, orthancVersion } from './orthanc-process.ts';
import { openTempRoot } from './temp.ts';

/** Before the first test: what the tests need is there, or one sentence says what is missing. */
export default function setUp(): () => void {
  for (const tool of ['storescu', 'dcmsend']) {
    if (spawnSync(tool, ['--version']).error) {
      throw new Error(`DCMTK's ${tool} is missing: "apt-get install dcmtk" brings it`);
    }
  }
  if (spawnSync('setpriv', ['--version']).error) {
    throw new Error('setpriv is missing: "apt-get install util-linux" brings it');
  }
  process.stdout.write(`Orthanc under test: ${orthancVersion()} (${orthancCommand()})\n`);
  return openTempRoot();
}
