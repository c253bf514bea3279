import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import express, { Router } from 'express';

/** Of the package only these: its own page asks other addresses, and its source maps are of no use here. */
const parts = new Set(['/swagger-ui.css', '/swagger-ui-bundle.js']);

/** The description of the API as a page, at `/api-docs/`. Everything of it comes from this service. */
export function apiDocs(): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const folder = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  const bundled = express.static(folder, { index: false, redirect: false, maxAge: '1h' });
  const own = fileURLToPath(new URL('api-docs', import.meta.url));
  router.get('/api-docs', (_request, response) => {
    response.redirect(301, '/api-docs/');
  });
  router.use('/api-docs', (request, response, next) => {
    if (parts.has(request.path)) bundled(request, response, next);
    else next();
  });
  router.use('/api-docs', express.static(own, { cacheControl: false, redirect: false }));
  return router;
}
