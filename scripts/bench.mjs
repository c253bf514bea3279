import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Complaint, runScript } from './setup/complaint.mjs';
import { ensureDashboard } from './setup/dashboard.mjs';
import { ensurePackages } from './setup/debian.mjs';
import { ensureDependencies, projectEnvironment } from './setup/dependencies.mjs';
import { inPlace, project } from './setup/run.mjs';

/** What a bench needs beside what the project itself does: what it compares with, or looks through. */
const alsoNeeded = { throughput: ['haproxy'], dashboard: ['chromium'] };

// `npm run bench`: everything that is missing, then the bench that is named, in our place and with the other arguments.
await runScript(async () => {
  const [name = '', ...args] = process.argv.slice(2);
  const bench = join(project, 'bench', `${name}.ts`);
  if (!/^\w+$/.test(name) || !existsSync(bench)) throw new Complaint(`There is no bench "${name}".`);
  const node = await ensureDependencies(project);
  await ensurePackages({ also: alsoNeeded[name] ?? [] });
  if (name === 'dashboard') await ensureDashboard(project, node);
  return inPlace(node, [bench, ...args], { env: projectEnvironment() });
});
