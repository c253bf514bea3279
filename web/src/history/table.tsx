import { useState } from 'preact/hooks';
import type { Series } from '../lib/contract.ts';
import { count, duration, figure, size } from '../lib/format.ts';
import { Card, Scroll } from '../ui/parts.tsx';

/** A table that a person reads to the end; all of it is in the CSV. */
const rows = 24;

type Values = readonly (number | null)[];

/** The charts in figures, for those who do not see them, and for those who want to copy. */
export function FiguresTable({ series, names }: { series: Series; names: readonly string[] }) {
  const [open, setOpen] = useState(false);
  return (
    <Card title="In figures">
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>Show the same as tables</summary>
        {open && (
          <div class="stack">
            <FarmTable series={series} />
            <BackendsTable series={series} names={names} />
          </div>
        )}
      </details>
    </Card>
  );
}

function FarmTable({ series }: { series: Series }) {
  const { at, farm } = series;
  const group = Math.max(1, Math.ceil(at.length / rows));
  const starts = Array.from({ length: Math.ceil(at.length / group) }, (_, index) => index * group);
  const mean = (values: Values, start: number): string =>
    figureOf(meanOf(values.slice(start, start + group)), figure);
  const most = (values: Values, start: number, format: (value: number) => string): string =>
    figureOf(mostOf(values.slice(start, start + group)), format);
  return (
    <Scroll label="The farm over time">
      <table class="dense">
        <thead>
          <tr>
            <th scope="col">From</th>
            <th scope="col" class="number">
              Images/s in
            </th>
            <th scope="col" class="number">
              Images/s out
            </th>
            <th scope="col" class="number">
              In
            </th>
            <th scope="col" class="number">
              Out
            </th>
            <th scope="col" class="number">
              Most waiting
            </th>
            <th scope="col" class="number">
              Oldest
            </th>
          </tr>
        </thead>
        <tbody>
          {starts.map((start) => (
            <tr key={start}>
              <th scope="row">{new Date((at[start] ?? 0) * 1000).toLocaleString()}</th>
              <td class="number">{mean(farm.inInstances, start)}</td>
              <td class="number">{mean(farm.outInstances, start)}</td>
              <td class="number">
                {figureOf(meanOf(farm.inBytes.slice(start, start + group)), (value) => `${size(value)}/s`)}
              </td>
              <td class="number">
                {figureOf(meanOf(farm.outBytes.slice(start, start + group)), (value) => `${size(value)}/s`)}
              </td>
              <td class="number">{most(farm.waitingInstances, start, count)}</td>
              <td class="number">{most(farm.oldestAgeSeconds, start, duration)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function BackendsTable({ series, names }: { series: Series; names: readonly string[] }) {
  return (
    <Scroll label="Each backend over this time">
      <table class="dense">
        <thead>
          <tr>
            <th scope="col">Backend</th>
            <th scope="col" class="number">
              Up
            </th>
            <th scope="col" class="number">
              Images/s
            </th>
            <th scope="col" class="number">
              Seconds per transfer
            </th>
            <th scope="col" class="number">
              Answers in
            </th>
            <th scope="col" class="number">
              Decisions
            </th>
          </tr>
        </thead>
        <tbody>
          {names.map((name) => {
            const one = series.orthancs[name];
            if (one === undefined) return null;
            return (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td class="number">{figureOf(meanOf(one.up), (value) => `${Math.round(value * 100)} %`)}</td>
                <td class="number">{figureOf(meanOf(one.outInstances), figure)}</td>
                <td class="number">{figureOf(meanOf(one.transferSeconds), duration)}</td>
                <td class="number">{figureOf(meanOf(one.latencyMs), (value) => `${figure(value)} ms`)}</td>
                <td class="number">
                  {count(one.decisions.reduce<number>((sum, value) => sum + (value ?? 0), 0))}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scroll>
  );
}

function figureOf(value: number | null, format: (value: number) => string): string {
  return value === null ? '–' : format(value);
}

function meanOf(values: Values): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
}

function mostOf(values: Values): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}
