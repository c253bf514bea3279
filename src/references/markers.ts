/** The line that begins a made part of a document, and the one that ends it. */
export function marks(name: string): { readonly begin: string; readonly end: string } {
  return { begin: `<!-- ${name}: made by "npm run references" -->`, end: `<!-- end of ${name} -->` };
}

/**
 * The text with what stands between the marks replaced.
 *
 * @throws Error when a mark is missing
 */
export function between(text: string, name: string, content: string): string {
  const { begin, end } = marks(name);
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from === -1 || to === -1) throw new Error(`The document has no "${begin}" before "${end}".`);
  return `${text.slice(0, from + begin.length)}\n\n${content}\n\n${text.slice(to)}`;
}
