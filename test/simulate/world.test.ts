import { describe, expect, test } from 'vitest';
import { createAgenda } from '../../src/simulate/agenda.ts';
import { type Condition, createWorld, type ModelledBackend } from '../../src/simulate/world.ts';

const plain: ModelledBackend = {
  name: 'b',
  weight: 1,
  lanes: 2,
  secondsPerInstance: 0.1,
  secondsPerByte: 1e-6,
  setupSeconds: 1,
  contention: 0.5,
  conditions: [],
};
/** Ten images of one second each together with what they cost alone, and a second for the transfer. */
const load = { instances: 10, bytes: 9e6, largestBytes: 0.9e6, effort: 10, effortBytes: 9e6 };

function worldOf(backends: readonly ModelledBackend[], frontBytesPerSecond = Number.POSITIVE_INFINITY) {
  const agenda = createAgenda();
  const seen: string[] = [];
  const say = (what: string) => seen.push(`${what} at ${agenda.now.toFixed(2)}`);
  const world = createWorld({
    agenda,
    backends,
    frontBytesPerSecond,
    stallSeconds: 15,
    timeout: { baseSeconds: 60, bytesPerSecond: 1e6 },
    onDone: ({ backend }) => say(`${backend} done`),
    onFailed: (one, code) => say(`${one.backend} ${code} with ${one.moved()} moved`),
    onReach: (backend, answers) => say(`${backend} ${answers ? 'back' : 'gone'}`),
  });
  return { agenda, world, seen };
}

function from(at: number, speed: number, answers = true): Condition {
  return { at, speed, steady: speed, answers };
}

describe('how long a transfer takes', () => {
  test('alone: what it costs to begin, its images and its bytes', () => {
    const { agenda, world, seen } = worldOf([plain]);
    world.carry(0, load);
    agenda.run(1e3);
    expect(seen).toEqual(['0 done at 11.00']);
    expect(world.busySeconds(0)).toBeCloseTo(11);
  });

  test('images that are more work take longer', () => {
    const { agenda, world, seen } = worldOf([plain]);
    world.carry(0, { ...load, effort: 20, effortBytes: 18e6 });
    agenda.run(1e3);
    expect(seen).toEqual(['0 done at 21.00']);
  });

  test('two at once are in each other’s way, and only while both run', () => {
    const { agenda, world, seen } = worldOf([plain]);
    world.carry(0, load);
    agenda.at(5, () => world.carry(0, load));
    agenda.run(1e3);
    // 5 s alone, then 6 s of work at 2/3; the second one has 5 s of its work left when the first ends.
    expect(seen).toEqual(['0 done at 14.00', '0 done at 19.00']);
  });

  test('all share the front’s line', () => {
    const { agenda, world, seen } = worldOf([plain, plain], 9e6 / 11);
    world.carry(0, load);
    world.carry(1, load);
    agenda.run(1e3);
    expect(seen).toEqual(['0 done at 22.00', '1 done at 22.00']);
  });

  test('it is slower while the backend is', () => {
    const { agenda, world, seen } = worldOf([{ ...plain, conditions: [from(1, 0.5), from(5, 2)] }]);
    world.carry(0, load);
    agenda.run(1e3);
    expect(seen).toEqual(['0 done at 9.00']);
  });
});

describe('how a transfer fails', () => {
  test('a stall is seen when nothing has moved for the limit, and calling off takes a moment', () => {
    const { agenda, world, seen } = worldOf([{ ...plain, conditions: [from(6, 0)] }]);
    world.carry(0, load);
    agenda.run(1e3);
    const [what] = seen;
    expect(seen).toHaveLength(1);
    expect(what).toMatch(/^0 stalled with 5 moved at /);
    // The last image was over after 5.5 s; 15.9 s of silence, a look every 2 s, and 1.5 s.
    expect(Number(what?.split(' at ')[1])).toBeGreaterThan(5.5 + 15.9);
    expect(Number(what?.split(' at ')[1])).toBeLessThan(5.5 + 15.9 + 2 + 1.6);
  });

  test('what crawls is no stall, and given up when its time is over', () => {
    const crawling = { ...plain, conditions: [from(0, 0.11)] };
    const { agenda, world, seen } = worldOf([crawling]);
    world.carry(0, load);
    agenda.run(1e3);
    expect(seen.join()).toMatch(/^0 send-timeout with 7 moved at 7[0-4]/);
  });

  test('a crash ends what is under way, and refuses what comes; what it had is not counted', () => {
    const { agenda, world, seen } = worldOf([{ ...plain, conditions: [from(3, 0, false), from(20, 1)] }]);
    world.carry(0, load);
    agenda.at(5, () => world.carry(0, load));
    agenda.at(21, () => world.carry(0, load));
    agenda.run(1e3);
    expect(seen.map((line) => line.replace(/ with \d+ moved/, ''))).toEqual([
      '0 gone at 3.00',
      '0 send-failed at 3.20',
      '0 backend-unreachable at 5.02',
      '0 back at 20.00',
      '0 done at 32.00',
    ]);
  });

  test('quiet is said of what stands still, and not of what moves', () => {
    const { agenda, world } = worldOf([plain, { ...plain, conditions: [from(6, 0)] }]);
    world.carry(0, load);
    world.carry(1, load);
    agenda.run(10);
    expect(world.quiet(0)).toBeNull();
    expect(world.quiet(1)).toMatchObject({ instances: 10, bytes: 9e6 });
    expect(world.quiet(1)?.since).toBeCloseTo(5.5);
  });
});
