/** Numbers drawn from a seed: the same seed, the same numbers, on every machine and for ever. */
export interface Random {
  /** From 0 up to, not including, 1. */
  next(): number;
  /** A whole number from `low` to `high`, both included. */
  whole(low: number, high: number): number;
  chance(share: number): boolean;
  /** One of them. @throws when there is none */
  pick<T>(from: readonly T[]): T;
  /** One of them, as often as its weight says. */
  weighted<T>(from: readonly (readonly [T, number])[]): T;
}

/** mulberry32: 32 bits of state are plenty for schedules, and it fits on a card. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const whole = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    next,
    whole,
    chance: (share) => next() < share,
    pick(from) {
      const index = whole(0, from.length - 1);
      const picked = from[index];
      if (picked === undefined && !(index in from)) throw new Error('nothing to pick from');
      return picked as (typeof from)[number];
    },
    weighted(from) {
      let left = next() * from.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [value, weight] of from) {
        left -= weight;
        if (left < 0) return value;
      }
      const last = from.at(-1);
      if (last === undefined) throw new Error('nothing to pick from');
      return last[0];
    },
  };
}
