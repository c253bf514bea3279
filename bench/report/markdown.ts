/** A table as Markdown has it; the first column is text, the others are figures. */
export function markdownTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escaped).join(' | ')} |`;
  const rule = heads.map((_, column) => (column === 0 ? '---' : '---:'));
  return [line(heads), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n');
}

function escaped(cell: string): string {
  return cell.replaceAll('|', '\\|');
}

const begin = (name: string): string => `<!-- table: ${name} -->`;
const end = '<!-- end -->';

/**
 * The document with what stands between `<!-- table: NAME -->` and the next `<!-- end -->` replaced. What was not measured stays as it is.
 *
 * @throws Error when the document has not one place, and one only, for one of them
 */
export function withTables(document: string, tables: ReadonlyMap<string, string>): string {
  let result = document;
  for (const [name, table] of tables) {
    const pieces = result.split(begin(name));
    const [before, after] = pieces;
    if (before === undefined || after === undefined || pieces.length > 2)
      throw new Error(`the document has ${pieces.length - 1} places "${begin(name)}" instead of one`);
    const endsAt = after.indexOf(end);
    const nextAt = after.indexOf('<!-- table: ');
    if (endsAt === -1 || (nextAt !== -1 && nextAt < endsAt))
      throw new Error(`"${begin(name)}" has no "${end}"`);
    result = `${before}${begin(name)}\n\n${table}\n\n${after.slice(endsAt)}`;
  }
  return result;
}
