import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createNoting, type Noting } from '../../src/intake/noting.ts';
import { type Ledger, LedgerError } from '../../src/ledger/ledger.ts';
import { openLedger } from '../../src/ledger/open.ts';
import { silentLogger } from '../../src/log.ts';
import { arrivalOf, placing } from '../ledger/driving.ts';
import { type TempDir, tempDir } from '../support/temp.ts';

let dir: TempDir;
let ledger: Ledger;
let noting: Noting;
let noted: string[];
let broken: boolean;
let transactions: number;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  dir = await tempDir('noting');
  ledger = openLedger(`${dir.path}/ledger.sqlite`);
  noted = [];
  broken = false;
  transactions = 0;
  const counted = <T>(write: () => T): T => {
    if (broken) throw new LedgerError('full', 'no space left');
    transactions++;
    return write();
  };
  noting = createNoting({
    ledger: {
      received: (arrival, now) => counted(() => ledger.received(arrival, now)),
      receivedMany: (arrivals, now) => counted(() => ledger.receivedMany(arrivals, now)),
    },
    clock: () => 1_000,
    log: silentLogger(),
    transferGatherMs: 80,
    onNoted: (study) => noted.push(study),
  });
});

afterEach(async () => {
  noting.stop();
  vi.useRealTimers();
  await ledger.close();
  await dir.remove();
});

const standing = (): number => ledger.standing('front').size;

test('the first after a pause is in the ledger before it is answered', () => {
  expect(noting.note(arrivalOf(1)).noted).toMatchObject({ instance: 'new' });
  expect(standing()).toBe(1);
  vi.advanceTimersByTime(30);
  expect(noting.note(arrivalOf(2)).noted).toMatchObject({ instance: 'new' });
  expect(standing()).toBe(2);
});

test('what comes right behind it is noted together, and each study is told of once', () => {
  noting.note(arrivalOf(1));
  for (let number = 2; number <= 12; number++) {
    expect(noting.note(arrivalOf(number, { studyUid: number % 2 === 0 ? '1.2' : '1.3' })).noted).toBeNull();
  }
  expect(standing()).toBe(1);
  vi.advanceTimersByTime(30);
  expect(standing()).toBe(12);
  expect(transactions).toBe(2);
  expect(noted.sort()).toEqual(['1.2', '1.3']);
});

test('a hundred at once go in several transactions, so that no hook waits for all of them', () => {
  for (let number = 1; number <= 100; number++) noting.note(arrivalOf(number));
  vi.advanceTimersByTime(30);
  expect(standing()).toBe(100);
  expect(transactions).toBeGreaterThanOrEqual(4);
});

test('what is gathered says what is known of its study: where it goes', () => {
  const { studyUid } = arrivalOf(1);
  noting.note(arrivalOf(1));
  expect(noting.note(arrivalOf(2)).known).toMatchObject({ assignments: [], waitingReason: null });
  vi.advanceTimersByTime(60);
  ledger.decide(placing('b1', { studyUid }));
  noting.note(arrivalOf(3));
  expect(noting.note(arrivalOf(4)).known.assignments).toMatchObject([{ backend: 'b1' }]);
});

test('of a placed study more goes together; one that has no place yet does not wait for so long', () => {
  const { studyUid } = arrivalOf(1);
  noting.note(arrivalOf(1));
  ledger.decide(placing('b1', { studyUid }));
  vi.advanceTimersByTime(30);
  noting.note(arrivalOf(2));
  for (let number = 3; number <= 6; number++) {
    expect(noting.note(arrivalOf(number)).noted).toBeNull();
    vi.advanceTimersByTime(10);
  }
  expect(standing()).toBe(2);
  vi.advanceTimersByTime(30);
  expect(standing()).toBe(6);

  noting.note(arrivalOf(7));
  noting.note(arrivalOf(8, { studyUid: '1.9' }));
  vi.advanceTimersByTime(25);
  expect(standing()).toBe(8);
  expect(transactions).toBe(4);
});

test('what is to go to a backend is noted before its transfer is claimed, at the usual distance and for no other backend', () => {
  const { studyUid } = arrivalOf(1);
  noting.note(arrivalOf(1));
  ledger.decide(placing('b1', { studyUid }));
  vi.advanceTimersByTime(30);
  noting.note(arrivalOf(2));
  noting.note(arrivalOf(3));
  noting.beforeClaim('b1');
  expect(standing()).toBe(2);
  vi.advanceTimersByTime(25);
  noting.beforeClaim('b2');
  expect(standing()).toBe(2);
  noting.beforeClaim('b1');
  expect(standing()).toBe(3);
  vi.advanceTimersByTime(100);
  expect(transactions).toBe(3);
});

test('a full disk: the next one is told so at once, and nothing keeps the service from going on', () => {
  noting.note(arrivalOf(1));
  noting.note(arrivalOf(2));
  broken = true;
  vi.advanceTimersByTime(30);
  expect(standing()).toBe(1);
  expect(() => noting.note(arrivalOf(3))).toThrow(LedgerError);
  expect(() => noting.note(arrivalOf(4))).toThrow(LedgerError);
  broken = false;
  expect(noting.note(arrivalOf(5)).noted).not.toBeNull();
  expect(standing()).toBe(2);
});

test('stopping notes what was gathered', () => {
  for (let number = 1; number <= 40; number++) noting.note(arrivalOf(number));
  noting.stop();
  expect(standing()).toBe(40);
});
