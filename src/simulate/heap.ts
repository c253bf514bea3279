/** A binary heap by a number, smallest first; of equal ones the first that came. */
export interface Heap<T> {
  readonly size: number;
  push(key: number, item: T): void;
  /** Infinity when it is empty. */
  leastKey(): number;
  peek(): T | undefined;
  pop(): T | undefined;
}

/** Keys, turns and items stand in lists of their own: an object for each entry would be most of what a simulation leaves behind. */
export function createHeap<T>(): Heap<T> {
  const keys: number[] = [];
  const turns: number[] = [];
  const items: T[] = [];
  let next = 0;

  function put(at: number, key: number, turn: number, item: T): void {
    keys[at] = key;
    turns[at] = turn;
    items[at] = item;
  }

  function isBefore(key: number, turn: number, at: number): boolean {
    const other = keys[at] ?? Number.POSITIVE_INFINITY;
    return key < other || (key === other && turn < (turns[at] ?? Number.POSITIVE_INFINITY));
  }

  /** Moves what stands at `from` to `to`. */
  function move(from: number, to: number): void {
    const item = items[from];
    if (item !== undefined) put(to, keys[from] ?? 0, turns[from] ?? 0, item);
  }

  function siftUp(key: number, turn: number, item: T): void {
    let at = keys.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(key, turn, above)) break;
      move(above, at);
      at = above;
    }
    put(at, key, turn, item);
  }

  function siftDown(key: number, turn: number, item: T): void {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= keys.length) break;
      const right = child + 1;
      if (right < keys.length && isBefore(keys[right] ?? 0, turns[right] ?? 0, child)) child = right;
      if (isBefore(key, turn, child)) break;
      move(child, at);
      at = child;
    }
    put(at, key, turn, item);
  }

  return {
    get size() {
      return keys.length;
    },
    push(key, item) {
      siftUp(key, next++, item);
    },
    leastKey: () => (keys.length === 0 ? Number.POSITIVE_INFINITY : (keys[0] ?? 0)),
    peek: () => items[0],
    pop() {
      const first = items[0];
      const key = keys.pop();
      const turn = turns.pop();
      const item = items.pop();
      if (keys.length > 0 && key !== undefined && turn !== undefined && item !== undefined) {
        siftDown(key, turn, item);
      }
      return first;
    },
  };
}
