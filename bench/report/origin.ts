import type { Origin } from './saved.ts';

/** One line that says where and when figures were taken. */
export function originLine({ machine, orthanc, dates }: Origin): string {
  const [first = '', last = first] = [dates[0], dates.at(-1)];
  return `${machine}, Orthanc ${orthanc}, ${first === last ? first : `${first} to ${last}`}`;
}
