import type { Candidate, Policy } from '../policy.ts';
import { best } from '../ranking.ts';
import { uniform } from '../uniform.ts';

/**
 * Of two backends drawn at random the one with fewer studies in flight for its weight (Mitzenmacher 2001). Meant for farms in
 * which what is in flight is known late or from elsewhere; here it is exact, and looking at all of them costs little, so
 * `least-in-flight` is the better one. The draw comes from the StudyInstanceUID: the same study among the same backends
 * meets the same two.
 */
export const powerOfTwo: Policy = {
  name: 'power-of-two',
  choose(study, candidates) {
    const first = draw(candidates, uniform(study.studyUid, 'first'));
    const second = draw(
      candidates.length === 1 ? candidates : candidates.filter((candidate) => candidate !== first),
      uniform(study.studyUid, 'second'),
    );
    const drawn = new Set([first, second]);
    const ranked = [...drawn].map(({ backend, weight, studiesInFlight, instancesInFlight }) => ({
      score: {
        backend,
        score: (studiesInFlight + 1) / weight,
        inputs: { studiesInFlight, instancesInFlight, weight },
      },
      tieBreaks: [instancesInFlight / weight],
    }));
    const { score } = best(ranked);
    return {
      kind: 'place',
      backend: score.backend,
      reason: 'of two drawn by the StudyInstanceUID the one with fewer studies in flight for its weight',
      scores: ranked.map((each) => each.score),
    };
  },
};

/** @throws RangeError when there is nothing to draw from. */
function draw(candidates: readonly Candidate[], u: number): Candidate {
  const drawn = candidates[Math.floor(u * candidates.length)];
  if (drawn === undefined) throw new RangeError('a policy was asked to choose among no backends');
  return drawn;
}
