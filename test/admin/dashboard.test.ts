import { expect, test } from 'vitest';
import { adminRig } from './rig.ts';

test('the dashboard is served without a token; what has a hash in its name is kept for ever, what names it is not', async () => {
  const rig = await adminRig();
  const page = await fetch(`${rig.url}/`);
  expect(page.status).toBe(200);
  expect(page.headers.get('content-type')).toContain('text/html');
  expect(page.headers.get('cache-control')).toBe('no-cache');
  expect(page.headers.get('etag')).not.toBeNull();
  const text = await page.text();
  const assets = [...text.matchAll(/"\.\/(assets\/[^"]+)"/g)].map(([, path]) => path);
  expect(assets.length).toBeGreaterThan(1);
  for (const asset of assets) {
    const file = await fetch(`${rig.url}/${asset}`);
    expect(file.status).toBe(200);
    expect(file.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    await file.arrayBuffer();
  }
});

test('the page may load nothing from elsewhere, run nothing inline, and be framed by nobody', async () => {
  const rig = await adminRig();
  const page = await fetch(`${rig.url}/`);
  const policy = new Map(
    (page.headers.get('content-security-policy') ?? '').split(';').map((part): [string, string] => {
      const [name = '', ...sources] = part.trim().split(' ');
      return [name, sources.join(' ')];
    }),
  );
  expect(policy.get('default-src')).toBe("'none'");
  expect(policy.get('script-src')).toBe("'self'");
  expect(policy.get('style-src')).toBe("'self'");
  expect(policy.get('connect-src')).toBe("'self'");
  expect(policy.get('frame-ancestors')).toBe("'none'");
  await page.arrayBuffer();
});
