import type { Event, Gap, Happening, History } from './events.ts';

/**
 * Histories that once ended badly, made small. They are played first, so that what was mended stays mended whatever the random ones do.
 */
const arrive = (front: string, instance: number, version: number, study = 0): Event => ({
  do: 'arrive',
  front,
  study,
  instance,
  version,
  announced: 1,
});
const after = (gap: Gap, event: Event): Happening => ({ gap, event });

export const found: readonly (readonly [what: string, history: History])[] = [
  [
    'two fronts with other content under one identifier: what the one delivered is not taken for damage of the other',
    {
      seed: 0,
      spreadMs: 0,
      happenings: [
        after({ ms: 100 }, arrive('f1', 3, 1)),
        after({ steps: 8 }, arrive('f2', 3, 0)),
        after({ ms: 1 }, { do: 'fault', orthanc: 'b1', kind: 'post', fault: 'refused' }),
        after({ ms: 500 }, arrive('f1', 0, 0)),
      ],
    },
  ],
  [
    'a proof ends when its backend, wiped, is proven to hold what another front had under that identifier',
    {
      seed: 0,
      spreadMs: 0,
      happenings: [
        after({ ms: 100 }, arrive('f1', 3, 1)),
        after({ ms: 1_000 }, { do: 'wipe', backend: 'b1' }),
        after({ ms: 1 }, arrive('f2', 3, 0)),
      ],
    },
  ],
  [
    'a removal that was begun goes on when the ledger fails at the next study',
    {
      seed: 0,
      spreadMs: 0,
      happenings: [
        after({ steps: 0 }, arrive('f1', 0, 0)),
        after({ ms: 1 }, arrive('f1', 0, 0, 1)),
        after({ ms: 1_500 }, { do: 'ledger', kind: 'full', writesLeft: 1 }),
      ],
    },
  ],
  [
    'a removal fails after its study was bound anew: what is queued then is sent, though nobody said so',
    {
      seed: 0,
      spreadMs: 40,
      happenings: [
        after({ ms: 3_000 }, arrive('f1', 0, 0)),
        after({ ms: 1_500 }, { do: 'power', orthanc: 'f1', power: 'down' }),
        after({ ms: 1_924 }, { do: 'rebind', study: 0, backend: null }),
      ],
    },
  ],
];
