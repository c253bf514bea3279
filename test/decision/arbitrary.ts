import type { Health } from '../../src/study.ts';

export { operatorStates } from '../../src/study.ts';
export const health: readonly Health[] = ['unknown', 'up', 'down'];
