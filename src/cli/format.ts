import { stripVTControlCharacters } from 'node:util';

/** How figures are said in tables and sentences of the command line. */

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** Bytes in powers of 1000, as disks are sold: `999 B`, `1.2 MB`, `340 GB`. */
export function size(bytes: number | null): string | null {
  if (bytes === null) return null;
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A duration in its two largest units at most: `12 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ] as const;
  const first = parts.findIndex(([value]) => value > 0);
  if (first === -1) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(' ');
}

/** A duration in its largest unit, for columns that are there to be run over: `53 s`, `19 min`, `4 h`, `3 d`. */
export function briefly(seconds: number): string {
  return duration(seconds).split(' ').slice(0, 2).join(' ');
}

export function age(at: string, now: number): string {
  return duration((now - Date.parse(at)) / 1000);
}

/** `1 image`, `2 images`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`;
}

/** ISO time as a person here reads it, to the second. */
export function localTime(at: string): string {
  const date = new Date(at);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

/** Longer lines are hard to read, however wide the terminal is. */
const widestProse = 100;

/** Prose in lines of at most `width`, broken between words and indented from the second line on; a longer word stays whole. */
export function folded(prose: string, width: number): string {
  const lines: string[] = [];
  for (const word of prose.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined) lines.push(word);
    else if (seenLength(last) + 1 + seenLength(word) <= Math.min(width, widestProse))
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`    ${word}`);
  }
  return lines.join('\n');
}

/** A colour takes no room. */
function seenLength(text: string): number {
  return stripVTControlCharacters(text).length;
}
