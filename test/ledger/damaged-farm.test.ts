import {
  closeSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { expect, test } from 'vitest';
import { accountFor } from '../support/accounting.ts';
import { sendAllDicom } from '../support/dicom-sender.ts';
import { backendsUp, type Farm, frontsEmpty, startFarm } from '../support/farm.ts';
import {
  makeStudy,
  type SyntheticInstance,
  type SyntheticStudy,
  writeInstances,
} from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';

const damages: Record<string, (file: string) => void> = {
  deleted: (file) => {
    for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
  },
  'overwritten with garbage': (file) => writeFileSync(file, Buffer.alloc(100_000, 'garbage ')),
  'cut off': (file) => truncateSync(file, Math.floor(statSync(file).size / 2)),
  'damaged in the middle': (file) => {
    const fd = openSync(file, 'r+');
    // All of its middle: on a single page nothing may ever stand that is looked at again.
    const bytes = Buffer.alloc(Math.floor(statSync(file).size / 2), 'garbage ');
    writeSync(fd, bytes, 0, bytes.length, 8192);
    closeSync(fd);
  },
};

test('whatever happens to the ledger while the service is away: everything arrives, and late images follow their study', async () => {
  await using farm = await startFarm({ settle: '300 ms', backends: 3 });
  await using dir = await tempDir();
  const acknowledged: SyntheticInstance[] = [];
  const send = async (instances: readonly SyntheticInstance[], name: string): Promise<void> => {
    const files = await writeInstances(instances, join(dir.path, name));
    await sendAllDicom(files, { port: farm.front.dicomPort, associations: 3 });
    acknowledged.push(...instances);
  };
  const ledger = join(farm.home, 'ledger.sqlite');

  for (const [what, damage] of Object.entries(damages)) {
    const early = studies(`early ${what}`);
    const late = studies(`late ${what}`);
    await send(
      early.flatMap((study) => study.instances.slice(0, 4)),
      `1 ${what}`,
    );
    await frontsEmpty(farm);
    const { studyOn } = await accountFor(farm, acknowledged);
    await farm.service.kill('SIGTERM');
    // While it is away: new studies, and more of those that left the front long ago.
    await send(
      late.flatMap((study) => study.instances),
      `2 ${what}`,
    );
    await send(
      early.flatMap((study) => study.instances.slice(4, 6)),
      `3 ${what}`,
    );
    damage(ledger);
    await startAndAgain(farm);
    await send(
      early.flatMap((study) => study.instances.slice(6)),
      `4 ${what}`,
    );
    await empty(farm);

    const account = await accountFor(farm, acknowledged);
    expect(account.wrong, what).toEqual([]);
    for (const [study, backend] of studyOn) expect(account.studyOn.get(study), what).toBe(backend);
    const { notice } = await farm.service.get<{ notice: string | null }>('/readyz');
    if (what !== 'damaged in the middle') {
      expect(notice, what).toMatch(what === 'deleted' ? /was gone/ : /was moved to ledger\.sqlite\.damaged-/);
      expect(farm.service.log()).toContain(notice);
    }
  }
  const aside = readdirSync(farm.home).filter((name) => /^ledger\.sqlite\.damaged-[\dTZ-]+\d*$/.test(name));
  expect(aside.length).toBeGreaterThanOrEqual(2);
}, 120_000);

test('damage that is met while the service runs ends it with a sentence, and the next start begins anew', async () => {
  await using farm = await startFarm({ settle: '300 ms' });
  await using dir = await tempDir();
  const study = makeStudy({ seed: 'met', instances: 6 });
  const send = async (from: number, to: number): Promise<void> => {
    const files = await writeInstances(study.instances.slice(from, to), join(dir.path, String(from)));
    await sendAllDicom(files, { port: farm.front.dicomPort });
  };
  await send(0, 3);
  await frontsEmpty(farm);
  await farm.service.kill('SIGTERM');
  const ledger = join(farm.home, 'ledger.sqlite');
  // Every announcement looks its study up in this index, and nothing at the start does.
  const eye = new BetterSqlite3(ledger, { readonly: true });
  const root = eye
    .prepare(`SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_studies_1'`)
    .pluck()
    .get();
  eye.close();
  const fd = openSync(ledger, 'r+');
  writeSync(fd, Buffer.alloc(4096, 'garbage '), 0, 4096, (Number(root) - 1) * 4096);
  closeSync(fd);

  await farm.service.start();
  await send(3, 6);
  await until(() => !farm.service.running, { what: 'the service to end' });
  expect(farm.service.log()).toMatch(
    /^dde service: The ledger is damaged: .* moves it aside and fills a new one/m,
  );
  await farm.service.start();
  // Ready only once every Orthanc has been asked, which a start does not wait for.
  const { notice } = await until(() => farm.service.get<{ notice: string }>('/readyz'), {
    what: 'the service to be ready',
  });
  expect(notice).toContain('was moved to ledger.sqlite.damaged-');
  await frontsEmpty(farm);
  const { wrong } = await accountFor(farm, study.instances);
  expect(wrong).toEqual([]);
  const { items } = await farm.service.get<{ items: { action: string }[] }>('/api/v1/audit');
  expect(items).toMatchObject([{ action: 'ledger-begun-anew' }]);
}, 120_000);

function studies(name: string): SyntheticStudy[] {
  return Array.from({ length: 4 }, (_, index) => makeStudy({ seed: `${name} ${index}`, instances: 8 }));
}

/** As whoever keeps it running does: when it ends by itself, it is started again. */
async function startAndAgain(farm: Farm): Promise<void> {
  await until(
    async () => {
      if (!farm.service.running) await farm.service.start();
      await backendsUp(farm.service, 3);
      return farm.service.running;
    },
    { what: 'the service to stay', timeoutMs: 60_000 },
  );
}

async function empty(farm: Farm): Promise<void> {
  await until(
    async () => {
      if (!farm.service.running) await startAndAgain(farm);
      await frontsEmpty(farm, 3000);
      return true;
    },
    { what: 'the fronts to be empty', timeoutMs: 60_000 },
  );
}
