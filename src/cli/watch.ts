import { setTimeout as wait } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import {
  connectService,
  ServiceAway,
  type ServiceClient,
  type ServiceOptions,
  withServiceOptions,
} from './client.ts';
import { folded, localTime } from './format.ts';
import type { Output } from './output.ts';
import type { CliContext } from './program.ts';
import { openScreen } from './screen.ts';

export interface WatchOptions extends ServiceOptions {
  readonly watch?: boolean;
  /** Seconds. */
  readonly interval: number;
}

/** Something that can be asked for once, or again and again. */
export interface View<T> {
  ask(service: ServiceClient): Promise<T>;
  print(value: T, out: Output): void;
  /** What programs get; by default the value as it is. */
  json?(value: T): unknown;
}

/** Gives a command `--watch` and `--interval`, beside what every command has that asks the service. */
export function withWatchOptions(command: Command): Command {
  return withServiceOptions(command)
    .option('-w, --watch', 'show it again and again, until Ctrl-C; with --json one line each time')
    .option('--interval <seconds>', 'time between two looks, 0.2 to 3600', secondsOf, 2);
}

function secondsOf(text: string): number {
  const seconds = Number(text);
  if (text.trim() !== '' && seconds >= 0.2 && seconds <= 3600) return seconds;
  throw new InvalidArgumentError('It must be a number of seconds from 0.2 to 3600.');
}

/**
 * Asks and shows, once or until the person has seen enough. While it is watched, a service that is away is waited for: somebody who
 * watches a restart wants to see its end.
 *
 * @throws what `ask` throws; while watching, not ServiceAway
 */
export async function show<T>(context: CliContext, options: WatchOptions, view: View<T>): Promise<void> {
  const service = connectService(context, options);
  if (options.watch === true)
    await context.untilStopped((stopped) => watch(context, service, options, view, stopped));
  else {
    const value = await view.ask(service);
    if (options.json === true) context.out.json(view.json?.(value) ?? value);
    else view.print(value, context.out);
  }
}

async function watch<T>(
  context: CliContext,
  service: ServiceClient,
  { json, interval }: WatchOptions,
  view: View<T>,
  stopped: AbortSignal,
): Promise<void> {
  const { out } = context;
  const screen = json === true ? null : openScreen(out);
  try {
    while (!stopped.aborted) {
      try {
        const value = await view.ask(service);
        if (json === true) out.jsonLine(view.json?.(value) ?? value);
        else screen?.show((frame) => view.print(value, frame), heading());
      } catch (error) {
        if (!(error instanceof ServiceAway)) throw error;
        if (screen === null) out.note(error.message);
        else
          screen.show((frame) => frame.line(frame.colour.red(folded(error.message, frame.width))), heading());
      }
      await pause(interval * 1000, stopped);
    }
  } finally {
    screen?.close();
  }
}

function heading(): string {
  return localTime(new Date().toISOString());
}

/** Ends early, without a word, when it is time to stop. */
export async function pause(ms: number, stopped: AbortSignal): Promise<void> {
  try {
    await wait(ms, undefined, { signal: stopped });
  } catch (error) {
    if (!stopped.aborted) throw error;
  }
}
