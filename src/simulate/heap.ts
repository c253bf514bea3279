/** A binary heap by a number, smallest first; of equal ones the first that came. */
export interface Heap<T> {
  readonly size: number;
  push(key: number, item: T): void;
  /** Infinity when it is empty. */
  leastKey(): number;
  peek(): T | undefined;
  pop(): T | undefined;
}

/**
 * Keys, turns and items stand in lists of their own, which are not shortened: an object for each entry would be most of what a simulation
 * leaves behind.
 */
export function createHeap<T>(): Heap<T> {
  const keys: number[] = [];
  const turns: number[] = [];
  const items: (T | undefined)[] = [];
  let size = 0;
  let pushes = 0;

  function keyAt(at: number): number {
    return keys[at] ?? Number.POSITIVE_INFINITY;
  }

  function turnAt(at: number): number {
    return turns[at] ?? 0;
  }

  function put(at: number, key: number, turn: number, item: T | undefined): void {
    keys[at] = key;
    turns[at] = turn;
    items[at] = item;
  }

  function isBefore(key: number, turn: number, at: number): boolean {
    const other = keyAt(at);
    return key < other || (key === other && turn < turnAt(at));
  }

  function siftUp(key: number, turn: number, item: T): void {
    let at = size++;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(key, turn, above)) break;
      put(at, keyAt(above), turnAt(above), items[above]);
      at = above;
    }
    put(at, key, turn, item);
  }

  function siftDown(key: number, turn: number, item: T | undefined): void {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      const right = child + 1;
      if (right < size && isBefore(keyAt(right), turnAt(right), child)) child = right;
      if (isBefore(key, turn, child)) break;
      put(at, keyAt(child), turnAt(child), items[child]);
      at = child;
    }
    put(at, key, turn, item);
  }

  return {
    get size() {
      return size;
    },
    push(key, item) {
      siftUp(key, pushes++, item);
    },
    leastKey: () => (size === 0 ? Number.POSITIVE_INFINITY : keyAt(0)),
    peek: () => items[0],
    pop() {
      if (size === 0) return undefined;
      const first = items[0];
      const last = --size;
      const item = items[last];
      items[last] = undefined;
      if (last > 0) siftDown(keyAt(last), turnAt(last), item);
      return first;
    },
  };
}
