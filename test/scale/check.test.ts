import { expect, test } from 'vitest';
import { checkOutcome } from '../../bench/scale/check.ts';
import { place, receive } from '../../bench/scale/history.ts';
import {
  contentOf,
  imagesOf,
  md5Of,
  orthancIdOf,
  type ScaleStudy,
  studiesOf,
} from '../../bench/scale/images.ts';
import type { Holdings } from '../../bench/scale/light-farm.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { newLedger } from '../ledger/support.ts';

const backends = ['one', 'other'];

/** A study with everything proven on its backend and half of it gone from the front, and one that still waits. */
async function outcome(): Promise<{ ledger: Ledger; studies: readonly ScaleStudy[]; holdings: Holdings }> {
  const { ledger } = await newLedger();
  const [sent, waiting] = [studiesOf(1, 0, 40), studiesOf(2, 100, 10)].map((all) =>
    all.toSorted((a, b) => b.instances - a.instances).at(0),
  );
  if (sent === undefined || waiting === undefined) throw new Error('no studies');
  for (const study of [sent, waiting]) receive(ledger, study, 'front', 0);
  place(ledger, sent.uid, { backend: 'one', backends, at: 0 });
  for (;;) {
    const transfer = ledger.claim('one', { instances: 50, bytes: 1e9 }, 1);
    if (transfer === null) break;
    const numbers = new Map([...imagesOf(sent)].map((image) => [orthancIdOf(image), image]));
    const outcomes = new Map(
      transfer.deliveries.map(({ id, orthancId }) => [
        id,
        { kind: 'proven' as const, md5: md5Of(contentOf(numbers.get(orthancId) ?? -1)), bytes: null },
      ]),
    );
    const end = { at: 1, code: 'done', detail: '', bytesSent: 1, instancesSent: outcomes.size };
    ledger.conclude(transfer.id, end, outcomes);
  }
  const images = [...imagesOf(sent)];
  return {
    ledger,
    studies: [sent, waiting],
    holdings: {
      front: [...images.slice(0, images.length / 2), ...imagesOf(waiting)],
      backends: [
        { name: 'one', images: images.map((image) => [image, md5Of(contentOf(image))] as const) },
        { name: 'other', images: [] },
      ],
      notUnderstood: [],
    },
  };
}

test('what is proven or waits is counted', async () => {
  const { ledger, studies, holdings } = await outcome();
  const [sent, waiting] = studies.map(({ instances }) => instances);
  expect(checkOutcome(ledger, holdings, studies, 0, false)).toEqual({ proven: sent, waiting });
});

test.each<[string, RegExp, (holdings: Holdings) => Holdings]>([
  [
    'waits nowhere any more',
    /left the front without a receipt/,
    (all) => ({ ...all, front: all.front.slice(0, -1) }),
  ],
  [
    'is gone from its backend',
    /is on \[\], its receipt of one/,
    (all) => on(all, 'one', (images) => images.slice(1)),
  ],
  [
    'has other content there',
    /its receipt of one/,
    (all) => on(all, 'one', ([first, ...rest]) => [[first?.[0] ?? 0, md5Of(Buffer.from('x'))], ...rest]),
  ],
  [
    'is on two backends',
    /is on \[one, other\]/,
    (all) => on(all, 'other', () => all.backends[0]?.images.slice(0, 1) ?? []),
  ],
  [
    'was asked about in words that nobody knows',
    /no light Orthanc knows: GET \/x/,
    (all) => ({ ...all, notUnderstood: ['GET /x'] }),
  ],
])('an image that %s makes the run count for nothing', async (_what, words, spoil) => {
  const { ledger, studies, holdings } = await outcome();
  expect(() => checkOutcome(ledger, spoil(holdings), studies, 0, false)).toThrow(words);
});

test('so does one that the ledger does not know, or that was proven more often than once', async () => {
  const { ledger, studies, holdings } = await outcome();
  const [first, ...rest] = studies;
  if (first === undefined) throw new Error('no studies');
  const larger = [{ ...first, instances: first.instances + 1 }, ...rest];
  expect(() => checkOutcome(ledger, holdings, larger, 0, false)).toThrow(/images in the ledger/);
  expect(() => checkOutcome(ledger, holdings, studies, -1, false)).toThrow(/proofs were counted/);
  expect(checkOutcome(ledger, holdings, studies, -1, true)).toMatchObject({ proven: first.instances });
  expect(() => checkOutcome(ledger, holdings, studies, 1, true)).toThrow(/proofs were counted/);
});

type Images = Holdings['backends'][number]['images'];

function on(holdings: Holdings, backend: string, change: (images: Images) => Images): Holdings {
  return {
    ...holdings,
    backends: holdings.backends.map((one) =>
      one.name === backend ? { ...one, images: change(one.images) } : one,
    ),
  };
}
