import type { RequestHandler } from 'express';
import { z } from 'zod';
import type { AdminDeps } from '../deps.ts';
import { seriesAnswer, seriesQuery } from '../observe-schemas.ts';
import { notHere, Problem } from '../problems.ts';
import { check, type Route, rawRoute } from '../route.ts';
import { gridOf, leastSpanMs, mostSpanMs, usualPoints } from '../series/grid.ts';
import type { SeriesFormat } from '../series/text.ts';

const hourMs = 3_600_000;
const types: Readonly<Record<SeriesFormat, string>> = { json: 'application/json', csv: 'text/csv' };

/** Figures over time, for charts. */
export function seriesRoutes({
  series,
  clock,
  topology,
}: Pick<AdminDeps, 'series' | 'clock' | 'topology'>): readonly Route[] {
  function answer(format: SeriesFormat): RequestHandler {
    return async (request, response) => {
      if (series === undefined) throw notHere('series');
      const asked = check('query', seriesQuery, request.query);
      const now = clock();
      const to = asked.to ?? now;
      const from = asked.from ?? to - hourMs;
      const span = to - from;
      if (span < leastSpanMs || span > mostSpanMs) {
        const detail = 'must be 15 minutes to a year before `to`';
        throw new Problem(400, 'invalid-request', 'The request is not valid', `query.from: ${detail}`, {
          problems: [{ where: 'query.from', detail }],
        });
      }
      const grid = gridOf({ from, to, points: asked.points ?? usualPoints, now }, topology.history);
      const body = await series.read(grid, format);
      response.set('Cache-Control', 'no-store').type(types[format]);
      if (format === 'csv') response.attachment('series.csv');
      // Not by `send`, which would hash some megabytes to name a body that is never the same again.
      response.set('Content-Length', String(body.byteLength)).end(body);
    };
  }

  return [
    rawRoute({
      method: 'get',
      path: '/api/v1/series',
      summary: 'Figures over time for charts: the farm as a whole, and every Orthanc',
      query: seriesQuery,
      answer: seriesAnswer,
      answerType: null,
      problems: { 503: 'Too many ask at once' },
      handlers: [answer('json')],
    }),
    rawRoute({
      method: 'get',
      path: '/api/v1/series.csv',
      summary: 'The same as a table: a row for each interval',
      query: seriesQuery,
      answer: z.unknown(),
      answerType: types.csv,
      problems: { 503: 'Too many ask at once' },
      handlers: [answer('csv')],
    }),
  ];
}
