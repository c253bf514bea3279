import { existsSync } from 'node:fs';
import { sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import express, { type RequestHandler } from 'express';
import type { Logger } from 'winston';
import { Problem } from './problems.ts';

const built = fileURLToPath(new URL('../../web/dist', import.meta.url));
const yearSeconds = 31_536_000;

/**
 * The files of the dashboard. Those under `assets/` have a hash of their content in their name and may be kept for ever; what names
 * them is asked for each time, so that a new version is seen at once.
 *
 * @param folder where it was built; a service without it answers `/` with how to build it
 */
export function dashboard(log: Logger, folder = built): readonly RequestHandler[] {
  if (!existsSync(folder)) log.warn('the dashboard is not built: "npm start" builds it', { folder });
  const files = express.static(folder, {
    redirect: false,
    setHeaders: (response, file) => {
      response.set(
        'Cache-Control',
        file.startsWith(`${folder}${sep}assets${sep}`)
          ? `public, max-age=${yearSeconds}, immutable`
          : 'no-cache',
      );
    },
  });
  const missing: RequestHandler = (request, _response, next) => {
    if (request.path !== '/' || existsSync(folder)) {
      next();
      return;
    }
    throw new Problem(
      503,
      'no-dashboard',
      'The dashboard is not built',
      '"npm start" builds it; the API and the command line work without it.',
    );
  };
  return [files, missing];
}
