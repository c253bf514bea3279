import { setTimeout as wait } from 'node:timers/promises';
import { MultiBar, Presets } from 'cli-progress';
import type { Command } from 'commander';
import {
  type EvacuationAnswer,
  evacuationAnswer,
  leastBytesPerSecond,
} from '../../admin/failover-schemas.ts';
import { parseRate, rateForm } from '../../topology/units.ts';
import { UserError } from '../../user-error.ts';
import {
  connectService,
  ServiceAway,
  type ServiceClient,
  type ServiceOptions,
  withServiceOptions,
} from '../client.ts';
import { counted, folded, size } from '../format.ts';
import type { CliContext } from '../program.ts';
import { ServiceError } from '../service-error.ts';

interface EvacuateOptions extends ServiceOptions {
  readonly to?: string;
  readonly rate?: string;
  readonly detach?: boolean;
  readonly cancel?: boolean;
}

const pollMs = 1_000;
/** A service that is being started anew is waited for; one that stays away for longer is said to be. */
const awayMs = 60_000;

export function registerEvacuate(program: Command, context: CliContext): void {
  withServiceOptions(program.command('evacuate <backend>'))
    .summary('move everything a backend holds elsewhere')
    .description('move everything a backend holds elsewhere, each study proven before it is deleted there')
    .option('--to <backend>', 'where to; default: the policy chooses, study by study')
    .option('--rate <rate>', 'what copying may use at most, such as 20MB/s; "none": no limit')
    .option('--detach', 'begin, and do not wait for the end')
    .option('--cancel', 'stop after what is under way; what was moved stays moved')
    .addHelpText(
      'after',
      [
        '',
        'It goes on in the service, also after a restart: Ctrl-C only ends the watching,',
        'and the same command watches it again. With --to or --rate one that is under way',
        'goes on with these.',
        '',
        'Examples:',
        '  dde evacuate orthanc1',
        '  dde evacuate orthanc1 --to orthanc2 --rate 20MB/s --detach',
        '  dde evacuate orthanc1 --cancel',
      ].join('\n'),
    )
    .action(async (backend: string, options: EvacuateOptions) => {
      const { out } = context;
      const settings = settingsOf(options);
      const service = connectService(context, options);
      const path = `/api/v1/backends/${encodeURIComponent(backend)}/evacuation`;
      if (options.cancel === true) {
        const stopped = await service.delete(path, evacuationAnswer);
        if (options.json === true) out.json(stopped);
        else out.line(folded(outcome(stopped), out.width));
        return;
      }
      const before = await known(service, path);
      const begun =
        before?.state === 'running' && Object.keys(settings).length === 0
          ? before
          : await service.post(path, evacuationAnswer, settings);
      const end =
        options.detach === true ? begun : await watch(service, path, begun, context, options.json === true);
      if (end.state === 'stopped') context.exitWith(1);
      if (options.json === true) out.json(end);
      else out.line(folded(outcome(end), out.width));
    });
}

/** What was said, and nothing of what was not: an evacuation under way keeps that. */
function settingsOf(options: EvacuateOptions): { target?: string; bytesPerSecond?: number | null } {
  const { to, rate, cancel, detach } = options;
  if (cancel === true && (to !== undefined || rate !== undefined || detach === true)) {
    throw new UserError('--cancel stands alone: it stops the evacuation.');
  }
  const bytesPerSecond = rate === undefined || rate === 'none' ? null : parseRate(rate);
  if (rate !== undefined && rate !== 'none' && bytesPerSecond === null) {
    throw new UserError(`--rate is "${rate}", but must be ${rateForm}, or "none".`);
  }
  if (bytesPerSecond !== null && bytesPerSecond < leastBytesPerSecond) {
    throw new UserError(
      `--rate is "${rate}", but must be at least ${size(leastBytesPerSecond)}/s, or "none".`,
    );
  }
  return {
    ...(to === undefined ? {} : { target: to }),
    ...(rate === undefined ? {} : { bytesPerSecond }),
  };
}

async function known(service: ServiceClient, path: string): Promise<EvacuationAnswer | null> {
  try {
    return await service.get(path, evacuationAnswer);
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'no-evacuation') return null;
    throw error;
  }
}

/** Asks until it is over. */
async function watch(
  service: ServiceClient,
  path: string,
  begun: EvacuationAnswer,
  { out }: CliContext,
  json: boolean,
): Promise<EvacuationAnswer> {
  if (begun.state !== 'running') return begun;
  const { backend } = begun;
  out.note(
    folded(
      `${backend} is being evacuated. Ctrl-C ends the watching only; "dde evacuate ${backend} --cancel" stops it.`,
      out.width,
    ),
  );
  const progress = out.tty && !json ? drawnProgress(begun) : writtenProgress(out);
  const said = new Set<string>();
  let now = begun;
  let awaySince: number | null = null;
  try {
    while (now.state === 'running') {
      await wait(pollMs);
      try {
        now = await service.get(path, evacuationAnswer);
        awaySince = null;
      } catch (error) {
        if (!(error instanceof ServiceAway)) throw error;
        awaySince ??= performance.now();
        if (performance.now() - awaySince > awayMs) throw error;
        continue;
      }
      progress.show(now);
      // Reasons come and go with each study; the same one again is no news.
      if (now.waiting === null || said.has(now.waiting)) continue;
      said.add(now.waiting);
      progress.say(folded(`It waits: ${now.waiting}`, out.width));
    }
    return now;
  } finally {
    progress.end();
  }
}

interface Progress {
  show(evacuation: EvacuationAnswer): void;
  say(text: string): void;
  end(): void;
}

/** A bar of several, because only those can say something above themselves. */
function drawnProgress(begun: EvacuationAnswer): Progress {
  const bars = new MultiBar(
    {
      format: '{bar} {value}/{total} studies, {moved}',
      barsize: 30,
      // Ctrl-C must end this process, and leave the terminal as it was.
      gracefulExit: false,
      linewrap: true,
      hideCursor: false,
    },
    Presets.shades_classic,
  );
  const moved = ({ movedBytes }: EvacuationAnswer) => ({ moved: size(movedBytes) ?? '' });
  const bar = bars.create(begun.studies, begun.moved, moved(begun));
  return {
    show(now) {
      bar.setTotal(Math.max(now.studies, now.moved));
      bar.update(now.moved, moved(now));
    },
    say: (text) => bars.log(`${text}\n`),
    end: () => bars.stop(),
  };
}

/** For logs and pipes: what keeps it waiting, and nothing that moves. */
function writtenProgress(out: CliContext['out']): Progress {
  return { show: () => undefined, say: (text) => out.note(text), end: () => undefined };
}

function outcome(evacuation: EvacuationAnswer): string {
  const { backend, moved, studies } = evacuation;
  const figures = `${counted(moved, 'study', 'studies')} moved (${counted(evacuation.movedInstances, 'image')}, ${size(evacuation.movedBytes)})`;
  switch (evacuation.state) {
    case 'done':
      return `${backend} is empty: ${figures}. It takes no new studies; "dde backends ready ${backend}" takes it back, or take it out of the topology.`;
    case 'stopped':
      return `The evacuation of ${backend} is stopped: ${figures} of ${studies}. It still takes no new studies; "dde backends ready ${backend}" takes it back.`;
    case 'running':
      return `${backend} is being evacuated: ${figures} of ${studies}${evacuation.waiting === null ? '' : `; it waits: ${evacuation.waiting}`}. "dde evacuate ${backend}" watches it.`;
  }
}
