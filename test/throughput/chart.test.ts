import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readSaved, type Throughput } from '../../bench/report/saved.ts';
import { colours, widthOf, wrapped } from '../../bench/report/svg.ts';
import { cpuChart, throughputChart } from '../../bench/throughput/chart.ts';
import { contenders } from '../../bench/throughput/contenders.ts';
import { workloads } from '../../bench/throughput/workloads.ts';
import { tempDir } from '../support/temp.ts';
import { savedThroughput } from './saved.ts';

async function throughputOf(...files: readonly ReturnType<typeof savedThroughput>[]): Promise<Throughput> {
  await using dir = await tempDir('saved');
  const paths = files.map((_, index) => join(dir.path, `${index}.json`));
  for (const [index, path] of paths.entries()) await writeFile(path, JSON.stringify(files[index]));
  const { throughput } = readSaved(paths);
  if (throughput === null) throw new Error('nothing of throughput was read');
  return throughput;
}

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly words: string;
}

const attributesOf = (element: string): Record<string, string> =>
  Object.fromEntries(
    [...element.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, name, value]) => [name, value ?? '']),
  );

function textsOf(svg: string): Box[] {
  return [...svg.matchAll(/<text ([^>]*)>([^<]*)<\/text>/g)].map(([, attributes = '', words = '']) => {
    const { x, y, 'font-size': size, 'text-anchor': anchor = 'start' } = attributesOf(attributes);
    // Headings are wide letters at the edge and have their line to themselves; figures are what could touch.
    const wide = words.length * Number(size) * 0.62;
    const left = Number(x) - (anchor === 'middle' ? wide / 2 : anchor === 'end' ? wide : 0);
    return { left, right: left + wide, top: Number(y) - Number(size) * 0.8, bottom: Number(y) + 2, words };
  });
}

function rectsOf(svg: string, colour: string): { width: number; height: number; y: number }[] {
  return [...svg.matchAll(/<rect ([^>]*)\/>/g)]
    .map(([, attributes = '']) => attributesOf(attributes))
    .filter((one) => one.class === colour && one.width !== '11')
    .map(({ width, height, y }) => ({ width: Number(width), height: Number(height), y: Number(y) }));
}

function overlapping(boxes: readonly Box[]): string[] {
  return boxes.flatMap((one, index) =>
    boxes
      .slice(index + 1)
      .filter(
        (other) =>
          one.left < other.right &&
          other.left < one.right &&
          one.top < other.bottom &&
          other.top < one.bottom,
      )
      .map((other) => `${one.words} / ${other.words}`),
  );
}

const everything = savedThroughput({ cells: workloads.map(({ name }) => ({ workload: name })) });

test('each contender has a bar as high as its rate is to that of sending straight, with the figure above it', async () => {
  const svg = throughputChart(await throughputOf(savedThroughput()));
  const heights = contenders.map(({ name }) => rectsOf(svg, name)[0]?.height ?? Number.NaN);
  const [straight = Number.NaN] = heights;
  expect(heights.map((height) => Math.round((100 * height) / straight))).toEqual([100, 50, 33, 25, 20]);
  const words = textsOf(svg).map((one) => one.words);
  for (const label of ['1.00', '0.50', '0.33', '0.25', '0.20']) expect(words).toContain(label);
  expect(words).toContain('1 = 200/s');
  expect(words).toContain('2 associations; 2 × CPU, Node v24, Orthanc 1.12.7, 2026-01-31; medians of 3 runs');
});

test('CPU is stacked by role, as high as all of it, each workload with a scale of its own', async () => {
  const svg = cpuChart(await throughputOf(everything));
  const groups = workloads.length;
  expect(rectsOf(svg, 'backends')).toHaveLength(contenders.length * groups);
  // Nothing is drawn of a role that took no time: "straight" has no front, and four have no service.
  expect(rectsOf(svg, 'front')).toHaveLength((contenders.length - 1) * groups);
  const [service] = rectsOf(svg, 'service');
  expect(rectsOf(svg, 'service')).toHaveLength(groups);
  // (e): 8 ms in the front, 1 in the service, 5 in the backends; the highest of its group.
  const front = rectsOf(svg, 'front')[3];
  expect((front?.height ?? 0) / (service?.height ?? 0)).toBeCloseTo(8, 1);
  expect((service?.height ?? 0) * 14).toBeCloseTo(200, 0);
  expect(textsOf(svg).filter(({ words }) => words === '14')).toHaveLength(groups);
});

test('no label lies on another one or outside, with all workloads and contenders', async () => {
  const saved = await throughputOf(everything);
  for (const svg of [throughputChart(saved), cpuChart(saved)]) {
    const boxes = textsOf(svg);
    expect(boxes.length).toBeGreaterThan(30);
    expect(overlapping(boxes)).toEqual([]);
    const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? [];
    expect(boxes.filter(({ left, right }) => left < 0 || right > Number(width))).toEqual([]);
    expect(boxes.filter(({ bottom }) => bottom > Number(height))).toEqual([]);
  }
});

test('the picture is whole XML, needs nothing from elsewhere, and has colours for light and dark', async () => {
  const svg = throughputChart(await throughputOf(everything));
  const open: string[] = [];
  for (const [, slash, name = '', rest = ''] of svg.matchAll(/<(\/?)(\w+)([^>]*)>/g)) {
    if (slash === '/') expect(open.pop()).toBe(name);
    else if (!rest.endsWith('/')) open.push(name);
  }
  expect(open).toEqual([]);
  expect(svg).not.toMatch(/&(?!amp;|lt;|gt;)|href|url\(|@import/);
  expect(svg).toContain('font-family="sans-serif"');
  const [light = '', dark = ''] = svg.split('@media (prefers-color-scheme:dark)');
  for (const [name, [onLight, onDark]] of Object.entries(colours)) {
    expect(light).toContain(`.${name}{fill:${onLight}}`);
    expect(dark).toContain(`.${name}{fill:${onDark}}`);
  }
});

test('without a cell of two associations, or without anything to compare with, there is no chart', async () => {
  const one = await throughputOf(savedThroughput({ cells: [{ workload: 'ct', associations: 1 }] }));
  expect(() => throughputChart(one)).toThrow('no cell with two associations');
  const saved = await throughputOf(savedThroughput());
  const without = saved.cells.map((cell) => ({
    ...cell,
    contenders: cell.contenders.filter(({ contender }) => contender !== 'straight'),
  }));
  expect(() => throughputChart({ ...saved, cells: without })).toThrow('ct: nothing to compare with');
});

test('words are broken into lines between them', () => {
  expect(wrapped('a mix of all four and US', 14)).toEqual(['a mix of all', 'four and US']);
  expect(wrapped('unbreakable', 3)).toEqual(['unbreakable']);
  expect(widthOf('1234', 10)).toBeGreaterThan(25);
});
