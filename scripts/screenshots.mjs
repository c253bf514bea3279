import { join } from 'node:path';
import { runScript } from './setup/complaint.mjs';
import { ensureDashboard } from './setup/dashboard.mjs';
import { ensurePackages } from './setup/debian.mjs';
import { ensureDependencies, projectEnvironment } from './setup/dependencies.mjs';
import { inPlace, project } from './setup/run.mjs';

// `npm run screenshots`: everything that is missing, then the pictures of docs/images, of a real farm.
await runScript(async () => {
  const node = await ensureDependencies(project);
  await ensurePackages({ also: ['chromium'] });
  await ensureDashboard(project, node);
  return inPlace(node, [join(project, 'scripts', 'screenshots', 'take.ts'), ...process.argv.slice(2)], {
    env: projectEnvironment(),
  });
});
