import type { Command } from 'commander';
import type { CliContext } from '../program.ts';
import { registerAudit } from './audit.ts';
import { registerBackends } from './backends.ts';
import { registerBackup } from './backup.ts';
import { registerCheck } from './check.ts';
import { registerCompletion } from './completion.ts';
import { registerEvacuate } from './evacuate.ts';
import { registerEvents } from './events.ts';
import { registerExplain } from './explain.ts';
import { registerGenerate } from './generate.ts';
import { registerHeal } from './heal.ts';
import { registerHistory } from './history.ts';
import { registerLogLevel } from './log-level.ts';
import { registerPolicy } from './policy.ts';
import { registerQuarantine } from './quarantine.ts';
import { registerQueue } from './queue.ts';
import { registerRebind } from './rebind.ts';
import { registerReplay } from './replay.ts';
import { registerSend } from './send.ts';
import { registerShadow } from './shadow.ts';
import { registerSimulate } from './simulate.ts';
import { registerStatus } from './status.ts';
import { registerStudies } from './studies.ts';
import { registerTokens } from './tokens.ts';
import { registerUp } from './up.ts';
import { registerWhere } from './where.ts';

/** In the order in which the help lists them. */
export const commands: readonly ((program: Command, context: CliContext) => void)[] = [
  registerUp,
  registerStatus,
  registerWhere,
  registerExplain,
  registerSend,
  registerBackends,
  registerPolicy,
  registerStudies,
  registerQueue,
  registerQuarantine,
  registerRebind,
  registerHeal,
  registerEvacuate,
  registerShadow,
  registerReplay,
  registerHistory,
  registerEvents,
  registerAudit,
  registerTokens,
  registerLogLevel,
  registerBackup,
  registerCheck,
  registerGenerate,
  registerSimulate,
  registerCompletion,
];
