import { type Ledger, LedgerError } from '../../src/ledger/ledger.ts';
import type { World } from './world.ts';

/** Calls that write. */
const writes: ReadonlySet<string | symbol> = new Set<keyof Ledger>([
  'received',
  'receivedMany',
  'absent',
  'decide',
  'claim',
  'conclude',
  'beginRemoval',
  'removed',
  'removalFailed',
  'setBackend',
  'rebind',
  'adopt',
  'noteFormer',
  'quarantineRefused',
  'formerMoving',
  'formerProven',
  'beginFormerRemoval',
  'formerLater',
  'formerGone',
  'formerIsShared',
  'settleFormerConflict',
  'startEvacuation',
  'noteEvacuation',
  'endEvacuation',
  'audit',
  'requeue',
  'released',
  'discarded',
  'letGo',
  'addEvent',
]);

/** What is to go wrong at a write: counted down by the writes that come. */
export interface LedgerFate {
  kind: 'full' | 'dies-before' | 'dies-after';
  writesLeft: number;
}

/** What is thrown in a process that has just died, to end what it was doing. */
export class Died extends Error {}

/**
 * The real ledger as one run of the service has it. The disk may be full at a write; the process may die right before or after
 * one; and waiting for the disk takes virtual time.
 */
export function guardLedger(
  ledger: Ledger,
  world: World,
  owner: number,
  fates: LedgerFate[],
  onDeath: () => void,
): Ledger {
  const { time } = world;
  const die = (): never => {
    onDeath();
    throw new Died('the process has died');
  };
  const guard =
    (name: string | symbol, call: (...args: unknown[]) => unknown) =>
    (...args: unknown[]): unknown => {
      if (time.isDead(owner)) throw new Died('the process has died');
      if (!writes.has(name)) return call.apply(ledger, args);
      const fate = fates[0];
      if (fate === undefined || fate.writesLeft-- > 0) return call.apply(ledger, args);
      fates.shift();
      world.note(`ledger: ${fate.kind} at ${String(name)}`);
      switch (fate.kind) {
        case 'full':
          throw new LedgerError('full', 'Ledger: database or disk is full');
        case 'dies-before':
          return die();
        case 'dies-after':
          call.apply(ledger, args);
          return die();
      }
    };
  return new Proxy(ledger, {
    get(target, name) {
      if (name === 'durable') {
        return (): Promise<void> =>
          new Promise((resolve) => {
            time.after(world.latency(), owner, resolve);
          });
      }
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? guard(name, member as (...args: unknown[]) => unknown) : member;
    },
  });
}
