import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { countInstances, type Farm, holdings } from '../support/farm.ts';
import { makeStudy, type SyntheticInstance } from '../support/synthetic.ts';
import { until } from '../support/wait.ts';
import { startInProcess } from './in-process.ts';
import { send } from './sending.ts';

/** Where the front keeps the file of this instance. */
async function fileOf(farm: Farm, { sopUid }: SyntheticInstance): Promise<string> {
  for (const entry of await readdir(farm.front.folder, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    // Files of its storage have the name of a UUID; its index and log name the instance as well.
    if (!entry.isFile() || !/^[0-9a-f-]{36}$/.test(entry.name)) continue;
    const content = await readFile(file);
    if (content.includes('DICM') && content.includes(sopUid)) return file;
  }
  throw new Error(`no file of ${sopUid}`);
}

test('files that the front has lost, that are cut off or rotten, wait for a person; all others arrive', async () => {
  const study = makeStudy({ seed: 'unreadable', instances: 24 });
  const [lost, short, rotten, ...sound] = study.instances;
  if (lost === undefined || short === undefined || rotten === undefined) throw new Error('24 were made');
  await using one = await startInProcess({
    backends: 1,
    routing: { rebindAfter: 'none', healAfter: 'none' },
    random: () => 0,
    before: async (farm) => {
      await send(farm, study.instances);
      await rm(await fileOf(farm, lost));
      await truncate(await fileOf(farm, short), 700);
      const file = await fileOf(farm, rotten);
      const content = await readFile(file);
      content.writeUInt8(content.readUInt8(content.length - 9) ^ 4, content.length - 9);
      await writeFile(file, content);
      // Otherwise it would give them from memory.
      await farm.front.restart('SIGKILL');
    },
  });
  const { farm, service } = one;
  const items = await until(
    () => {
      const page = service.ledger.quarantined({ limit: 10 });
      return page.items.length === 3 ? page.items : null;
    },
    { what: 'three in quarantine', timeoutMs: 30_000 },
  );
  const said = new Map(items.map((item) => [item.orthancId, item]));
  for (const bad of [lost, short, rotten])
    expect(said.get(bad.orthancId)).toMatchObject({ code: 'unreadable' });
  expect(said.get(lost.orthancId)?.detail).toMatch(/front cannot give its own file/);
  // From 1.13.0 Orthanc notices by itself.
  expect(said.get(rotten.orthancId)?.detail).toMatch(/has other content|cannot give its own file/);
  // Nothing of what is rotten stays on the backend, where it is until it is proven to be other, and the front keeps what it has. Which
  // are there is what is waited for, not how many: the rotten one would count as the last of the others.
  const arrived = sound.map((each) => each.orthancId).toSorted();
  await until(
    async () => isDeepStrictEqual([...(await holdings(farm.backend('orthanc1'))).keys()].toSorted(), arrived),
    { what: 'all others to arrive, and nothing else', timeoutMs: 30_000 },
  );
  await until(async () => (await countInstances(farm.front)) === 3, { what: 'the front to keep the three' });
});
