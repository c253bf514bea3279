import type { Document, Node, Pair } from 'yaml';
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Problem } from './problems.ts';
import { formatPath } from './problems.ts';
import { substitute } from './variables.ts';

/** A YAML document as plain values, with variables replaced, that still knows the line of each key. */
export interface TopologySource {
  readonly value: unknown;
  /** Syntax errors and variables that are not set, in the order of the file. */
  readonly problems: readonly Problem[];
  /** Line of the key at this path, or of the nearest one above it that exists; counted from 1. */
  lineOf(path: readonly PropertyKey[]): number;
}

type LookUp = (name: string, hasDefault: boolean) => string | undefined;

/** Never throws: whatever is wrong with the text is in `problems`. */
export function readDocument(text: string, lookUp: LookUp): TopologySource {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const lineAt = (offset: number) => Math.max(1, lines.linePos(offset).line);
  const lineOf = (path: readonly PropertyKey[]) => lineAt(offsetOf(document, path));

  const syntax = [...document.errors, ...document.warnings].map((error) => ({
    path: '',
    line: lineAt(error.pos[0]),
    message: `is no valid YAML: ${error.message.split('\n')[0] ?? error.code}`,
  }));
  if (syntax.length > 0) return { value: null, problems: syntax, lineOf };

  let plain: unknown;
  try {
    plain = document.toJS({ maxAliasCount: 1000 });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return {
      value: null,
      problems: [{ path: '', line: null, message: `is no valid YAML: ${message}` }],
      lineOf,
    };
  }
  const problems: Problem[] = [];
  const value = replaceVariables(plain, [], new Set(), lookUp, (path, message) =>
    problems.push({ path: formatPath(path), line: lineOf(path), message }),
  );
  return { value, problems, lineOf };
}

function replaceVariables(
  value: unknown,
  path: readonly PropertyKey[],
  above: ReadonlySet<unknown>,
  lookUp: LookUp,
  report: (path: readonly PropertyKey[], message: string) => void,
): unknown {
  if (typeof value === 'string') {
    const result = substitute(value, lookUp);
    if (result.ok) return result.text;
    for (const message of result.problems) report(path, message);
    return value;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (above.has(value) || path.length > 20) {
    report(path, 'must not contain itself, nor be nested more than 20 deep');
    return null;
  }
  const inside = new Set([...above, value]);
  if (Array.isArray(value)) {
    return value.map((entry: unknown, index) =>
      replaceVariables(entry, [...path, index], inside, lookUp, report),
    );
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [
      key,
      replaceVariables(entry, [...path, key], inside, lookUp, report),
    ]),
  );
}

function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents;
  let offset = rangeStart(node) ?? 0;
  for (const key of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair: Pair | undefined = node.items.find(
        (item) => isScalar(item.key) && String(item.key.value) === String(key),
      );
      if (pair === undefined) return offset;
      offset = rangeStart(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      const item: unknown = typeof key === 'number' ? node.items[key] : undefined;
      if (item === undefined) return offset;
      offset = rangeStart(item) ?? offset;
      node = item;
    } else {
      return offset;
    }
  }
  return offset;
}

function rangeStart(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

function isNode(node: unknown): node is Node {
  return isMap(node) || isSeq(node) || isScalar(node) || isAlias(node);
}
