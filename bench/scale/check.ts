import type { Ledger } from '../../src/ledger/ledger.ts';
import { contentOf, imagesOf, md5Of, orthancIdOf, type ScaleStudy } from './images.ts';
import type { Holdings } from './light-farm.ts';

export interface Outcome {
  /** Images with their receipt, and those that still wait on the front. */
  readonly proven: number;
  readonly waiting: number;
}

/**
 * Every image that came must be on the front still or proven on exactly one backend, with the content that was sent, and the whole study
 * on the same backend; nothing was proven twice, and the service asked the light Orthancs nothing that they do not know.
 *
 * @param provenBefore of the ledger's totals, before any of these came
 * @param mayRepeat the service was killed in between: what was under way then is proven anew
 * @throws Error with the first ten things that are wrong
 */
export function checkOutcome(
  ledger: Pick<Ledger, 'receipts' | 'totals' | 'study'>,
  holdings: Holdings,
  studies: readonly ScaleStudy[],
  provenBefore: number,
  mayRepeat: boolean,
): Outcome {
  const wrong: string[] = holdings.notUnderstood.map((what) => `no light Orthanc knows: ${what}`);
  const onFront = new Set(holdings.front);
  const places = new Map<number, { readonly name: string; readonly md5: string }[]>();
  for (const { name, images } of holdings.backends)
    for (const [image, md5] of images) {
      const known = places.get(image);
      if (known === undefined) places.set(image, [{ name, md5 }]);
      else known.push({ name, md5 });
    }

  let proven = 0;
  let waiting = 0;
  for (const study of studies) {
    const known = ledger.study(study.uid);
    if (known?.instances.received !== study.instances)
      wrong.push(
        `${study.uid}: ${known?.instances.received ?? 0} of ${study.instances} images in the ledger`,
      );
    const receipts = Map.groupBy(ledger.receipts(study.uid), ({ orthancId }) => orthancId);
    const backends = new Set<string>();
    for (const image of imagesOf(study)) {
      const md5 = md5Of(contentOf(image));
      const held = places.get(image) ?? [];
      for (const { name } of held) backends.add(name);
      const [receipt, ...more] = receipts.get(orthancIdOf(image)) ?? [];
      if (receipt === undefined) {
        waiting += 1;
        if (!onFront.has(image)) wrong.push(`image ${image} left the front without a receipt`);
        continue;
      }
      proven += 1;
      if (more.length > 0) wrong.push(`image ${image} has ${more.length + 1} receipts`);
      if (receipt.md5 !== md5) wrong.push(`image ${image} has a receipt of other content`);
      if (held.length !== 1 || held[0]?.name !== receipt.backend || held[0].md5 !== md5)
        wrong.push(
          `image ${image} is on [${held.map(({ name }) => name).join(', ')}], its receipt of ${receipt.backend}`,
        );
    }
    if (backends.size > 1) wrong.push(`${study.uid} is on ${[...backends].join(', ')}`);
  }
  const counted = ledger.totals().proven - provenBefore;
  if (counted < proven || (counted > proven && !mayRepeat))
    wrong.push(`${counted} proofs were counted, and there are ${proven} receipts`);
  if (wrong.length > 0) throw new Error(wrong.slice(0, 10).join('\n'));
  return { proven, waiting };
}
