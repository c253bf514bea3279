/** What a mark stands for; each has a colour of its own on light and on dark. */
export const colours = {
  background: ['#ffffff', '#0d1117'],
  text: ['#1f2328', '#e6edf3'],
  faint: ['#59636e', '#9198a1'],
  line: ['#d1d9e0', '#3d444d'],
  straight: ['#8c959f', '#7d8590'],
  haproxy: ['#56b4e9', '#79c0e8'],
  'stock-lua': ['#e69f00', '#e0a63a'],
  'lua-jobs': ['#cc79a7', '#d68fb6'],
  dde: ['#00744f', '#2fbf8f'],
  front: ['#0072b2', '#4aa3df'],
  service: ['#d55e00', '#f0883e'],
  backends: ['#8c959f', '#7d8590'],
} as const satisfies Readonly<Record<string, readonly [light: string, dark: string]>>;
export type Colour = keyof typeof colours;

export function isColour(name: string): name is Colour {
  return name in colours;
}

export interface Text {
  readonly x: number;
  /** Of the baseline. */
  readonly y: number;
  readonly text: string;
  readonly size: number;
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly colour?: Colour;
  readonly isBold?: boolean;
}

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly colour: Colour;
}

/** As wide as a text may become. The reader's font is not known: this is the widest of the usual ones, DejaVu Sans Bold. */
export function widthOf(words: string, size: number): number {
  return words.length * size * 0.7;
}

/** In lines of at most `most` characters, broken between words. */
export function wrapped(words: string, most: number): string[] {
  const lines: string[] = [];
  for (const word of words.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && `${last} ${word}`.length <= most) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

export function text({ x, y, text: content, size, anchor, colour, isBold }: Text): string {
  const attributes = [
    `class="${colour ?? 'text'}"`,
    `x="${round(x)}"`,
    `y="${round(y)}"`,
    `font-size="${size}"`,
    ...(anchor === undefined || anchor === 'start' ? [] : [`text-anchor="${anchor}"`]),
    ...(isBold === true ? ['font-weight="bold"'] : []),
  ];
  return `<text ${attributes.join(' ')}>${escaped(content)}</text>`;
}

export function rect({ x, y, width, height, colour }: Rect): string {
  return `<rect class="${colour}" x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}"/>`;
}

/**
 * A whole picture. It brings its own background: a page in the reader's other scheme would otherwise show dark letters on dark.
 *
 * @param parts in the order they are drawn
 */
export function picture(
  { width, height, title }: { readonly width: number; readonly height: number; readonly title: string },
  parts: readonly string[],
): string {
  const rules = (scheme: 0 | 1): string =>
    Object.entries(colours)
      .map(([name, pair]) => `.${name}{fill:${pair[scheme]}}`)
      .join('');
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${rules(0)}@media (prefers-color-scheme:dark){${rules(1)}}</style>`,
    rect({ x: 0, y: 0, width, height, colour: 'background' }),
    ...parts,
    '</svg>\n',
  ].join('\n');
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function round(value: number): string {
  return String(Math.round(value * 100) / 100);
}
