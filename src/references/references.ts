import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GeneratedFiles } from '../generate/write.ts';
import { usageOf, withUsage } from './command-usage.ts';
import { between } from './markers.ts';
import { keysReference } from './topology-keys.ts';
import { topologyJsonSchema } from './topology-schema.ts';

/** Where this project's own reference files stand; of the Markdown ones only what is between marks is made. */
export const referenceFiles = {
  topologySchema: 'orthanc-config/topology.schema.json',
  topology: 'docs/topology.md',
  commands: 'docs/cli.md',
} as const;

/**
 * What of the documentation follows from the code, as it should be: the keys of the topology, its JSON Schema, the usage of every
 * command. The text around it is a person's, and kept.
 *
 * @param root the project's folder
 * @throws Error when a file that is to be completed is not there or has lost its marks
 */
export async function references(root: string): Promise<GeneratedFiles> {
  const read = (path: string): string => readFileSync(join(root, path), 'utf8');
  const { topologySchema, topology, commands } = referenceFiles;
  return new Map([
    [topologySchema, topologyJsonSchema()],
    [topology, between(read(topology), 'keys', keysReference())],
    [commands, withUsage(read(commands), await usageOf())],
  ]);
}
