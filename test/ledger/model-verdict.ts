import { expect } from 'vitest';
import { never } from './invariants.ts';
import type { Driver } from './model-driver.ts';
import { instances } from './model-steps.ts';
import { backends, orthancId, uid } from './model-world.ts';

/** What must hold after every step. */
export function check({ ledger, eye, received, world }: Driver): void {
  for (const [what, sql] of Object.entries(never)) expect(eye.count(sql), what).toBe(0);
  const queue = ledger.queue();
  expect(
    queue.backends.map(({ backend, studies, instances: waiting, bytes, oldestAt }) => {
      return { backend, studies, instances: waiting, bytes, oldestAt };
    }),
  ).toEqual(ledger.loads());
  expect(queue.formerCopies).toBe(ledger.formerCopies().length);
  expect(eye.count('SELECT count(*) n FROM instances')).toBe(received.size);
  for (const { backend, refusedBy } of ledger.refusedStudies()) expect(refusedBy).toContain(backend);

  const bound = backends.flatMap((backend) => ledger.bound(backend));
  expect(bound.length).toBe(
    eye.count(
      `SELECT count(*) n FROM assignments a JOIN studies s ON s.id = a.study WHERE a.ended_at IS NULL AND s.held > 0`,
    ),
  );
  const unproven = bound.reduce((sum, study) => sum + study.unproven, 0);
  expect(unproven).toBe(eye.count('SELECT count(*) n FROM deliveries'));
  for (const study of bound) expect(study.waitingSince !== null).toBe(study.unproven > 0);

  // What is called removed, and nobody gave up, is on a backend.
  for (const id of eye.instances(`i.state = 'removed' AND i.discarded = 0`))
    expect(world.somewhere(id), `${id} is somewhere`).toBe(true);
}

/** After `finish`: nothing is under way, and no study is anywhere but where it is bound, or where a person sent it. */
export function checkFinished(driver: Driver): void {
  check(driver);
  const { ledger, eye, world } = driver;
  expect(eye.count('SELECT count(*) n FROM deliveries')).toBe(0);
  expect(eye.count(`SELECT count(*) n FROM instances WHERE state = 'removing'`)).toBe(0);
  expect(ledger.formerCopies()).toEqual([]);
  for (let number = 0; number < instances; number += 1) {
    const id = orthancId(number);
    const bound = ledger.assignments(uid(number % 2)).map((assignment) => assignment.backend);
    const strays = backends.filter(
      (backend) =>
        world.holds(backend, id) && !bound.includes(backend) && !world.cameOtherwise.has(`${backend} ${id}`),
    );
    expect(strays, `${id} beside ${bound.join(', ')}`).toEqual([]);
  }
}
