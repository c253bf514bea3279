import winston from 'winston';

export type { Logger } from 'winston';

export const logLevels = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];
export type LogFormat = 'text' | 'json';

/**
 * One line an event. Lines carry UIDs, AE titles, modality and station as fields, never a patient's name or id: callers
 * hand over fields they know, not whole data sets.
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
  return winston.createLogger({
    level: options.level,
    format: combine(errors({ stack: false }), timestamp(), options.format === 'json' ? json() : readable),
    transports: [new winston.transports.Stream({ stream: options.stream ?? process.stderr })],
  });
}

/** Values from outside (a station's name, an AE title) must not be able to forge a second line. */
function printable(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[\w.:/@+-]+$/.test(text) ? text : JSON.stringify(text);
}

/** For components whose caller wants no log, such as tests of pure parts. */
export function silentLogger(): winston.Logger {
  return winston.createLogger({
    silent: true,
    transports: [new winston.transports.Console({ silent: true })],
  });
}
