import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { sendDicom } from '../support/dicom-sender.ts';
import { type Farm, frontsEmpty, startFarm } from '../support/farm.ts';
import { makeStudy, type SyntheticStudy, writeInstances } from '../support/synthetic.ts';
import { tempDir } from '../support/temp.ts';
import { until } from '../support/wait.ts';
import { expectDelivered } from './expect.ts';

const decisionsSchema = z.object({
  items: z.array(
    z.object({
      policy: z.string(),
      kind: z.string(),
      backend: z.string().nullable(),
      considered: z.array(z.object({ backend: z.string(), inputs: z.record(z.string(), z.unknown()) })),
    }),
  ),
});

async function send(farm: Farm, folder: string, seed: string, instances: number): Promise<SyntheticStudy> {
  const study = makeStudy({ seed, instances });
  const files = await writeInstances(study.instances, join(folder, seed));
  const answers = await sendDicom(files, { port: farm.front.dicomPort });
  expect(answers.every(({ acknowledged }) => acknowledged)).toBe(true);
  return study;
}

async function decisionOf(farm: Farm, study: SyntheticStudy) {
  const path = `/api/v1/studies/${study.studyUid}/decisions`;
  return until(
    async () => {
      const { items } = decisionsSchema.parse(await farm.service.get(path));
      return items.find(({ backend }) => backend !== null);
    },
    { what: `a decision about ${study.studyUid}` },
  );
}

/** Transfers learnt from, by backend, as they would be after a death now. */
function keptSamples(farm: Farm): ReadonlyMap<string, number> {
  const db = new BetterSqlite3(join(farm.home, 'ledger.sqlite'), { readonly: true });
  try {
    const rows = z
      .array(z.object({ backend: z.string(), samples: z.number() }))
      .parse(db.prepare('SELECT backend, samples FROM service_models').all());
    return new Map(rows.map(({ backend, samples }) => [backend, samples]));
  } finally {
    db.close();
  }
}

test('another policy counts from a saved line in the topology on, a mistake changes nothing, and what was learnt outlives a kill', async () => {
  await using farm = await startFarm({ settle: '300 ms' });
  await using dir = await tempDir();
  const file = join(farm.folder, 'orthanc-config', 'topology.yaml');
  const original = readFileSync(file, 'utf8');
  const routing = (more: string): void =>
    writeFileSync(file, original.replace(/^routing:\n/m, `routing:\n${more}`));
  const said = (text: string) =>
    until(() => farm.service.log().includes(text), { what: `the service to say "${text}"` });

  const first = await send(farm, dir.path, 'first', 30);
  expect((await decisionOf(farm, first)).policy).toBe('expected-completion');

  routing('  policy: round-robin\n');
  await said('topology taken over');
  const second = await send(farm, dir.path, 'second', 3);
  expect((await decisionOf(farm, second)).policy).toBe('round-robin');

  routing('  policy: roundest-robin\n');
  await said('mistake in the topology');
  expect(farm.service.running).toBe(true);
  const third = await send(farm, dir.path, 'third', 3);
  expect((await decisionOf(farm, third)).policy).toBe('round-robin');

  writeFileSync(file, original.replace('reconcile:', 'stall: 20 s\n  reconcile:'));
  await said('routing.stallMs');
  const fourth = await send(farm, dir.path, 'fourth', 3);
  expect((await decisionOf(farm, fourth)).policy).toBe('expected-completion');

  const learnt = await until(
    () => {
      const samples = keptSamples(farm);
      return samples.size === 2 ? samples : null;
    },
    { what: 'what was learnt of both backends to be kept', timeoutMs: 20_000 },
  );
  await farm.service.kill('SIGKILL');
  await farm.service.start();
  await until(
    async () => {
      const { items } = await farm.service.get<{ items: { health: string }[] }>('/api/v1/backends');
      return items.every(({ health }) => health === 'up');
    },
    { what: 'the backends to be up' },
  );
  const fifth = await send(farm, dir.path, 'fifth', 3);
  const { considered } = await decisionOf(farm, fifth);
  expect(considered.map(({ backend }) => backend)).toEqual([...learnt.keys()]);
  for (const { inputs } of considered) {
    expect(inputs).not.toHaveProperty('speed');
    expect(inputs['msPerInstance']).not.toBe(8);
  }
  await frontsEmpty(farm);
  await expectDelivered(
    farm,
    [first, second, third, fourth, fifth].flatMap(({ instances }) => instances),
  );
}, 90_000);
