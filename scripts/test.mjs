import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runScript } from './setup/complaint.mjs';
import { ensureDashboard } from './setup/dashboard.mjs';
import { ensurePackages } from './setup/debian.mjs';
import { ensureDependencies, projectEnvironment } from './setup/dependencies.mjs';
import { inPlace, project } from './setup/run.mjs';

// `npm test`: everything that is missing, then types, lint, format, tests; arguments go to vitest.
await runScript(async () => {
  const node = await ensureDependencies(project);
  await ensurePackages({ also: ['chromium', 'prometheus'] });
  await ensureDashboard(project, node);
  const checks = [
    ['Types', 'tsc', ['--noEmit', '-p', '.']],
    ['Types of the dashboard', 'tsc', ['--noEmit', '-p', 'web']],
    ['Lint', 'oxlint', ['--type-aware']],
    ['Format', 'biome', ['check']],
  ];
  for (const [name, program, args] of checks) {
    const code = await timed(name, program, args);
    if (code !== 0) return code;
  }
  const folder = mkdtempSync(join(tmpdir(), 'dde-test-'));
  try {
    const report = join(folder, 'report.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const code = await timed('Tests', 'vitest', ['run', ...reporters, ...process.argv.slice(2)]);
    const { passed, failed, skipped } = count(report);
    console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
    return code === 0 && failed > 0 ? 1 : code;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

async function timed(name, program, args) {
  const begun = Date.now();
  const code = await inPlace(join(project, 'node_modules', '.bin', program), args, {
    cwd: project,
    env: projectEnvironment(),
  });
  const seconds = ((Date.now() - begun) / 1000).toFixed(1);
  console.log(`${name}: ${code === 0 ? 'passed' : `failed with exit code ${code}`} in ${seconds} s`);
  return code;
}

/** A file that could not even be loaded has no tests to count; it counts as one that failed. No report: nothing ran. */
function count(file) {
  let report;
  try {
    report = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    console.log(`There is no report of the tests: ${error.message}`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const broken = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}
