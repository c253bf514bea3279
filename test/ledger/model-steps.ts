import fc from 'fast-check';

/** What may happen to a ledger in a random history. Numbers stand for instances, studies, backends or what was seen before. */
export type Step =
  | { readonly do: 'receive'; readonly instance: number }
  | {
      readonly do: 'decide';
      readonly study: number;
      readonly copy: number;
      readonly backend: number | null;
      readonly asked: boolean;
    }
  | { readonly do: 'claim'; readonly backend: number; readonly instances: number }
  | {
      readonly do: 'conclude';
      readonly transfer: number;
      readonly outcomes: readonly number[];
      readonly again: boolean;
    }
  | { readonly do: 'absent'; readonly instances: readonly number[] }
  | {
      readonly do: 'remove';
      readonly study: number;
      readonly wait: number;
      /** `rebound`: bound anew while the front is being asked, which then says no. */
      readonly end: 'removed' | 'failed' | 'dies' | 'rebound';
    }
  | { readonly do: 'answerRemoval'; readonly instances: readonly number[]; readonly removed: boolean }
  /** Everything that may be sent is sent and proven, so that walks get as far as removals. */
  | { readonly do: 'deliver' }
  /** The process died, and another one begins. */
  | { readonly do: 'recover' }
  | {
      readonly do: 'rebind';
      readonly study: number;
      readonly copy: number;
      readonly backend: number;
      readonly late: boolean;
      readonly asked: boolean;
    }
  | { readonly do: 'quarantineRefused'; readonly study: number }
  /** Somebody finds something of the study on a backend. */
  | { readonly do: 'find'; readonly study: number; readonly backend: number }
  /** What the healer saw may be out of date when it acts: the study may be bound anew meanwhile. */
  | {
      readonly do: 'heal';
      readonly row: number;
      readonly meanwhile: number | null;
      readonly upTo: HealStage;
    }
  | { readonly do: 'formerLater'; readonly row: number; readonly state: 'waiting' | 'conflict' }
  | { readonly do: 'settleConflict'; readonly row: number }
  | { readonly do: 'doubt'; readonly study: number; readonly instances: readonly number[] }
  | { readonly do: 'requeue'; readonly study: number; readonly instance: number | null }
  | { readonly do: 'release'; readonly instance: number; readonly backend: number }
  | { readonly do: 'discard'; readonly instance: number }
  | { readonly do: 'letGo'; readonly instance: number };

/** Where the healer dies or is called away. */
export type HealStage = 'moving' | 'copied' | 'proven' | 'begun' | 'deleted' | 'gone';

export const instances = 7;
export const studies = 2;

const instance = fc.nat(instances - 1);
const study = fc.nat(studies - 1);
const backend = fc.nat(2);
const copy = fc.constantFrom(0, 0, 0, 0, 0, 0, 1);
const outcome = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(10) });

function step<Name extends Step['do'], Fields extends object>(
  name: Name,
  fields: { [Key in keyof Fields]: fc.Arbitrary<Fields[Key]> },
): fc.Arbitrary<Fields & { readonly do: Name }> {
  return fc.record<Fields>(fields).map((values) => ({ ...values, do: name }));
}

const weighted: readonly (readonly [number, fc.Arbitrary<Step>])[] = [
  [6, step('receive', { instance })],
  [4, step('decide', { study, copy, backend: fc.constantFrom(0, 1, 2, null), asked: fc.boolean() })],
  [4, step('claim', { backend, instances: fc.integer({ min: 1, max: 6 }) })],
  [
    5,
    step('conclude', {
      transfer: fc.nat(5),
      outcomes: fc.array(outcome, { minLength: 6, maxLength: 6 }),
      again: fc.boolean(),
    }),
  ],
  [1, step('absent', { instances: fc.array(instance, { maxLength: 3 }) })],
  [
    4,
    step('remove', {
      study,
      wait: fc.nat(3),
      end: fc.constantFrom('removed', 'removed', 'failed', 'dies', 'rebound'),
    }),
  ],
  [1, step('answerRemoval', { instances: fc.array(instance, { maxLength: 4 }), removed: fc.boolean() })],
  [4, fc.constant({ do: 'deliver' })],
  [1, fc.constant({ do: 'recover' })],
  [
    6,
    step('rebind', {
      study,
      copy,
      backend,
      late: fc.constantFrom(false, false, false, true),
      asked: fc.boolean(),
    }),
  ],
  [1, step('quarantineRefused', { study })],
  [1, step('find', { study, backend })],
  [
    8,
    step('heal', {
      row: fc.nat(5),
      meanwhile: fc.constantFrom(null, null, 0, 1, 2),
      upTo: fc.constantFrom('moving', 'copied', 'proven', 'begun', 'deleted', 'gone', 'gone', 'gone', 'gone'),
    }),
  ],
  [1, step('formerLater', { row: fc.nat(5), state: fc.constantFrom('waiting', 'conflict') })],
  [1, step('settleConflict', { row: fc.nat(5) })],
  [1, step('doubt', { study, instances: fc.array(instance, { maxLength: 2 }) })],
  [1, step('requeue', { study, instance: fc.oneof(instance, fc.constant(null)) })],
  [1, step('release', { instance, backend })],
  [1, step('discard', { instance })],
  [1, step('letGo', { instance })],
];

export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  ...weighted.map(([weight, arbitrary]) => ({ weight, arbitrary })),
);
