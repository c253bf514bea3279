#!/usr/bin/env node
import { join } from 'node:path';
import { runScript } from './setup/complaint.mjs';
import { ensureDashboard } from './setup/dashboard.mjs';
import { ensureDependencies, projectEnvironment } from './setup/dependencies.mjs';
import { inPlace, project } from './setup/run.mjs';

// The `dde` command, on whatever Node it is called with: hands over to the project's own.
await runScript(async () => {
  const node = await ensureDependencies(project);
  // The one command that serves the dashboard.
  if (process.argv[2] === 'up') await ensureDashboard(project, node);
  const dde = join(project, 'src', 'cli', 'dde.ts');
  return inPlace(node, [dde, ...process.argv.slice(2)], { env: projectEnvironment() });
});
