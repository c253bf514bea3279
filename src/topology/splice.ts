import type { YAMLMap, YAMLSeq } from 'yaml';
import { isMap, isNode, isScalar, isSeq, parseDocument } from 'yaml';
import type { EditValue, EditValues, TopologyEdit } from './edit.ts';

/** A piece of the text, from the first character to before the last, and what takes its place. */
interface Cut {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * The text with this change, every other character as it was; null: it is not written in the plain way this knows. Whoever asks compares
 * what the text means now with what it should mean.
 */
export function spliced(text: string, edit: TopologyEdit): string | null {
  const document = parseDocument(text);
  const cuts =
    edit.kind === 'routing'
      ? inRouting(text, document.get('routing'), edit.set)
      : inList(text, document.get('backends'), edit);
  if (cuts === null) return null;
  let changed = text;
  for (const { start, end, text: instead } of cuts.toSorted((a, b) => b.start - a.start))
    changed = changed.slice(0, start) + instead + changed.slice(end);
  return changed;
}

function inRouting(text: string, routing: unknown, set: EditValues): readonly Cut[] | null {
  if (routing !== undefined) return isMap(routing) ? inMap(text, routing, set) : null;
  const lines = Object.entries(set).flatMap(([key, value]) =>
    value === null ? [] : [`  ${key}: ${written(value)}`],
  );
  const gap = text.endsWith('\n') ? '\n' : '\n\n';
  return [{ start: text.length, end: text.length, text: `${gap}${['routing:', ...lines].join('\n')}\n` }];
}

function inList(
  text: string,
  list: unknown,
  edit: Exclude<TopologyEdit, { kind: 'routing' }>,
): readonly Cut[] | null {
  if (!isSeq(list) || list.flow === true) return null;
  if (edit.kind === 'add') return added(text, list, edit.entry);
  const entry = list.items[edit.index];
  if (!isMap(entry)) return null;
  return edit.kind === 'change' ? inMap(text, entry, edit.set) : removed(text, list, edit.index);
}

function added(text: string, list: YAMLSeq, entry: EditValues): readonly Cut[] | null {
  const last = list.items.at(-1);
  const first = list.items[0];
  if (!isMap(last) || !isMap(first) || !list.range) return null;
  const indent = ' '.repeat(columnOf(text, list.range[0]));
  const lines = Object.entries(entry).flatMap(([key, value]) =>
    value === null ? [] : [`${key}: ${written(value)}`],
  );
  const item = lines.map((line, index) => `${indent}${index === 0 ? '- ' : '  '}${line}`).join('\n');
  const end = endOfLine(text, lastOf(last));
  const isSpaced = list.items.length > 1 && /\n[ \t]*\n/.test(text.slice(lastOf(first), lastOf(last)));
  return [{ start: end, end, text: `\n${isSpaced ? '\n' : ''}${item}` }];
}

function removed(text: string, list: YAMLSeq, index: number): readonly Cut[] | null {
  const entry = list.items[index];
  if (!isMap(entry) || !entry.range) return null;
  const end = Math.min(text.length, endOfLine(text, lastOf(entry)) + 1);
  let start = startOfLine(text, entry.range[0]);
  // What stands right above it is about it; above the first it may be about all.
  while (index > 0 && /^[ \t]*#/.test(lineBefore(text, start))) start = startOfLine(text, start - 1);
  if (index > 0) {
    while (start > 0 && lineBefore(text, start).trim() === '') start = startOfLine(text, start - 1);
  }
  let after = end;
  if (index === 0)
    while (after < text.length && /^[ \t]*\n/.test(text.slice(after))) after = endOfLine(text, after) + 1;
  return [{ start, end: after, text: '' }];
}

function inMap(text: string, map: YAMLMap, set: EditValues): readonly Cut[] | null {
  const cuts: Cut[] = [];
  const fresh: string[] = [];
  for (const [key, value] of Object.entries(set)) {
    const pair = map.items.find((item) => isScalar(item.key) && item.key.value === key);
    if (pair === undefined) {
      if (value !== null) fresh.push(`${key}: ${written(value)}`);
      continue;
    }
    const { key: name, value: known } = pair;
    if (!isScalar(name) || !name.range || !isNode(known) || !known.range) return null;
    if (value === null) {
      // The first key of an entry stands behind its dash.
      if (map.flow === true || pair === map.items[0]) return null;
      const start = startOfLine(text, name.range[0]);
      cuts.push({ start, end: Math.min(text.length, endOfLine(text, known.range[1]) + 1), text: '' });
    } else {
      if (!isScalar(known) && !(isMap(known) && known.flow === true)) return null;
      cuts.push(replaced(text, known.range[0], known.range[1], written(value)));
    }
  }
  if (fresh.length === 0) return cuts;
  const first = map.items[0];
  if (first === undefined || !isScalar(first.key) || !first.key.range) return null;
  if (!isScalar(first.value) || !first.value.range) return null;
  if (map.flow === true) {
    const at = first.value.range[1];
    return [...cuts, { start: at, end: at, text: `, ${fresh.join(', ')}` }];
  }
  const indent = ' '.repeat(columnOf(text, first.key.range[0]));
  const at = endOfLine(text, first.value.range[1]);
  return [...cuts, { start: at, end: at, text: fresh.map((line) => `\n${indent}${line}`).join('') }];
}

/** A comment behind the value keeps its column, where there is room. */
function replaced(text: string, start: number, end: number, value: string): Cut {
  const [, spaces = ''] = /^( +)#/.exec(text.slice(end, endOfLine(text, end))) ?? [];
  const width = Math.max(1, spaces.length + (end - start) - value.length);
  return spaces === ''
    ? { start, end, text: value }
    : { start, end: end + spaces.length, text: value + ' '.repeat(width) };
}

/** Plain where that can mean nothing else, also inside of braces. */
function written(value: Exclude<EditValue, null>): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'object')
    return `{ ${Object.entries(value)
      .map(([key, text]) => `${key}: ${written(text)}`)
      .join(', ')} }`;
  return /^[A-Za-z/](?:[A-Za-z0-9_./:-]*[A-Za-z0-9_/])?$/.test(value) &&
    !/^(true|false|null|yes|no|on|off)$/i.test(value)
    ? value
    : JSON.stringify(value);
}

/** Where the last value of a mapping ends; the range of the mapping itself may go on over comments that belong to what follows. */
function lastOf(map: YAMLMap): number {
  if (map.flow === true && map.range) return map.range[1];
  const value = map.items.at(-1)?.value;
  if (isMap(value) && value.flow !== true) return lastOf(value);
  if (isNode(value) && value.range) return value.range[1];
  return map.range?.[1] ?? 0;
}

function startOfLine(text: string, at: number): number {
  return text.lastIndexOf('\n', at - 1) + 1;
}

function endOfLine(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end === -1 ? text.length : end;
}

function columnOf(text: string, at: number): number {
  return at - startOfLine(text, at);
}

/** The line that ends right before `start`, which is the start of a line. */
function lineBefore(text: string, start: number): string {
  return start === 0 ? '' : text.slice(startOfLine(text, start - 1), start - 1);
}
