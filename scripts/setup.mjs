import { runScript } from './setup/complaint.mjs';
import { ensureDashboard } from './setup/dashboard.mjs';
import { ensurePackages } from './setup/debian.mjs';
import { ensureDependencies } from './setup/dependencies.mjs';
import { project } from './setup/run.mjs';

// `npm run setup`: all that `npm start` sets up, and nothing is started. For an installation that something else runs.
await runScript(async () => {
  const node = await ensureDependencies(project);
  await ensurePackages();
  await ensureDashboard(project, node);
  return 0;
});
