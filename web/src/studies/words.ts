import type { StudyAnswer } from '../../../src/admin/schemas.ts';
import { count, counted } from '../lib/format.ts';
import type { Tone } from '../ui/parts.tsx';

export const states = [
  'received',
  'assigned',
  'sending',
  'verified',
  'removed',
  'healing',
  'quarantined',
] as const;
type State = StudyAnswer['state'];

const words: Readonly<Record<State, readonly [tone: Tone, word: string]>> = {
  received: ['warn', 'waits for a backend'],
  assigned: ['busy', 'placed, not sent yet'],
  sending: ['busy', 'being sent'],
  verified: ['good', 'proven, settling'],
  removed: ['good', 'delivered'],
  healing: ['warn', 'healing'],
  quarantined: ['bad', 'in quarantine'],
};

export function stateWord(state: State): readonly [tone: Tone, word: string] {
  return words[state];
}

/** Where it is, in one sentence. */
export function whereabouts(study: StudyAnswer): string {
  const { received, verified, quarantined } = study.instances;
  const images = counted(received, 'image');
  const at = study.backend ?? 'no backend';
  switch (study.state) {
    case 'received':
      return `${images} safe on ${study.fronts.join(', ')}; no backend is chosen yet.`;
    case 'assigned':
      return `${images} safe on ${study.fronts.join(', ')}, bound to ${at}; sending has not begun.`;
    case 'sending':
      return `On the way to ${at}: ${count(verified)} of ${images} proven there. The others are safe on ${study.fronts.join(', ')}.`;
    case 'verified':
      return `All of it, ${images}, is proven on ${at}. The front keeps its copy until nothing new comes for a while.`;
    case 'removed':
      return `All of it, ${images}, is on ${at}, each proven by its MD5; the front has let go of it.`;
    case 'healing':
      return `It is on ${at}; what it left on a former backend is being cleared.`;
    case 'quarantined':
      return `${counted(quarantined, 'image')} of ${count(received)} cannot be delivered without a person, and stay on the front. ${count(verified)} are proven on ${at}.`;
  }
}
