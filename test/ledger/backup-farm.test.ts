import { copyFileSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { expect, test } from 'vitest';
import { faultOfCopy } from '../../src/ledger/backup.ts';
import { isNarrow, runDde, spawnDde } from '../cli/dde.ts';
import { accountFor } from '../support/accounting.ts';
import { sendAllDicom } from '../support/dicom-sender.ts';
import { backendsUp, frontsEmpty, startFarm } from '../support/farm.ts';
import { makeStudy, type SyntheticInstance, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';

test('a backup over the command line, and life goes on with it when it is put back', async () => {
  await using farm = await startFarm({ settle: '300 ms', backends: 3 });
  await using dir = await tempDir();
  const acknowledged: SyntheticInstance[] = [];
  let sendings = 0;
  const send = async (instances: readonly SyntheticInstance[]): Promise<void> => {
    const files = await writeInstances(instances, join(dir.path, String(sendings++)));
    await sendAllDicom(files, { port: farm.front.dicomPort, associations: 2 });
    acknowledged.push(...instances);
  };
  const studies = (name: string) =>
    Array.from({ length: 3 }, (_, index) => makeStudy({ seed: `${name} ${index}`, instances: 6 }));
  const part = (of: ReturnType<typeof studies>, from: number, to: number) =>
    of.flatMap((study) => study.instances.slice(from, to));

  const [before, during, after, away] = [
    studies('before'),
    studies('during'),
    studies('after'),
    studies('away'),
  ];
  await send(part(before, 0, 4));
  await frontsEmpty(farm);

  // Something is under way when the copy is made: one backend does not take it yet.
  for (const orthanc of farm.backends.values()) await orthanc.kill('SIGSTOP');
  await send(part(during, 0, 4));
  const file = join(dir.path, 'ledger-copy.sqlite');
  const made = await spawnDde(farm, ['backup', file]);
  expect(made, made.err).toMatchObject({ code: 0 });
  expect(made.out).toContain('checked');
  for (const orthanc of farm.backends.values()) await orthanc.kill('SIGCONT');

  expect(faultOfCopy(file)).toBeNull();
  const again = await runDde(farm, ['backup', file]);
  expect(again).toMatchObject({ code: 2 });
  expect(again.err).toContain('--force replaces it');
  expect((await runDde(farm, ['backup', join(dir.path, 'nowhere', 'x')])).code).toBe(2);
  expect((await runDde(farm, ['backup', dir.path, '--force'])).code).toBe(2);
  const other = join(dir.path, 'other.sqlite');
  writeFileSync(other, 'something');
  const forced = await runDde(farm, ['backup', other, '--force', '--json']);
  expect(forced, forced.err).toMatchObject({ code: 0 });
  expect(JSON.parse(forced.out)).toMatchObject({ file: other });
  expect(isNarrow(await runDde(farm, ['backup', '--help']))).toBe(true);
  expect(readdirSync(dir.path).filter((name) => /partial|-wal|-shm/.test(name))).toEqual([]);

  // Whoever hangs up leaves nothing behind.
  const hasty = new AbortController();
  const asked = farm.service.request('/api/v1/backup', { signal: hasty.signal });
  setImmediate(() => hasty.abort());
  await asked.catch(() => undefined);
  const copies = () => readdirSync(farm.home).filter((name) => name.startsWith('.backup-'));
  await until(() => copies().length === 0, { what: 'the copy of the service to be gone' });
  const answer = await until(
    async () => {
      const one = await farm.service.request('/api/v1/backup');
      // The one that was given up is still being made.
      return one.status === 409 ? null : one;
    },
    { what: 'a backup to be made' },
  );
  expect(answer.headers.get('content-type')).toBe('application/vnd.sqlite3');
  expect(Buffer.from(await answer.arrayBuffer()).toString('latin1', 0, 15)).toBe('SQLite format 3');
  await until(() => copies().length === 0, { what: 'the copy of the service to be gone' });

  await frontsEmpty(farm);
  await send(part(after, 0, 4));
  await frontsEmpty(farm);
  const { studyOn } = await accountFor(farm, acknowledged);

  await farm.service.kill('SIGKILL');
  await send(part(away, 0, 6));
  // As a hurried person does it: the log of the ledger before stays where it is.
  copyFileSync(file, join(farm.home, 'ledger.sqlite'));
  expect(existsSync(join(farm.home, 'ledger.sqlite-wal'))).toBe(true);
  await farm.service.start();
  await backendsUp(farm.service, 3);
  for (const late of [before, during, after]) await send(part(late, 4, 6));
  await frontsEmpty(farm);

  const account = await accountFor(farm, acknowledged);
  expect(account.wrong).toEqual([]);
  for (const [study, backend] of studyOn) expect(account.studyOn.get(study)).toBe(backend);
  // Nobody is told that images vanished which were delivered after the copy was made.
  const { items } = await farm.service.get<{ items: { state: string }[] }>('/api/v1/studies?limit=100');
  expect(items.map(({ state }) => state).filter((state) => state !== 'removed')).toEqual([]);
  await farm.service.kill('SIGTERM');
  const eye = new BetterSqlite3(join(farm.home, 'ledger.sqlite'), { readonly: true });
  expect(eye.pragma('integrity_check', { simple: true })).toBe('ok');
  eye.close();
}, 120_000);
