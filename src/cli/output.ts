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
  /** Lines the terminal shows; null where there is none. */
  readonly height: number | null;
  /** One or more lines of the answer. */
  line(text?: string): void;
  /** A remark that is no part of the answer. */
  note(text: string): void;
  /** The answer for programs: one JSON document. */
  json(value: unknown): void;
  /** One JSON document a line, for answers that have no end. */
  jsonLine(value: unknown): void;
  /** As it is, for what moves on a terminal and for documents that are written bit by bit. */
  raw(text: string): void;
  /** An output of the same look that is kept as text, as wide as the terminal is now. */
  frame(): { readonly out: Output; readonly text: () => string };
  /** The answer for people. Returns how wide each column has become. */
  table(
    head: readonly string[],
    rows: readonly (readonly (string | number | null)[])[],
    options?: TableOptions,
  ): readonly number[];
}

export interface TableOptions {
  /** Columns to be aligned to the right, counted from 0. */
  readonly right?: readonly number[];
  /** The table goes on from one with these widths: no heading, and no column narrower. */
  readonly after?: readonly number[];
}

/** Where lines go; a real terminal or a test's buffer. */
export interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

/**
 * NO_COLOR and FORCE_COLOR are honoured, as everywhere. A terminal's width is used; what goes into a file or a pipe is 80 columns
 * wide, or as COLUMNS says, so that it can be pasted into mails and tickets.
 */
export function createOutput(stdout: Sink, stderr: Sink, env: NodeJS.ProcessEnv): Output {
  const tty = stdout.isTTY === true;
  const set = (name: string): boolean => env[name] !== undefined && env[name] !== '';
  const colourful = set('FORCE_COLOR')
    ? env['FORCE_COLOR'] !== '0'
    : tty && !set('NO_COLOR') && env['TERM'] !== 'dumb';
  const colour = pc.createColors(colourful);
  const width = widthOf(stdout, env, tty);
  const write = (text: string): void => void stdout.write(text);
  return {
    tty,
    colour,
    width,
    height: tty ? (stdout.rows ?? null) : null,
    line: (text = '') => write(`${text}\n`),
    note: (text) => void stderr.write(`${text}\n`),
    json: (value) => write(`${JSON.stringify(value, null, 2)}\n`),
    jsonLine: (value) => write(`${JSON.stringify(value)}\n`),
    raw: write,
    frame() {
      let text = '';
      const sink: Sink = {
        write: (some) => (text += some),
        isTTY: stdout.isTTY,
        columns: stdout.columns,
        rows: stdout.rows,
      };
      return { out: createOutput(sink, stderr, env), text: () => text };
    },
    table(head, rows, options = {}) {
      const cells = rows.map((row) => head.map((_, column) => oneLine(row[column])));
      const { right = [], after } = options;
      const widths = fitColumns(
        after === undefined ? [head, ...cells] : cells,
        after ?? head.map(() => 1),
        width,
      );
      write(`${renderTable(after === undefined ? head : null, cells, { widths, colour, right })}\n`);
      return widths;
    },
  };
}

const usualWidth = 80;

function widthOf(stdout: Sink, env: NodeJS.ProcessEnv, tty: boolean): number {
  const said = Number(env['COLUMNS'] ?? Number.NaN);
  const columns = tty && stdout.columns !== undefined && stdout.columns > 0 ? stdout.columns : said;
  return Number.isSafeInteger(columns) && columns > 0 ? Math.max(40, columns) : usualWidth;
}

const gap = 2;

/** Any but the beginning of a colour. */
const controlCharacter = new RegExp(`(?!${String.fromCodePoint(27)}\\[[\\d;]*m)\\p{Cc}`, 'gu');

/** `head` null: the rows go on below those of another table. */
function renderTable(
  head: readonly string[] | null,
  rows: readonly (readonly string[])[],
  look: { readonly widths: readonly number[]; readonly colour: Colours; readonly right: readonly number[] },
): string {
  const { widths } = look;
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
    colAligns: widths.map((_, column) => (look.right.includes(column) ? 'right' : 'left')),
  });
  // Words are kept whole where they fit; a UID that does not is broken anywhere rather than cut off: it is there to be copied.
  const cell = (text: string, column: number, paint: (text: string) => string) => ({
    content: paint(text),
    wordWrap: true,
    wrapOnWordBoundary: longestWord(text) <= (widths[column] ?? 0),
  });
  // A heading that has to be broken stays plain: it could be broken inside a colour.
  const bold = (text: string, column: number) => (plain: string) =>
    text.length <= (widths[column] ?? 0) ? look.colour.bold(plain) : plain;
  if (head !== null) table.push(head.map((text, column) => cell(text, column, bold(text, column))));
  for (const row of rows) table.push(row.map((text, column) => cell(text, column, (plain) => plain)));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Widths of all columns, `least` or more; where they do not fit side by side, the widest gives way first. */
function fitColumns(
  rows: readonly (readonly string[])[],
  least: readonly number[],
  width: number,
): readonly number[] {
  const lengthOf = (row: readonly string[], column: number): number =>
    stripVTControlCharacters(row[column] ?? '').length;
  // Not by spreading into Math.max: a table may have more rows than a call arguments.
  const widths = least.map((one, column) =>
    rows.reduce((most, row) => Math.max(most, lengthOf(row, column)), one),
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
