import { useEffect, useRef, useState } from 'preact/hooks';
import type { Farm } from '../lib/contract.ts';
import { perSecond, size } from '../lib/format.ts';
import { type Edge, type Node, pathOf, pictureOf, strengthOf } from './layout.ts';

/** Modalities → fronts → backends, and what flows on each edge now. */
export function Picture({ farm }: { farm: Farm }) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (box.current === null) return undefined;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  return (
    <div class="picture" ref={box}>
      <div class="picture-heads" aria-hidden="true">
        <span>Modalities</span>
        <span>Fronts</span>
        <span>Backends</span>
      </div>
      {width > 0 && <Drawing farm={farm} width={width} />}
      {farm.modalities.length === 0 && (
        <p class="note picture-note">
          Nothing was sent in the last 15 minutes. Whatever a modality sends to a front appears here.
        </p>
      )}
    </div>
  );
}

function Drawing({ farm, width }: { farm: Farm; width: number }) {
  const picture = pictureOf(farm, width);
  const { nodeWidth, nodeHeight } = picture;
  // What flows lies above what does not.
  const edges = picture.edges.toSorted((a, b) => a.flow.instancesPerSecond - b.flow.instancesPerSecond);
  return (
    <svg
      width={picture.width}
      height={picture.height}
      viewBox={`0 0 ${picture.width} ${picture.height}`}
      role="group"
      aria-label="Flow of images from modalities over fronts to backends"
    >
      {edges.map((edge) => (
        <Line key={edge.id} edge={edge} nodeWidth={nodeWidth} />
      ))}
      {picture.nodes.map((node) => (
        <Box key={node.id} node={node} width={nodeWidth} height={nodeHeight} />
      ))}
      {width > 640 &&
        picture.nodes.map((node) => <Label key={node.id} node={node} edges={edges} nodeWidth={nodeWidth} />)}
    </svg>
  );
}

function Line({ edge, nodeWidth }: { edge: Edge; nodeWidth: number }) {
  const strength = strengthOf(edge.flow);
  const path = pathOf(edge, nodeWidth);
  return (
    <g class={`edge s${strength}`}>
      <path d={path} class="pipe" />
      {strength > 0 && <path d={path} class="stream" />}
      <title>{said(edge)}</title>
    </g>
  );
}

/** All that leaves a modality, or comes to a backend: where the lines of several meet, no label could be told from the next. */
function Label({ node, edges, nodeWidth }: { node: Node; edges: readonly Edge[]; nodeWidth: number }) {
  const isModality = node.id.startsWith('m:');
  if (!isModality && !node.id.startsWith('b:')) return null;
  const rate = edges
    .filter((edge) => (isModality ? edge.from : edge.to).id === node.id)
    .reduce((sum, edge) => sum + edge.flow.instancesPerSecond, 0);
  if (rate === 0) return null;
  return (
    <text
      x={isModality ? node.x + nodeWidth + 8 : node.x - 8}
      y={node.y - 7}
      class="edge-label"
      text-anchor={isModality ? 'start' : 'end'}
      aria-hidden="true"
    >
      {perSecond(rate)}
    </text>
  );
}

function Box({ node, width, height }: { node: Node; width: number; height: number }) {
  const isNarrow = width < 130;
  const pad = isNarrow ? 8 : 13;
  // By the width of an average letter, capitals being wider; measuring each would cost a layout a node.
  const letter = (isNarrow ? 6.8 : 7.6) + (node.name === node.name.toUpperCase() ? 1.4 : 0);
  const room = Math.floor((width - 2 * pad - (node.tone === null ? 0 : 12)) / letter);
  const content = (
    <>
      <rect width={width} height={height} rx="9" />
      {node.tone !== null && <circle cx={width - pad - 1} cy={height / 2} r="4" class={node.tone} />}
      <text x={pad} y={node.note === '' ? 26 : 18} class="node-name">
        {clipped(node.name, room)}
      </text>
      {node.note !== '' && (
        <text x={pad} y="33" class="node-note">
          {clipped(
            node.note,
            Math.floor((width - 2 * pad - (node.tone === null ? 0 : 12)) / (isNarrow ? 6.1 : 6.8)),
          )}
        </text>
      )}
      {node.href === null && <title>{`${node.name}${node.note === '' ? '' : `: ${node.note}`}`}</title>}
    </>
  );
  return (
    <g class="node" transform={`translate(${node.x} ${node.y - height / 2})`}>
      {node.href === null ? content : <a href={node.href}>{content}</a>}
    </g>
  );
}

function said({ from, to, flow }: Edge): string {
  if (flow.instancesPerSecond === 0) return `${from.name} to ${to.name}: nothing now`;
  return `${from.name} to ${to.name}: ${perSecond(flow.instancesPerSecond)} images, ${size(flow.bytesPerSecond)}/s`;
}

function clipped(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, Math.max(1, most - 1))}…`;
}
