import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// Half of what a command takes is reading its own code. Not in the folder for temporary files, where others could put theirs;
// where it cannot be written everything works as without.
enableCompileCache(join(import.meta.dirname, '../../node_modules/.cache/dde'));
const { run } = await import('./program.ts');

// `dde studies | head`: whoever reads has had enough, which is no failure of ours and needs no trace.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(process.exitCode ?? 0);
});

// The exit code is set, not forced: what is still being written to a pipe arrives.
process.exitCode = await run(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  onStop(stop) {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
    return () => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop);
    };
  },
});
