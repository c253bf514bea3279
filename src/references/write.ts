import { join } from 'node:path';
import { staleFiles, writeGenerated } from '../generate/write.ts';
import { references } from './references.ts';

// `npm run references`: writes what of the documentation follows from the code; with --check it only says what is stale.
const root = join(import.meta.dirname, '../..');
const files = await references(root);
if (process.argv.includes('--check')) {
  const stale = staleFiles(root, files);
  for (const file of stale) process.stdout.write(`${file} is stale; run "npm run references"\n`);
  process.exitCode = stale.length === 0 ? 0 : 1;
} else {
  for (const file of writeGenerated(root, files)) process.stdout.write(`wrote ${file}\n`);
}
