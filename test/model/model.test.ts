import fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openLedger } from '../../src/ledger/open.ts';
import { silentLogger } from '../../src/log.ts';
import { type TempDir, tempDir } from '../support/temp.ts';
import { anyHistory, type History } from './events.ts';
import { found } from './found.ts';
import { type Played, play } from './play.ts';

// The checkpointer copies a log that never grows here, on a thread of its own for each opening.
vi.mock(import('../../src/ledger/checkpointer.ts'), async (original) => ({
  ...(await original()),
  Checkpointer: class {
    close(): Promise<void> {
      return Promise.resolve();
    }
  } as never,
}));
vi.mock('node:timers/promises', async () => {
  const { timersPromises } = await import('./time.ts');
  return { ...timersPromises, default: timersPromises };
});

const seed = Number(process.env.DDE_MODEL_SEED ?? 20_260_301);
/** How long new histories are begun; making one that fails smaller may take as long again, or `shrinkMs`. */
const seconds = Number(process.env.DDE_MODEL_SECONDS ?? 15);
const shrinkMs = Number(process.env.DDE_MODEL_SHRINK_SECONDS ?? 90) * 1000;
const histories = 25;

let folder: TempDir;
let template: string;
const log = silentLogger();

beforeAll(async () => {
  folder = await tempDir('model');
  template = `${folder.path}/empty.sqlite`;
  await openLedger(template).close();
});
afterAll(() => folder.remove());

/** For the person who runs it: the seed that these histories came from. */
function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

let playing: Promise<unknown> = Promise.resolve();

/** One after the other: a history has all timers of the process, and one that shrinking gave up is still at it. */
function replay(history: History, tracing = false): Promise<Played> {
  const played = playing.then(() => play(history, { template, folder: folder.path, log, tracing }));
  playing = played.catch(() => undefined);
  return played;
}

test.each(found)('%s', async (_what, history) => {
  const { violations, notes } = await replay(history, true);
  expect(violations, notes.join('\n')).toEqual([]);
});

test('nothing is lost, whatever happens in whatever order', {
  timeout: seconds * 1000 + shrinkMs + 60_000,
}, async () => {
  const endAt = Date.now() + seconds * 1000;
  let played = 0;
  let steps = 0;
  for (let part = seed; Date.now() < endAt; part++) {
    const result = await fc.check(
      fc.asyncProperty(anyHistory, async (history) => {
        if (Date.now() > endAt + shrinkMs) return;
        const { violations, ...one } = await replay(history);
        played += 1;
        steps += one.steps;
        if (violations.length > 0) throw new Error(violations.join('\n'));
      }),
      { seed: part, numRuns: histories, interruptAfterTimeLimit: seconds * 1000 + shrinkMs },
    );
    if (!result.failed) continue;
    const [history] = result.counterexample ?? [];
    if (history === undefined) throw new Error('no counterexample', { cause: result.errorInstance });
    const { notes, violations } = await replay(history, true);
    expect.fail(
      `DDE_MODEL_SEED=${part}\n${JSON.stringify(history)}\n${notes.join('\n')}\n${violations.join('\n')}`,
    );
  }
  say(`model: from seed ${seed}, ${played} histories, ${steps} steps`);
});

// A history that was found once, from the environment: DDE_MODEL_HISTORY='{"seed":…}'.
test.runIf(process.env.DDE_MODEL_HISTORY !== undefined)('replay', async () => {
  const history = JSON.parse(process.env.DDE_MODEL_HISTORY ?? '') as History;
  const { notes, violations, steps } = await replay(history, true);
  say([...notes, ...violations, `${violations.length === 0 ? 'all well, ' : ''}${steps} steps`].join('\n'));
});
