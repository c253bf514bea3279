import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * Sends every file below a folder over one association with storescu. It runs at low priority: in life a modality is
 * another machine, and does not take the CPU from what is measured.
 *
 * @throws when not every file was acknowledged, with storescu's last words.
 */
export async function sendFolder(folder: string, port: number): Promise<void> {
  const child = spawn(
    'nice',
    ['-n', '19', 'storescu', '+sd', '+r', '-aec', 'ANY', '127.0.0.1', String(port), folder],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, TCP_NODELAY: '1' } },
  );
  let words = '';
  child.stderr.on('data', (bytes: Buffer) => {
    words = (words + bytes.toString('utf8')).slice(-2000);
  });
  await once(child, 'exit');
  if (child.exitCode !== 0) throw new Error(`storescu of ${folder} ended with ${child.exitCode}: ${words}`);
}
