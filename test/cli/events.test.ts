import { afterAll, beforeAll, expect, test } from 'vitest';
import { type JournalAnswer, journalAnswer } from '../../src/admin/observe-schemas.ts';
import { pageOf } from '../../src/admin/schemas.ts';
import { type Farm, startFarm } from '../support/farm.ts';
import { followDde, isNarrow, runDde } from './dde.ts';

let farm: Farm;

beforeAll(async () => {
  farm = await startFarm();
}, 60_000);
afterAll(async () => farm?.stop());

/** Something that the journal tells. */
async function weigh(weight: number): Promise<void> {
  expect(await runDde(farm, ['backends', 'weight', 'orthanc1', String(weight)])).toMatchObject({ code: 0 });
}

const entriesIn = (out: string): JournalAnswer[] =>
  out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => journalAnswer.parse(JSON.parse(line)));

test('the newest first, as a list and as JSON, with as many as were asked for', async () => {
  for (const weight of [2, 3, 4]) await weigh(weight);
  const ran = await runDde(farm, ['events', '--backend', 'orthanc1', '--limit', '2']);
  expect(ran, ran.err).toMatchObject({ code: 0 });
  expect(isNarrow(ran), ran.out).toBe(true);
  expect(ran.out).toMatch(/admin {2}orthanc1\n {4}orthanc1: weight 4\n(.*\n)*.*weight 3/);
  expect(ran.out).not.toContain('weight 2');
  const json = await runDde(farm, ['events', '--kind', 'backend-set', '--all', '--json']);
  const { items, next } = pageOf(journalAnswer).parse(JSON.parse(json.out));
  expect(items.map(({ text }) => text.slice(-1))).toEqual(['4', '3', '2']);
  expect(next).toBeNull();
  expect((await runDde(farm, ['events', '--kind', 'none-such'])).out).toContain(
    'Nothing has happened that this asks for',
  );
});

test('followed: the last ones, then each as it happens, also over a restart of the service', async () => {
  const restarts: Promise<void>[] = [];
  const restart = async (): Promise<void> => {
    await farm.service.kill('SIGKILL');
    await farm.service.start();
    await weigh(6);
  };
  const ran = await followDde(
    farm,
    ['events', '--follow', '--limit', '1', '--kind', 'backend-set', '--json'],
    (out, err) => {
      const seen = entriesIn(out).map(({ text }) => text.slice(-1));
      // One step after the other, each when the one before was told.
      if (restarts.length === 0 && seen.at(-1) === '4') restarts.push(weigh(5).then(restart));
      return seen.at(-1) === '6' && err !== '';
    },
  );
  await Promise.all(restarts);
  expect(ran.code, ran.err).toBe(0);
  expect(entriesIn(ran.out).map(({ text }) => text.slice(-1))).toEqual(['4', '5', '6']);
  expect(new Set(entriesIn(ran.out).map(({ id }) => id)).size).toBe(3);
  expect(ran.err).toMatch(/it is waited for|does not answer/);
}, 60_000);

test('followed where nothing answers, it says so and ends', async () => {
  const ran = await followDde(farm, ['events', '-f', '--service', 'http://127.0.0.1:9'], () => false);
  expect(ran).toMatchObject({ code: 2, out: '', err: expect.stringContaining('does not answer') });
});
