import { Writable } from 'node:stream';
import winston from 'winston';
import type { LogFormat, LogLevel } from './log-levels.ts';
import { systemCode } from './user-error.ts';

export type { Logger } from 'winston';

/**
 * One line an event. Lines carry UIDs, AE titles, modality and station as fields, never a patient's name or id: callers
 * hand over fields they know, not whole data sets. What concerns one study has its UID as `study`, what concerns one transfer its number as
 * `transfer`.
 *
 * A line that cannot be written, such as on a full disk, is lost; that there were some is said as soon as one can be written again.
 * Nobody who logs ever hears of it: images are worth more than lines about them.
 */
export function createLogger(options: {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Default: standard error, so that what a command prints stays clean. */
  readonly stream?: NodeJS.WritableStream;
}): winston.Logger {
  const { combine, timestamp, json, printf, errors } = winston.format;
  const readable = printf(({ timestamp: at, level, message, ...fields }) => {
    const rest = Object.entries(fields)
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([key, value]) => `${key}=${printable(value)}`)
      .join(' ');
    return `${String(at)} ${level.padEnd(5)} ${String(message)}${rest === '' ? '' : `  ${rest}`}`;
  });
  const logger = winston.createLogger({
    level: options.level,
    format: combine(errors({ stack: false }), timestamp(), options.format === 'json' ? json() : readable),
    transports: [
      new winston.transports.Stream({
        stream: forgiving(options.stream ?? process.stderr, (lines, code) =>
          logger.warn('lines of this log could not be written', { lines, code }),
        ),
      }),
    ],
  });
  return logger;
}

/** Writes on to the stream; a failure is counted instead of ending the process, and told after the next success. */
function forgiving(
  stream: NodeJS.WritableStream,
  afterwards: (lost: number, code: string | null) => void,
): Writable {
  let lost = 0;
  let code: string | null = null;
  // Each failure is heard of by the callback below; without a listener it would end the process as well.
  stream.on('error', () => undefined);
  return new Writable({
    decodeStrings: false,
    write(line: string, encoding, done) {
      // What failed may have been written in part.
      stream.write(lost > 0 ? `\n${line}` : line, encoding, (error) => {
        if (error == null) {
          const before = { lost, code };
          lost = 0;
          // Not in the midst of this write: it writes itself.
          if (before.lost > 0) setImmediate(() => afterwards(before.lost, before.code));
        } else {
          lost++;
          code = systemCode(error);
        }
        done();
      });
    },
  });
}

/** Values from outside (a station's name, an AE title) must not be able to forge a second line. */
function printable(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[\w.:/@+-]+$/.test(text) ? text : JSON.stringify(text);
}

/** The field of a line about one study, or about several: each of their UIDs is to be found. */
export function studiesIn(
  things: readonly { readonly studyUid: string }[],
): { readonly study: string } | { readonly studies: readonly string[] } {
  const studies = [...new Set(things.map(({ studyUid }) => studyUid))];
  const [study] = studies;
  return study !== undefined && studies.length === 1 ? { study } : { studies };
}

/** For components whose caller wants no log, such as tests of pure parts. */
export function silentLogger(): winston.Logger {
  return winston.createLogger({
    silent: true,
    transports: [new winston.transports.Console({ silent: true })],
  });
}
