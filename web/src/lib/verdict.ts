import type { Farm, FarmBackend, FarmFront } from './contract.ts';
import { age, count, counted, duration } from './format.ts';

export interface Verdict {
  readonly tone: 'good' | 'warn' | 'bad';
  readonly title: string;
  /** Why, most serious first; empty when all is well. */
  readonly reasons: readonly string[];
}

/** Waiting longer than this is worth a look even where everything seems to work. */
const longSeconds = 300;

export function waitingLine({ waiting }: Farm): string {
  const oldest =
    waiting.instances === 0 || waiting.oldestAgeSeconds === null
      ? ''
      : `, oldest ${age(waiting.oldestAgeSeconds)}`;
  return `${counted(waiting.instances, 'image')} waiting${oldest}, ${count(waiting.quarantined)} in quarantine`;
}

/** Whether images are safe and on their way, in plain words. */
export function verdictOf(farm: Farm): Verdict {
  const { fronts, backends, waiting } = farm;
  const bad = [
    ...fronts
      .filter(({ health }) => health === 'down')
      .map(({ name }) => `${name} does not answer: modalities cannot send to it`),
    ...fronts
      .filter((front) => !front.takesImages)
      .map(({ name, refusing }) => `${name} refuses new images${refusing === null ? '' : `: ${refusing}`}`),
    ...(backends.length > 0 && !backends.some(isTaking)
      ? ['no backend can be sent to: images wait on the front']
      : waiting.unplacedStudies > 0 && !backends.some(takesNew)
        ? ['no backend takes new studies: they wait on the front']
        : []),
  ];
  const warn = [
    ...backends
      .filter(isSick)
      .map(
        (one) => `${one.name}${one.health === 'down' ? ' is down' : ''}: ${troubleOf(one) ?? 'in trouble'}`,
      ),
    ...(waiting.quarantined > 0
      ? [
          `${counted(waiting.quarantined, 'image')} in quarantine ${waiting.quarantined === 1 ? 'needs' : 'need'} a person`,
        ]
      : []),
    ...((waiting.oldestAgeSeconds ?? 0) > longSeconds
      ? [`the oldest image has waited for ${duration(waiting.oldestAgeSeconds ?? 0)}`]
      : []),
    ...(farm.notice === null ? [] : [farm.notice]),
  ];
  if (bad.length > 0) {
    const received = fronts.some(isReceiving);
    return {
      tone: 'bad',
      title: received ? 'Images are safe, but not getting through' : 'New images are not being received',
      reasons: [...bad, ...warn],
    };
  }
  if (warn.length > 0)
    return { tone: 'warn', title: 'Images are safe; something needs a look', reasons: warn };
  return {
    tone: 'good',
    title:
      waiting.instances > 0 ? 'Images are safe and on their way' : 'All images are safe where they belong',
    reasons: [],
  };
}

export function isReceiving(front: FarmFront): boolean {
  return front.health !== 'down' && front.takesImages;
}

function isTaking({ health, breaker, state }: FarmBackend): boolean {
  return health !== 'down' && breaker !== 'open' && state !== 'maint';
}

function takesNew(one: FarmBackend): boolean {
  return isTaking(one) && one.state === 'ready' && one.weight > 0;
}

function isSick({ health, breaker, state }: FarmBackend): boolean {
  return state !== 'maint' && (health === 'down' || breaker !== 'closed');
}

/** State of a backend in a word, with its tone. */
export function stateOf(one: FarmBackend): { tone: 'good' | 'warn' | 'bad' | 'idle'; word: string } {
  if (one.state === 'maint') return { tone: 'idle', word: 'maintenance' };
  if (one.health === 'down') return { tone: 'bad', word: one.state === 'drain' ? 'draining, down' : 'down' };
  if (one.breaker !== 'closed') return { tone: 'bad', word: 'transfers fail' };
  if (one.state === 'drain') return { tone: 'warn', word: 'draining' };
  if (one.health === 'unknown') return { tone: 'warn', word: 'not seen yet' };
  return { tone: 'good', word: 'ready' };
}

/** What is wrong with it in its own words; null: nothing. */
export function troubleOf(one: FarmBackend): string | null {
  if (one.health === 'down') return one.healthReason ?? 'does not answer';
  if (one.breaker !== 'closed') return one.lastFailure ?? 'transfers fail';
  if (one.held !== null && one.state === 'ready') return one.held;
  return null;
}
