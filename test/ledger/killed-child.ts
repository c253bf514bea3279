import { openLedger } from '../../src/ledger/open.ts';
import { arrivalOf, concludeAll, placing, proven, wide } from './driving.ts';

/**
 * Writes to the ledger until it is killed. Every line it prints is a promise: that instance was acknowledged.
 * Arguments: file, number of the first instance.
 */
const [file = '', first = '0'] = process.argv.slice(2);
const ledger = openLedger(file, { checkpoint: { startBytes: 100_000, restartBytes: 400_000 } });
ledger.recover(1);
for (let number = Number(first); ; number += 1) {
  const studyUid = `1.2.${number >> 3}`;
  ledger.received(arrivalOf(number, { studyUid }), number);
  process.stdout.write(`${number}\n`);
  if (number % 8 === 3) ledger.decide(placing('b1', { studyUid }));
  if (number % 5 === 0) {
    const transfer = ledger.claim('b1', wide, number) ?? ledger.claim('b2', wide, number);
    if (transfer !== null && number % 2 === 0) concludeAll(ledger, transfer, proven, number);
  }
  for (const settled of ledger.settled(number - 20, 1)) {
    for (const { front, orthancIds } of ledger.beginRemoval(settled, number, number)) {
      if (number % 3 !== 0) ledger.removed(front, orthancIds, number);
    }
  }
  if (number % 16 === 9) {
    const decision = placing('b2', { studyUid, at: number, kind: 'rebound', clean: true });
    ledger.rebind({ ...decision, expectedEpoch: 1 }, (made) => ({
      at: number,
      who: 'somebody',
      action: 'rebind',
      target: studyUid,
      detail: `epoch ${made.epoch}`,
    }));
  }
  for (const { id } of ledger.healable(number, 1)) {
    ledger.formerMoving(id);
    if (number % 3 === 0 && ledger.beginFormerRemoval(id, [], number))
      ledger.formerGone(id, { instances: 0, bytes: 0 }, number);
  }
  if (number % 10 === 0) await ledger.durable();
}
