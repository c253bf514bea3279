import { isDeepStrictEqual } from 'node:util';
import type { Document, YAMLMap } from 'yaml';
import { isMap, isScalar, isSeq, parseDocument } from 'yaml';
import { spliced } from './splice.ts';

/** A value of the topology file; null: the key goes. */
export type EditValue = string | number | null | Readonly<Record<string, string>>;
export type EditValues = Readonly<Record<string, EditValue>>;

/** One change of the file. Entries are named by their place, since a name may come from a variable. */
export type TopologyEdit =
  | { readonly kind: 'add'; readonly entry: EditValues }
  | { readonly kind: 'change'; readonly index: number; readonly set: EditValues }
  | { readonly kind: 'remove'; readonly index: number }
  | { readonly kind: 'routing'; readonly set: EditValues };

/** The file is written in a way that only a person can change; `message` says which. */
export class EditError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'EditError';
  }
}

/**
 * The text with this change, all else as its author wrote it: comments, order, blank lines.
 *
 * What the change means is decided on the document. Then it is made in the text alone, where that is simple; the document's own
 * text, in which every comment stands one space behind its value, is only used when the other does not mean exactly the same.
 *
 * @throws EditError
 */
export function editTopology(text: string, edit: TopologyEdit): string {
  const document = parseDocument(text);
  if (document.errors.length > 0) throw new EditError('the file is no valid YAML');
  apply(document, edit);
  const wanted: unknown = document.toJS();
  const surgical = spliced(text, edit);
  if (surgical !== null && means(surgical, wanted)) return surgical;
  const whole = document.toString({
    lineWidth: 0,
    indentSeq: /^backends:[^\n]*\n(?:\s*(?:#.*)?\n)* +-/m.test(text),
  });
  if (!means(whole, wanted))
    throw new EditError('the file is written in a way that only a person can change');
  return whole;
}

/** The text without what stands there as a password (`password.default`, or by mistake `password` itself); null: nobody can tell where those are. */
export function withoutPasswords(text: string): string | null {
  const document = parseDocument(text);
  if (document.errors.length > 0) return null;
  const hidden: (readonly [start: number, end: number])[] = [];
  for (const list of ['fronts', 'backends']) {
    const entries = document.get(list);
    if (!isSeq(entries)) continue;
    for (const entry of entries.items) {
      const password = isMap(entry) ? entry.get('password', true) : null;
      // Written as a text by itself it is a mistake, and a password all the same.
      const value = isMap(password) ? password.get('default', true) : password;
      if (isScalar(value) && value.value !== null && value.range)
        hidden.push([value.range[0], value.range[1]]);
    }
  }
  let shown = text;
  for (const [start, end] of hidden.toSorted((a, b) => b[0] - a[0]))
    shown = `${shown.slice(0, start)}'***'${shown.slice(end)}`;
  // A reference may carry one to where it was not looked for.
  const left = passwordsIn(parseDocument(shown).toJS());
  return left.some((password) => password !== '***') ? null : shown;
}

function passwordsIn(value: unknown): readonly unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]: [string, unknown]) =>
    key === 'default' || (key === 'password' && typeof child !== 'object') ? [child] : passwordsIn(child),
  );
}

function means(text: string, wanted: unknown): boolean {
  const document = parseDocument(text);
  return document.errors.length === 0 && isDeepStrictEqual(document.toJS(), wanted);
}

function apply(document: Document, edit: TopologyEdit): void {
  if (edit.kind === 'routing') {
    const routing = document.get('routing');
    if (routing === undefined || routing === null) document.set('routing', document.createNode({}));
    const map = document.get('routing');
    if (!isMap(map)) throw new EditError('routing is written as a reference: change it by hand');
    setAll(document, map, edit.set);
    return;
  }
  const backends = document.get('backends');
  if (!isSeq(backends)) throw new EditError('backends is written as a reference: change it by hand');
  if (edit.kind === 'add') {
    const entry = document.createNode({});
    setAll(document, entry, edit.entry);
    entry.spaceBefore = backends.items.some((item) => isMap(item) && item.spaceBefore === true);
    backends.items.push(entry);
    return;
  }
  const entry = backends.items[edit.index];
  if (!isMap(entry)) throw new EditError('the entry is written as a reference: change it by hand');
  if (edit.kind === 'remove') backends.items.splice(edit.index, 1);
  else setAll(document, entry, edit.set);
}

function setAll(document: Document, map: YAMLMap, values: EditValues): void {
  for (const [key, value] of Object.entries(values)) {
    const known = map.get(key, true);
    if (value === null) map.delete(key);
    else if (typeof value !== 'object' && isScalar(known)) known.value = value;
    else map.set(key, document.createNode(value, { flow: true }));
  }
}
