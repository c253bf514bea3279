import type { Command } from 'commander';
import type { CliContext } from '../program.ts';
import { registerGenerate } from './generate.ts';
import { registerUp } from './up.ts';

/** In the order in which the help lists them. */
export const commands: readonly ((program: Command, context: CliContext) => void)[] = [
  registerUp,
  registerGenerate,
];
