/** A binary heap by a number, smallest first; of equal ones the first that came. */
export interface Heap<T> {
  readonly size: number;
  push(key: number, item: T): void;
  /** Infinity when it is empty. */
  leastKey(): number;
  peek(): T | undefined;
  pop(): T | undefined;
}

interface Entry<T> {
  readonly key: number;
  readonly turn: number;
  readonly item: T;
}

export function createHeap<T>(): Heap<T> {
  const entries: Entry<T>[] = [];
  let turns = 0;

  function siftUp(entry: Entry<T>, from: number): void {
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = entries[above];
      if (parent === undefined || !isBefore(entry, parent)) break;
      entries[at] = parent;
      at = above;
    }
    entries[at] = entry;
  }

  function siftDown(entry: Entry<T>): void {
    let at = 0;
    for (;;) {
      const left = entries[2 * at + 1];
      if (left === undefined) break;
      const right = entries[2 * at + 2];
      const isRight = right !== undefined && isBefore(right, left);
      const child = isRight ? right : left;
      if (!isBefore(child, entry)) break;
      entries[at] = child;
      at = 2 * at + (isRight ? 2 : 1);
    }
    entries[at] = entry;
  }

  return {
    get size() {
      return entries.length;
    },
    push(key, item) {
      siftUp({ key, turn: turns++, item }, entries.length);
    },
    leastKey: () => entries[0]?.key ?? Number.POSITIVE_INFINITY,
    peek: () => entries[0]?.item,
    pop() {
      const [first] = entries;
      const last = entries.pop();
      if (last !== undefined && entries.length > 0) siftDown(last);
      return first?.item;
    },
  };
}

function isBefore(a: Entry<unknown>, b: Entry<unknown>): boolean {
  return a.key < b.key || (a.key === b.key && a.turn < b.turn);
}
