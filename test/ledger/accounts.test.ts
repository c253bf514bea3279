import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { openLedger } from '../../src/ledger/open.ts';
import { openOrBeginAnew } from '../../src/ledger/recovery.ts';
import { newLedger } from './support.ts';

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
const token = (name: string, role: 'view' | 'operate' | 'admin' = 'view') => ({
  name,
  role,
  hash: hash(name),
  createdBy: 'admin',
});

test('a token is found by its hash until it is revoked, and its name is taken for ever', async () => {
  const { ledger } = await newLedger();
  expect(ledger.createToken(token('Wall'), 1)).toEqual({
    name: 'Wall',
    role: 'view',
    createdAt: 1,
    createdBy: 'admin',
    lastUsedAt: null,
    revokedAt: null,
  });
  expect(ledger.createToken({ ...token('wall'), hash: hash('another') }, 2)).toBeNull();
  expect(ledger.tokenOf(hash('Wall'))?.name).toBe('Wall');
  expect(ledger.tokenOf(hash('wall'))).toBeNull();
  expect(ledger.revokeToken('WALL', 3)?.revokedAt).toBe(3);
  expect(ledger.revokeToken('wall', 4)?.revokedAt).toBe(3);
  expect(ledger.revokeToken('nobody', 4)).toBeNull();
  expect(ledger.tokenOf(hash('Wall'))).toBeNull();
  expect(ledger.createToken(token('wall'), 5)).toBeNull();
  expect(ledger.tokens()).toHaveLength(1);
});

test('a session is one until its time, its end, or the end of its token', async () => {
  const { ledger } = await newLedger();
  for (const name of ['a', 'b']) ledger.createToken(token(name, 'operate'), 1);
  const begin = (id: string, name: string | null): void =>
    ledger.startSession(
      { hash: hash(id), token: name, seal: name === null ? 'seal' : null, expiresAt: 100 },
      10,
      5,
    );
  for (const [id, name] of [
    ['1', 'a'],
    ['2', 'b'],
    ['3', null],
    ['4', 'b'],
  ] as const)
    begin(id, name);
  expect(ledger.session(hash('1'), 99)).toMatchObject({ token: { name: 'a', role: 'operate' }, seal: null });
  expect(ledger.session(hash('3'), 99)).toMatchObject({ token: null, seal: 'seal' });
  expect(ledger.session(hash('1'), 100)).toBeNull();
  ledger.noteSessionUse(hash('1'), 200, 50);
  expect(ledger.session(hash('1'), 100)).toMatchObject({ lastSeenAt: 50, expiresAt: 200 });
  ledger.endSession(hash('4'));
  ledger.revokeToken('a', 60);
  const left = ['1', '2', '3', '4'].filter((id) => ledger.session(hash(id), 60) !== null);
  expect(left).toEqual(['2', '3']);
  expect(() => begin('5', 'nobody')).toThrow(expect.objectContaining({ code: 'failed' }));
});

test('a damaged ledger gives its tokens to the new one, the revoked ones as such, and no session', async () => {
  const { ledger, file } = await newLedger();
  ledger.createToken(token('stays', 'operate'), 1);
  ledger.createToken(token('gone', 'admin'), 2);
  ledger.noteTokenUse('stays', 3);
  ledger.revokeToken('gone', 4);
  ledger.startSession({ hash: hash('s'), token: 'stays', seal: null, expiresAt: 1e9 }, 5, 5);
  const before = ledger.tokens();
  await ledger.close();
  writeFileSync(
    `${file}.damaged`,
    JSON.stringify({ aside: 'aside', why: 'The ledger is damaged: it was said so' }),
  );
  const anew = openOrBeginAnew(file, { usedBefore: true, now: 10 });
  onTestFinished(() => anew.ledger.close());
  expect(anew.notice).toContain('2 tokens');
  expect(anew.ledger.tokens()).toEqual(before);
  expect(anew.ledger.tokenOf(hash('stays'))?.role).toBe('operate');
  expect(anew.ledger.tokenOf(hash('gone'))).toBeNull();
  expect(anew.ledger.session(hash('s'), 10)).toBeNull();
});

test('a backup that is put back brings its tokens, and nobody is signed in', async () => {
  const { ledger, file } = await newLedger();
  ledger.createToken(token('a'), 1);
  ledger.startSession({ hash: hash('s'), token: 'a', seal: null, expiresAt: 1e9 }, 5, 5);
  await ledger.backup(`${file}.copy`);
  const restored = openLedger(`${file}.copy`);
  onTestFinished(() => restored.close());
  expect(restored.tokenOf(hash('a'))?.name).toBe('a');
  expect(restored.session(hash('s'), 10)).toBeNull();
});

test('a backup that is put back says which tokens are valid, with its entry in the audit trail, and says it once', async () => {
  const { ledger, file } = await newLedger();
  for (const name of ['revoked-before', 'revoked-since', 'kept'])
    ledger.createToken({ name, role: 'view', hash: hash(name), createdBy: 'admin' }, 1);
  ledger.revokeToken('revoked-before', 2);
  const copy = `${file}.copy`;
  await ledger.backup(copy);
  ledger.revokeToken('revoked-since', 3);

  const first = openOrBeginAnew(copy, { usedBefore: true, now: 4 });
  expect(first.notice).toContain('Valid are: kept, revoked-since. Revoke what must not be');
  const entries = first.ledger.auditTrail({ limit: 9 }).items;
  expect(entries).toMatchObject([{ who: 'service', action: 'ledger-restored', detail: first.notice }]);
  await first.ledger.close();
  const second = openOrBeginAnew(copy, { usedBefore: true, now: 5 });
  onTestFinished(() => second.ledger.close());
  expect(second.notice).toBeNull();
  expect(second.ledger.auditTrail({ limit: 9 }).items).toEqual(entries);
});
