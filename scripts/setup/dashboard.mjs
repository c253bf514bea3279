import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Complaint } from './complaint.mjs';
import { step } from './progress.mjs';
import { capture } from './run.mjs';

/**
 * Builds the dashboard of web/ into web/dist unless it is there and made from these very sources. It is built beside and then put in
 * its place with one rename, so that nobody is served half of it.
 *
 * @param {string} project folder with package.json.
 * @param {string} node the project's own Node.
 * @returns {Promise<boolean>} whether it was built.
 * @throws {Complaint} when it cannot be built.
 */
export async function ensureDashboard(project, node) {
  const web = join(project, 'web');
  const dist = join(web, 'dist');
  const stamp = sourcesStamp(project);
  if (isFrom(dist, stamp)) return false;
  await step('Building the dashboard', async () => {
    const made = join(web, `dist.${process.pid}`);
    const old = `${made}.old`;
    try {
      const vite = join(project, 'node_modules', 'vite', 'bin', 'vite.js');
      const { code, output } = await capture(node, [vite, 'build', web, '--outDir', made, '--emptyOutDir']);
      if (code !== 0)
        throw new Complaint(`The dashboard could not be built (exit code ${code}):\n${output.trim()}`);
      writeFileSync(join(made, '.sources'), stamp);
      if (existsSync(dist)) renameSync(dist, old);
      renameSync(made, dist);
    } finally {
      for (const folder of [made, old]) rmSync(folder, { recursive: true, force: true });
    }
  });
  return true;
}

function isFrom(dist, stamp) {
  const file = join(dist, '.sources');
  return existsSync(file) && readFileSync(file, 'utf8') === stamp;
}

/** One hash over everything the dashboard is made from: its sources by name and content, and the packages by the lock file. */
function sourcesStamp(project) {
  const hash = createHash('sha256');
  hash.update(readFileSync(join(project, 'package-lock.json')));
  const files = readdirSync(join(project, 'web'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !file.startsWith(join(project, 'web', 'dist')))
    .sort();
  for (const file of files) {
    hash.update(`\0${file.slice(project.length)}\0`);
    hash.update(readFileSync(file));
  }
  return hash.digest('hex');
}
