import { ablations, isAblation } from '../decision/ablations.ts';
import { nearest } from '../topology/problems.ts';
import { UserError } from '../user-error.ts';

/** For `--help`, a line for each: what may stand behind `expected-completion:`. */
export const ablationsHelp = [
  'A policy may also be expected-completion without a part of it; in tables it is',
  'shown from the colon on:',
  ...ablations.map((name) => `  ${name}`),
].join('\n');

/** As a cell of a table; the long form does not fit beside its figures. */
export function shortPolicy(name: string): string {
  return isAblation(name) ? name.slice(name.indexOf(':')) : name;
}

/** @throws UserError when it is none of them. */
export function oneOf<Name extends string>(names: readonly Name[], wanted: string, what: string): Name {
  const found = names.find((name) => name === wanted);
  if (found !== undefined) return found;
  // Who mistypes a part of a policy means no whole one, though that may be nearer; and the other way round.
  const alike = names.filter((name) => name.includes(':') === wanted.includes(':'));
  const known = alike.length > 0 ? alike : names;
  const meant = nearest(wanted, known);
  const hint = meant === null ? `there are ${known.join(', ')}` : `did you mean ${meant}?`;
  throw new UserError(`There is no ${what} ${wanted}: ${hint}`);
}
