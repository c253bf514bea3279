import type { RequestHandler, Response } from 'express';
import { realTimers } from '../backends/timers.ts';
import { type JournalEntry, type JournalPosition, positionText, readPosition } from '../ledger/journal.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { LedgerError } from '../ledger/ledger.ts';
import type { EpochMs } from '../study.ts';
import type { AdminDeps } from './deps.ts';
import type { FarmAnswer } from './observe-schemas.ts';
import { presentJournal } from './present-journal.ts';
import { Problem } from './problems.ts';

export interface StreamDeps extends Pick<AdminDeps, 'clock' | 'log' | 'timers' | 'ending'> {
  readonly ledger: Pick<Ledger, 'journalAfter' | 'journalPosition'>;
  readonly farm: () => FarmAnswer;
}

/** The farm is looked at so often, once for all who listen. */
const everyMs = 1_000;
/** Something is sent at least so often, so that a connection that is gone is noticed at both ends. */
const heartbeatMs = 15_000;
/** Who has not read for so long is let go: it may come again and says then what it has. */
const patienceMs = 60_000;
/** Who listens is asked for its right to again after so long, by coming again. */
const longestMs = 15 * 60_000;
const mostListeners = 200;
/** Of the journal in one go. */
const entriesAtOnce = 200;
/** What listeners have not been told is read for about so long in one look; the others have their turn at the next one. */
const readingMs = 5;

interface Listener {
  readonly response: Response;
  readonly since: EpochMs;
  /** The farm it was given last. */
  shown: string | null;
  position: JournalPosition;
  sentAt: EpochMs;
  blockedSince: EpochMs | null;
}

/**
 * The farm and the journal to all who listen, as server-sent events. Nobody is written to who has not taken what was written before:
 * a farm that was missed is of no use any more, and the journal waits in the ledger. So a listener that stops reading costs one
 * message of memory, however long it stays.
 */
export function createStream(deps: StreamDeps): RequestHandler {
  const { ledger, clock, log } = deps;
  const timers = deps.timers ?? realTimers;
  const listeners = new Set<Listener>();
  let stopTicking: (() => void) | null = null;
  let last: { readonly at: EpochMs; readonly farm: string } | null = null;

  /** All but the time, which would make each look a change. Null: it cannot be said now. */
  function look(now: EpochMs): string | null {
    if (last !== null && now - last.at < everyMs) return last.farm;
    try {
      const { at: _at, ...farm } = deps.farm();
      last = { at: now, farm: JSON.stringify(farm) };
      return last.farm;
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      // Those who listen see that nothing comes but heartbeats; the next look may succeed.
      log.error('the farm could not be shown', { code: error.code, detail: error.message });
      return null;
    }
  }

  function tick(): void {
    const now = clock();
    const ready = [...listeners].filter((listener) => isReady(listener, now));
    if (ready.length === 0) return;
    const farm = look(now);
    const news = journal();
    for (const listener of ready) {
      if (farm !== null) showFarm(listener, farm, now);
      if (news !== null) tell(listener, news, now);
      if (now - listener.sentAt >= heartbeatMs) send(listener, ': still here\n\n', now);
    }
  }

  /** Whether it has taken what it was sent. Lets go of those who have not for too long, or who listen for very long. */
  function isReady(listener: Listener, now: EpochMs): boolean {
    const { response } = listener;
    if (now - listener.since >= longestMs && !response.writableEnded) response.end();
    // What has ended may have to be taken still, and must not be written to.
    if (!response.writableEnded && !response.writableNeedDrain) {
      listener.blockedSince = null;
      return true;
    }
    listener.blockedSince ??= now;
    if (now - listener.blockedSince >= patienceMs) response.destroy();
    return false;
  }

  function showFarm(listener: Listener, farm: string, now: EpochMs): void {
    if (listener.shown === farm) return;
    listener.shown = farm;
    send(listener, `event: farm\ndata: {"at":"${new Date(now).toISOString()}",${farm.slice(1)}\n\n`, now);
  }

  /** How to read what somebody has not been told yet: who is equally far reads the same. Null: nothing is new to anybody. */
  function journal(): ((from: JournalPosition) => ReturnType<Ledger['journalAfter']>) | null {
    const read = new Map<string, ReturnType<Ledger['journalAfter']>>();
    const began = performance.now();
    const newest = orNull(() => ledger.journalPosition());
    if (newest === null) return null;
    return (from) => {
      if (from.event >= newest.event && from.audit >= newest.audit) return [];
      const key = positionText(from);
      const known = read.get(key);
      if (known !== undefined) return known;
      if (read.size > 0 && performance.now() - began >= readingMs) return [];
      const entries = orNull(() => ledger.journalAfter(from, entriesAtOnce)) ?? [];
      read.set(key, entries);
      return entries;
    };
  }

  /** Where whoever comes goes on; one that was further than this ledger, which may be one that was restored, goes on from its end. */
  function begin(lastEventId: string): JournalPosition {
    const newest = ledger.journalPosition();
    const asked = readPosition(lastEventId) ?? newest;
    return { event: Math.min(asked.event, newest.event), audit: Math.min(asked.audit, newest.audit) };
  }

  /** Null: the ledger did not say, which is no reason for the service to end. */
  function orNull<T>(step: () => T): T | null {
    try {
      return step();
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      log.error('the journal could not be read', { code: error.code, detail: error.message });
      return null;
    }
  }

  function tell(listener: Listener, news: NonNullable<ReturnType<typeof journal>>, now: EpochMs): void {
    const entries = news(listener.position);
    const end = entries.at(-1);
    if (end === undefined) return;
    listener.position = end.position;
    // Behind those who had no turn.
    if (listeners.delete(listener)) listeners.add(listener);
    send(listener, entries.map(({ entry, position }) => message(entry, position)).join(''), now);
  }

  function leave(listener: Listener): void {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    stopTicking?.();
    stopTicking = null;
    last = null;
  }

  deps.ending?.addEventListener('abort', () => {
    for (const { response } of listeners) response.end();
  });

  return (request, response) => {
    if (deps.ending?.aborted === true || listeners.size >= mostListeners) {
      throw new Problem(
        503,
        'not-now',
        'Nobody more can listen now',
        deps.ending?.aborted === true
          ? 'The service is stopping.'
          : `${mostListeners} listen already; close one of the dashboards.`,
        { retryAfterSeconds: 10 },
      );
    }
    // Who is gone before it was let in would never be heard to go.
    if (request.socket.destroyed) return;
    const now = clock();
    const listener: Listener = {
      response,
      since: now,
      shown: null,
      position: begin(request.get('Last-Event-ID') ?? ''),
      sentAt: now,
      blockedSince: null,
    };
    response.status(200).set({
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      // A proxy that gathers what it passes on would make it late.
      'X-Accel-Buffering': 'no',
    });
    listeners.add(listener);
    response.once('close', () => leave(listener));
    stopTicking ??= timers.every(everyMs, tick);
    // The position, so that whoever comes again misses nothing, also when nothing has happened yet.
    send(listener, `retry: 2000\nid: ${positionText(listener.position)}\n\n`, now);
    const farm = look(now);
    if (farm !== null) showFarm(listener, farm, now);
    const news = journal();
    if (news !== null) tell(listener, news, now);
  };
}

function send(listener: Listener, text: string, now: EpochMs): void {
  listener.response.write(text);
  listener.sentAt = now;
}

function message(entry: JournalEntry, position: JournalPosition): string {
  return `id: ${positionText(position)}\nevent: journal\ndata: ${JSON.stringify(presentJournal(entry))}\n\n`;
}
