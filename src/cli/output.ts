import { stripVTControlCharacters } from 'node:util';
import Table from 'cli-table3';
import pc from 'picocolors';

export { UserError } from '../user-error.ts';

type Colours = ReturnType<typeof pc.createColors>;

/** What a command writes to: answers on standard output, progress and remarks on standard error. */
export interface Output {
  /** Standard output is a person's terminal: colours and progress bars make sense. */
  readonly tty: boolean;
  /** Does nothing where colours are not wanted. */
  readonly colour: Colours;
  /** Columns a line may fill. */
  readonly width: number;
  /** One or more lines of the answer. */
  line(text?: string): void;
  /** A remark that is no part of the answer. */
  note(text: string): void;
  /** The answer for programs: one JSON document. */
  json(value: unknown): void;
  /** The answer for people; the columns named in `right` (counted from 0) are numbers. */
  table(
    head: readonly string[],
    rows: readonly (readonly (string | number | null)[])[],
    options?: TableOptions,
  ): void;
}

export interface TableOptions {
  /** Columns to be aligned to the right, counted from 0. */
  readonly right?: readonly number[];
}

/** Where lines go; a real terminal or a test's buffer. */
export interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/**
 * NO_COLOR and FORCE_COLOR are honoured, as everywhere. Tables are never wider than 80 columns, also on a wide terminal:
 * they are meant to be pasted into mails and tickets.
 */
export function createOutput(stdout: Sink, stderr: Sink, env: NodeJS.ProcessEnv): Output {
  const tty = stdout.isTTY === true;
  const set = (name: string): boolean => env[name] !== undefined && env[name] !== '';
  const colourful = set('FORCE_COLOR')
    ? env['FORCE_COLOR'] !== '0'
    : tty && !set('NO_COLOR') && env['TERM'] !== 'dumb';
  const colour = pc.createColors(colourful);
  const width = Math.max(40, Math.min(80, stdout.columns ?? 80));
  return {
    tty,
    colour,
    width,
    line: (text = '') => void stdout.write(`${text}\n`),
    note: (text) => void stderr.write(`${text}\n`),
    json: (value) => void stdout.write(`${JSON.stringify(value, null, 2)}\n`),
    table(head, rows, options = {}) {
      const cells = rows.map((row) => head.map((_, column) => oneLine(row[column])));
      stdout.write(`${renderTable(head, cells, { width, colour, right: options.right ?? [] })}\n`);
    },
  };
}

const gap = 2;

/** Any but the beginning of a colour. */
const controlCharacter = new RegExp(`(?!${String.fromCodePoint(27)}\\[[\\d;]*m)\\p{Cc}`, 'gu');

function renderTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  look: { readonly width: number; readonly colour: Colours; readonly right: readonly number[] },
): string {
  const widths = fitColumns([head, ...rows], look.width);
  const nothing = {
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
  };
  const table = new Table({
    chars: {
      ...nothing,
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: '',
    },
    style: { 'padding-left': 0, 'padding-right': gap, head: [], border: [] },
    colWidths: widths.map((width) => width + gap),
    colAligns: head.map((_, column) => (look.right.includes(column) ? 'right' : 'left')),
  });
  // Words are kept whole where they fit; a UID that does not is broken anywhere rather than cut off: it is there to be copied.
  const cell = (text: string, column: number, paint: (text: string) => string) => ({
    content: paint(text),
    wordWrap: true,
    wrapOnWordBoundary: longestWord(text) <= (widths[column] ?? 0),
  });
  table.push(head.map((text, column) => cell(text, column, look.colour.bold)));
  for (const row of rows) table.push(row.map((text, column) => cell(text, column, (plain) => plain)));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Widths of all columns; where they do not fit side by side, the widest gives way first. */
function fitColumns(rows: readonly (readonly string[])[], width: number): number[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(1, ...rows.map((row) => stripVTControlCharacters(row[column] ?? '').length)),
  );
  const total = () => widths.reduce((sum, each) => sum + each + gap, -gap);
  while (total() > width) {
    const widest = widths.indexOf(Math.max(...widths));
    const now = widths[widest];
    if (now === undefined || now <= 4) break;
    widths[widest] = now - 1;
  }
  return widths;
}

/** A cell never holds control characters: a station's name must not be able to move the cursor. Own colours stay. */
function oneLine(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  const text = typeof value === 'number' ? value.toLocaleString('en-US') : value;
  return text.replaceAll(controlCharacter, ' ');
}

function longestWord(text: string): number {
  return Math.max(
    0,
    ...stripVTControlCharacters(text)
      .split(/\s+/)
      .map((word) => word.length),
  );
}
