import type { Farm, FarmBackend, Flow } from '../lib/contract.ts';
import { isReceiving, stateOf } from '../lib/verdict.ts';

/** Where everything of the picture stands. Pure: it is drawn by `picture.tsx`. */

export interface Node {
  readonly id: string;
  readonly name: string;
  readonly note: string;
  /** Null: it has no state of its own. */
  readonly tone: 'good' | 'warn' | 'bad' | 'idle' | null;
  /** Address of its screen; null: it has none. */
  readonly href: string | null;
  readonly x: number;
  readonly y: number;
}

export interface Edge {
  readonly id: string;
  readonly from: Node;
  readonly to: Node;
  readonly flow: Flow;
}

export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly nodeWidth: number;
  readonly nodeHeight: number;
  readonly nodes: readonly Node[];
  readonly edges: readonly Edge[];
}

/** More would be a forest of lines; the list below has them all. */
const most = 9;
const rowHeight = 58;
export const nodeHeight = 42;

interface Draft {
  readonly id: string;
  readonly name: string;
  readonly note: string;
  readonly tone: Node['tone'];
  readonly href: string | null;
}

export function pictureOf(farm: Farm, width: number): Picture {
  const nodeWidth = Math.min(190, Math.floor(width * 0.28));
  const modalities = farm.modalities
    .map((one) => ({ ...one, rate: sum(one.fronts) }))
    .toSorted((a, b) => b.rate.instancesPerSecond - a.rate.instancesPerSecond || a.aet.localeCompare(b.aet));
  const senders = folded(modalities, (one) => one.aet);
  const busiest = farm.backends.toSorted((a, b) => rankOf(b) - rankOf(a) || byName(a, b));
  const takers = folded(busiest, (one) => one.name);
  takers.shown.sort(byName);

  const columns: [Draft[], Draft[], Draft[]] = [
    [
      ...senders.shown.map((one) => ({
        id: `m:${one.aet}`,
        name: one.aet === '(no AE title)' ? 'over REST' : one.aet,
        note: [one.modality, one.station].filter(Boolean).join(' · '),
        tone: null,
        href: null,
      })),
      ...others(senders.rest.length, 'm:', 'senders'),
    ],
    farm.fronts.map((one) => ({
      id: `f:${one.name}`,
      name: one.name,
      note: one.health === 'down' ? 'does not answer' : one.takesImages ? 'receiving' : 'refuses images',
      tone: isReceiving(one) ? 'good' : 'bad',
      href: null,
    })),
    [
      ...takers.shown.map((one) => ({
        id: `b:${one.name}`,
        name: one.name,
        note: stateOf(one).word,
        tone: stateOf(one).tone,
        href: `#/backends/${encodeURIComponent(one.name)}`,
      })),
      ...others(takers.rest.length, 'b:', 'backends'),
    ],
  ];
  const rows = Math.max(1, ...columns.map((column) => column.length));
  const height = rows * rowHeight;
  const nodes = columns.map((column, index) =>
    column.map(
      (draft, row): Node => ({
        ...draft,
        x: index * ((width - nodeWidth) / 2),
        y: ((row + 0.5) * height) / column.length,
      }),
    ),
  );
  const byId = new Map(nodes.flat().map((node) => [node.id, node]));
  const edges = new Map<string, Edge>();
  const add = (fromId: string, toId: string, flow: Flow): void => {
    const from = byId.get(fromId);
    const to = byId.get(toId);
    if (from === undefined || to === undefined) return;
    const id = `${fromId}>${toId}`;
    edges.set(id, { id, from, to, flow: plus(edges.get(id)?.flow ?? none, flow) });
  };
  for (const one of modalities)
    for (const flow of one.fronts)
      add(senders.rest.includes(one) ? 'm:' : `m:${one.aet}`, `f:${flow.front}`, flow);
  const hidden = new Set(takers.rest.map(({ name }) => name));
  for (const front of farm.fronts) {
    // A line where nothing flows now still says what could.
    for (const { name } of farm.backends) add(`f:${front.name}`, hidden.has(name) ? 'b:' : `b:${name}`, none);
    for (const flow of front.edges)
      add(`f:${front.name}`, hidden.has(flow.backend) ? 'b:' : `b:${flow.backend}`, flow);
  }
  return { width, height, nodeWidth, nodeHeight, nodes: nodes.flat(), edges: [...edges.values()] };
}

/** Curve from the right of one node to the left of the other. */
export function pathOf({ from, to }: Edge, nodeWidth: number): string {
  const start = from.x + nodeWidth;
  const middle = (start + to.x) / 2;
  return `M${start} ${from.y}C${middle} ${from.y} ${middle} ${to.y} ${to.x} ${to.y}`;
}

/** 0: nothing flows; 1–4: by the power of ten of images a second, so that one image and ten thousand can be told apart. */
export function strengthOf({ instancesPerSecond }: Flow): 0 | 1 | 2 | 3 | 4 {
  if (instancesPerSecond <= 0) return 0;
  if (instancesPerSecond < 3) return 1;
  if (instancesPerSecond < 20) return 2;
  return instancesPerSecond < 100 ? 3 : 4;
}

const none: Flow = { instancesPerSecond: 0, bytesPerSecond: 0 };

function plus(a: Flow, b: Flow): Flow {
  return {
    instancesPerSecond: a.instancesPerSecond + b.instancesPerSecond,
    bytesPerSecond: a.bytesPerSecond + b.bytesPerSecond,
  };
}

function sum(flows: readonly Flow[]): Flow {
  return flows.reduce(plus, none);
}

function folded<T>(all: readonly T[], name: (one: T) => string): { shown: T[]; rest: T[] } {
  if (all.length <= most) return { shown: all.toSorted((a, b) => compare(name(a), name(b))), rest: [] };
  return { shown: all.slice(0, most - 1), rest: all.slice(most - 1) };
}

function others(count: number, id: string, what: string): Draft[] {
  return count === 0 ? [] : [{ id, name: `${count} more`, note: what, tone: 'idle', href: null }];
}

/** What is in trouble is seen first, then what is busy. */
function rankOf(one: FarmBackend): number {
  const tone = stateOf(one).tone;
  return (
    (tone === 'bad' ? 1e9 : tone === 'good' ? 0 : 1e6) + one.rate.instances + one.instancesInFlight / 1000
  );
}

export function byName(a: { name: string }, b: { name: string }): number {
  return compare(a.name, b.name);
}

/** orthanc2 before orthanc10. */
function compare(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
