import { join } from 'node:path';
import { runScript } from './setup/complaint.mjs';
import { ensureDashboard } from './setup/dashboard.mjs';
import { ensurePackages } from './setup/debian.mjs';
import { ensureDependencies, projectEnvironment } from './setup/dependencies.mjs';
import { inPlace, project } from './setup/run.mjs';

// `npm start`: everything that is missing, then the local farm in the foreground.
await runScript(async () => {
  const node = await ensureDependencies(project);
  await ensurePackages();
  await ensureDashboard(project, node);
  const dde = join(project, 'src', 'cli', 'dde.ts');
  return inPlace(node, [dde, 'up', ...process.argv.slice(2)], { env: projectEnvironment() });
});
