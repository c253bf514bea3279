import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

/**
 * The dashboard: static files that need nothing from anywhere else. Every file under `assets/` carries a hash of its content in its
 * name, so it may be kept for ever; only `index.html` is asked for anew.
 */
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  // Relative: it works behind a proxy that serves it below a path of its own.
  base: './',
  publicDir: false,
  logLevel: 'warn',
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // A file as data: address would be more to load before the first paint, and the policy allows none for scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});
