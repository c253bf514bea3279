import { migrations } from '../../src/ledger/migrations.ts';
import { openLedger } from '../../src/ledger/open.ts';
import { arrivalOf, placing } from './driving.ts';
import { slowMigration } from './slow-migration.ts';

/**
 * Does one thing again and again, to be killed in the middle of it; prints a line when it is about to begin.
 * Arguments: file, and `backup`, `close`, `checkpoint` or `migrate`.
 */
const [file = '', what = ''] = process.argv.slice(2);
const say = (): boolean => process.stdout.write('now\n');

if (what === 'migrate') say();
const steps = what === 'migrate' ? [...migrations, slowMigration] : migrations;
const checkpoint = what === 'checkpoint' ? { startBytes: 1, restartBytes: 100_000 } : undefined;
const ledger = openLedger(file, { migrations: steps, ...(checkpoint === undefined ? {} : { checkpoint }) });
let number = ledger.totals().received;
const write = (count: number): void => {
  const arrivals = Array.from({ length: count }, () =>
    arrivalOf(number, { studyUid: `1.2.${number++ >> 6}` }),
  );
  ledger.receivedMany(arrivals, number);
  ledger.decide(placing('b1', { studyUid: `1.2.${number >> 7}` }));
};
write(1500);
switch (what) {
  case 'backup':
    say();
    for (;;) await ledger.backup(`${file}.copy`);
  case 'close':
    say();
    await ledger.close();
    break;
  case 'checkpoint':
    say();
    for (;;) {
      write(100);
      await new Promise(setImmediate);
    }
  default:
    throw new Error('the migration was over before it was killed');
}
