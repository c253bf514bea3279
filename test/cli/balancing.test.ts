import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { decisionsAnswer } from '../../src/admin/schemas.ts';
import { shadowAnswer } from '../../src/admin/shadow-schemas.ts';
import { type Farm, startFarm } from '../support/farm.ts';
import { makeStudy } from '../support/synthetic.ts';
import { until } from '../support/wait.ts';
import { isNarrow, runDde } from './dde.ts';

let farm: Farm;
const studies = Array.from({ length: 4 }, (_, index) =>
  makeStudy({ seed: `balancing-${index}`, instances: 3 }),
);

const replayed = z.object({ policy: z.string(), studies: z.number(), lost: z.number() });

beforeAll(async () => {
  farm = await startFarm({ routing: { policy: 'expected-completion', shadow: 'round-robin' } });
  const folder = join(farm.home, 'studies');
  await mkdir(folder);
  for (const { instances } of studies)
    for (const { sopUid, file } of instances) await writeFile(join(folder, `${sopUid}.dcm`), file);
  const sent = await runDde(farm, ['send', folder, '--wait', '30']);
  expect(sent, sent.err).toMatchObject({ code: 0 });
}, 90_000);
afterAll(async () => farm?.stop());

test('explain says what was reckoned with, and what happened', async () => {
  const uid = studies[0]?.studyUid ?? '';
  const ran = await runDde(farm, ['explain', uid]);
  expect(ran, ran.err).toMatchObject({ code: 0 });
  expect(isNarrow(ran), ran.out).toBe(true);
  expect(ran.out).toMatch(/Reckoned with \d+ images?, /);
  expect(ran.out).toMatch(/BACKEND +SECONDS +BOOKED +OWN +c ms +o ms +r MB\/s +g +LANES/);
  expect(ran.out).toMatch(/images +\d+ +3, 3 proven/);
  expect(ran.out).not.toContain('not yet');
  const json = decisionsAnswer
    .omit({ items: true })
    .extend({ decisions: decisionsAnswer.shape.items, study: z.unknown(), events: z.unknown() })
    .parse(JSON.parse((await runDde(farm, ['explain', uid, '--json'])).out));
  expect(json.outcomes).toMatchObject([
    { predicted: { seconds: expect.any(Number) }, happened: { proven: 3 } },
  ]);
  expect(json.waits).toBeNull();
});

test('shadow compares what went where with what the other policy would have done', async () => {
  const answer = await until(
    async () => {
      const ran = await runDde(farm, ['shadow', '--json']);
      const parsed = shadowAnswer.parse(JSON.parse(ran.out));
      return parsed.comparisons[0]?.studies === studies.length ? parsed : null;
    },
    { what: 'all studies to be compared' },
  );
  expect(answer).toMatchObject({ shadow: 'round-robin', leftOut: 0, notKept: 0 });
  expect(answer.comparisons).toMatchObject([
    { policy: 'expected-completion', shadow: 'round-robin', timed: studies.length, failed: 0 },
  ]);
  const ran = await runDde(farm, ['shadow']);
  expect(ran, ran.err).toMatchObject({ code: 0 });
  expect(isNarrow(ran), ran.out).toBe(true);
  expect(ran.out).toContain('round-robin beside expected-completion, 4 studies:');
});

test('replay reads the ledger of the service that is running, and finds what was', async () => {
  const ran = await runDde(farm, [
    'replay',
    '--policy',
    'least-in-flight',
    'expected-completion:no-prediction',
    '--json',
  ]);
  expect(ran, ran.err).toMatchObject({ code: 0, err: '' });
  const { was, rows } = z.object({ was: replayed, rows: z.array(replayed) }).parse(JSON.parse(ran.out));
  expect(was).toMatchObject({ policy: 'expected-completion', studies: studies.length, lost: 0 });
  expect(rows.map(({ policy }) => policy)).toEqual([
    'expected-completion',
    'least-in-flight',
    'expected-completion:no-prediction',
  ]);
  expect(rows.every(({ lost }) => lost === 0)).toBe(true);
  // The service goes on.
  expect(await runDde(farm, ['status'])).toMatchObject({ code: 0 });
});

test('a study that waits says why, and how the backends are now', async () => {
  for (const backend of ['orthanc1', 'orthanc2'])
    expect(await runDde(farm, ['backends', 'drain', backend])).toMatchObject({ code: 0 });
  const late = makeStudy({ seed: 'balancing-late', instances: 1 });
  const file = join(farm.home, 'late.dcm');
  await writeFile(file, late.instances[0]?.file ?? new Uint8Array());
  await runDde(farm, ['send', file, '--no-wait']);
  const ran = await until(
    async () => {
      const explained = await runDde(farm, ['explain', late.studyUid]);
      return explained.out.includes('The backends as they are now') ? explained : null;
    },
    { what: 'the study to wait' },
  );
  expect(isNarrow(ran), ran.out).toBe(true);
  expect(ran.out).toMatch(/It waits for \d+ s now: no backend can take it/);
  expect(ran.out.split('The backends as they are now')[1]).toMatch(/orthanc1.*drain[^]*orthanc2.*drain/);

  await runDde(farm, ['backends', 'ready', 'orthanc1']);
  await until(async () => (await runDde(farm, ['explain', late.studyUid])).out.includes('1, 1 proven'), {
    what: 'the study to arrive',
  });
  const { out } = await runDde(farm, ['explain', late.studyUid]);
  expect(out).not.toContain('It waits');
  expect(out).toContain('placed on orthanc1');
});
