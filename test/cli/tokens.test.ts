import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { createdTokenAnswer, tokenAnswer } from '../../src/admin/account-schemas.ts';
import { type Farm, startFarm } from '../support/farm.ts';
import { isNarrow, type Ran, runDde, typeDde } from './dde.ts';

let farm: Farm;
beforeAll(async () => {
  farm = await startFarm({ backends: 1 });
}, 60_000);
afterAll(async () => farm?.stop());

/** With the token in a file, as somebody else has it. */
async function withToken(token: string, args: readonly string[]): Promise<Ran> {
  const file = join(farm.home, 'a-token');
  await writeFile(file, `${token}\n`);
  return await runDde(farm, [...args, '--token-file', file]);
}

test('a token is made, used, listed and revoked', async () => {
  expect((await runDde(farm, ['tokens'])).out).toContain('No token was created yet');
  const created = await runDde(farm, ['tokens', 'create', 'night-shift', '--role', 'operate']);
  expect(created).toMatchObject({ code: 0, out: expect.stringMatching(/^dde_[\w-]{43}\n$/) });
  expect(created.err).toContain('not shown again');
  const token = created.out.trim();

  expect(await withToken(token, ['backends', 'weight', 'orthanc1', '1'])).toMatchObject({ code: 0, err: '' });
  const tooSmall = await withToken(token, ['tokens']);
  expect(tooSmall).toMatchObject({ code: 1, out: '' });
  expect(tooSmall.err).toContain('night-shift has the role operate; this needs admin.');
  expect((await runDde(farm, ['audit'])).out).toMatch(/night-shift {2}backend-set/);

  const listed = await runDde(farm, ['tokens']);
  expect(listed.out).toMatch(/^night-shift +operate +\d{4}-\d\d-\d\d +admin +\d{4}-\d\d-\d\d \d\d:\d\d$/m);
  expect(isNarrow(listed), listed.out).toBe(true);

  const revoked = await runDde(farm, ['tokens', 'revoke', 'Night-Shift', '--yes']);
  expect(revoked).toMatchObject({ code: 0, out: expect.stringContaining('night-shift is revoked') });
  expect(await withToken(token, ['queue'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('refuses the token'),
  });
  expect((await runDde(farm, ['tokens'])).out).toMatch(/^night-shift .* revoked \d{4}-/m);
});

test('revoking asks first, and takes only yes for a yes', async () => {
  await runDde(farm, ['tokens', 'create', 'wall', '--role', 'view']);
  expect(await runDde(farm, ['tokens', 'revoke', 'wall'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('say --yes'),
  });
  const refused = await typeDde(farm, ['tokens', 'revoke', 'wall'], 'no\n');
  expect(refused.code).toBe(1);
  expect(refused.err).toContain('wall, view, last used: never.');
  const list = async () =>
    z.array(tokenAnswer).parse(JSON.parse((await runDde(farm, ['tokens', 'list', '--json'])).out));
  expect((await list()).find(({ name }) => name === 'wall')?.revokedAt).toBeNull();
  expect((await typeDde(farm, ['tokens', 'revoke', 'wall'], 'yes\n')).code).toBe(0);
  expect((await list()).find(({ name }) => name === 'wall')?.revokedAt).not.toBeNull();
});

test('as JSON, for programs', async () => {
  const created = await runDde(farm, ['tokens', 'create', 'prometheus', '--role', 'view', '--json']);
  expect(createdTokenAnswer.parse(JSON.parse(created.out))).toMatchObject({
    name: 'prometheus',
    role: 'view',
  });
  const revoked = await runDde(farm, ['tokens', 'revoke', 'prometheus', '--yes', '--json']);
  expect(tokenAnswer.parse(JSON.parse(revoked.out)).revokedAt).not.toBeNull();
});

test.each([
  ['a role that is none', ['tokens', 'create', 'x', '--role', 'root'], 2, 'view, operate, admin'],
  ['no role', ['tokens', 'create', 'x'], 2, '--role'],
  ['a name that is none', ['tokens', 'create', 'a b', '--role', 'view'], 2, 'must be 1 to 63 letters'],
  ['a name that is taken', ['tokens', 'create', 'admin', '--role', 'view'], 1, 'choose another'],
  ['revoking what is not there', ['tokens', 'revoke', 'nobody', '--yes'], 1, 'no token named nobody'],
])('%s is said in a sentence', async (_what, args, code, says) => {
  const ran = await runDde(farm, args);
  expect(ran).toMatchObject({ code, out: '' });
  expect(ran.err).toContain(says);
});
