import { basename, dirname, join, relative } from 'node:path';
import type { Environment } from '../environment.ts';
import { generateFiles } from '../generate/generate.ts';
import { staleFiles, writeGenerated } from '../generate/write.ts';
import { loadTopology } from '../topology/load.ts';
import { UserError } from '../user-error.ts';
import { whyNot } from './secrets.ts';

/** The files that follow from the topology: what they should be, against what is there. */
export interface GeneratedFiles {
  /** As a person would type it. */
  readonly topologyFile: string;
  readonly count: number;
  /** Paths, relative to `root`, of files that are missing or not what the topology says. */
  stale(): readonly string[];
  /** Writes those and no others; returns their paths. */
  write(): readonly string[];
}

/** @throws TopologyError with every mistake in the topology. */
export function prepareFiles(environment: Environment): GeneratedFiles {
  const topology = loadTopology(environment.topologyFile, environment.variables, 'generate');
  const files = generateFiles(topology);
  const root = generatedRoot(environment);
  const attempt = <T>(step: () => T): T => {
    try {
      return step();
    } catch (error) {
      throw new UserError(
        `The files generated from the topology cannot be written below ${root}: ${whyNot(error)}`,
        {
          cause: error,
        },
      );
    }
  };
  return {
    topologyFile: relative(process.cwd(), environment.topologyFile),
    count: files.size,
    stale: () => attempt(() => staleFiles(root, files)),
    write: () => attempt(() => writeGenerated(root, files)),
  };
}

/**
 * The folder the generated paths count from. A topology in a folder `orthanc-config` has them beside it, as committed. One
 * that lies elsewhere was not meant to change this project's files, so they go to its state.
 */
export function generatedRoot(environment: Environment): string {
  const folder = dirname(environment.topologyFile);
  return basename(folder) === 'orthanc-config' ? dirname(folder) : join(environment.home, 'generated');
}
