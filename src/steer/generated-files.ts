import { type GeneratedFiles, generateFiles } from '../generate/generate.ts';
import { rewriteGenerated } from '../generate/write.ts';
import type { Logger } from '../log.ts';
import { readTopologyText, TopologyFileError } from '../topology/file.ts';
import { parseTopology } from '../topology/load.ts';
import { TopologyError } from '../topology/problems.ts';
import type { Variables } from '../topology/variables.ts';
import { systemCode } from '../user-error.ts';

/** Where the topology of a running service came from. */
export interface TopologySource {
  readonly file: string;
  readonly variables: Variables;
  /** Folder the generated files count from. */
  readonly generatedRoot: string;
}

export interface FollowingFiles {
  /** The topology file was changed. Never throws: the fronts that run are put right in any case. */
  follow(): void;
}

/**
 * The generated files, where they are this service's to keep: those that were as the topology said before it was changed. So a front
 * that is started anew has the peers of now, and `dde generate --check` finds nothing.
 */
export function createGeneratedFiles(source: TopologySource, log: Logger): FollowingFiles {
  const { file, variables, generatedRoot } = source;
  let before = filesNow();

  function filesNow(): GeneratedFiles | null {
    try {
      return generateFiles(parseTopology(file, readTopologyText(file).text, variables, 'generate'));
    } catch (error) {
      // What is wrong with it is said where it is read for the service.
      if (error instanceof TopologyError || error instanceof TopologyFileError) return null;
      throw error;
    }
  }

  return {
    follow() {
      const after = filesNow();
      if (after === null) return;
      try {
        const written = before === null ? [] : rewriteGenerated(generatedRoot, before, after);
        if (written.length > 0) log.info('generated files brought up to date', { files: written.join(', ') });
      } catch (error) {
        const code = systemCode(error);
        if (code === null) throw error;
        log.warn('generated files could not be brought up to date; "dde generate" does it', { code });
      }
      before = after;
    },
  };
}
