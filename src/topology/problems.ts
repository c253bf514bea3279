/** One mistake in a topology file, in a sentence a person can act on. */
export interface Problem {
  /** Where in the document, such as `backends[1].url`; empty for the file as a whole. */
  readonly path: string;
  /** Counted from 1; null when the file could not be read at all. */
  readonly line: number | null;
  readonly message: string;
}

/** The topology cannot be used. `problems` holds every mistake that was found, in the order of the file; at least one. */
export class TopologyError extends Error {
  readonly file: string;
  readonly problems: readonly Problem[];

  constructor(file: string, problems: readonly Problem[]) {
    super(describeProblems(file, problems));
    this.name = 'TopologyError';
    this.file = file;
    this.problems = problems;
  }
}

function describeProblems(file: string, problems: readonly Problem[]): string {
  const lines = problems.map(({ line, path, message }) => {
    const where = [line === null ? '' : `line ${line}`, path].filter((part) => part !== '').join(', ');
    return where === '' ? message : `${where}: ${message}`;
  });
  const [only] = lines;
  if (lines.length === 1 && only !== undefined) return `${file}: ${only}`;
  return `${file}: ${lines.length} problems\n${lines.map((line) => `  ${line}`).join('\n')}`;
}

/** `['backends', 1, 'url']` → `backends[1].url`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, '');
}

/** What a person may have meant, if something is near enough: at most a third of the word is other, two letters at least. */
export function nearest(word: string, known: readonly string[]): string | null {
  const limit = Math.max(2, Math.floor(word.length / 3));
  let best: string | null = null;
  let bestDistance = limit + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) > limit) continue;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** Why a file could not be read, as the end of a sentence that begins with its name. */
export function cannotRead(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'does not exist';
  if (code === 'EACCES') return 'may not be read by this user';
  if (code === 'EISDIR') return 'is a folder, not a file';
  return `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}
