import { expect, test } from 'vitest';
import { backendSettings, newBackend } from '../../src/admin/steer-schemas.ts';

const backend = { name: 'third', url: 'http://third:8042' };

test('a request brings no variable of the service into the topology, and sends none of its tokens anywhere', () => {
  for (const more of [
    { url: 'http://${DDE_ADMIN_TOKEN}' },
    { peerUrl: 'http://${DDE_ADMIN_TOKEN}' },
    { username: '${DDE_ADMIN_TOKEN}' },
    // A size that is not understood is repeated in the answer.
    { disk: '${DDE_ADMIN_TOKEN}' },
    { passwordEnv: 'DDE_ADMIN_TOKEN' },
    { passwordEnv: 'DDE_HOOK_TOKEN' },
  ]) {
    expect(newBackend.safeParse({ ...backend, ...more }).success, JSON.stringify(more)).toBe(false);
    expect(backendSettings.safeParse(more).success, JSON.stringify(more)).toBe(false);
  }
  for (const more of [{ disk: '2 TB' }, { disk: 5 }, { passwordEnv: 'DDE_THIRD_PASSWORD' }])
    expect(newBackend.safeParse({ ...backend, ...more }).success, JSON.stringify(more)).toBe(true);
});
