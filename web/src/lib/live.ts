import { computed, signal } from '@preact/signals';
import { ApiProblem, api, apiUrl, get } from './api.ts';
import type { Farm, JournalEntry, Page, Session } from './contract.ts';
import { session } from './session.ts';

export type LiveState = 'connecting' | 'live' | 'reconnecting';

/** The farm as it is now; kept, and marked as old by `liveState`, while the service does not answer. */
export const farm = signal<Farm | null>(null);
export const liveState = signal<LiveState>('connecting');
/** What happened lately, newest first. */
export const journal = signal<readonly JournalEntry[]>([]);
/** The time as the service has it, in whole seconds: relative times are drawn anew by it. */
export const now = signal(Date.now());

// As text: who needs the names alone is drawn anew when they change, and not with each look at the farm.
const backendText = computed(() => (farm.value?.backends ?? []).map(({ name }) => name).join('\n'));
const frontText = computed(() => (farm.value?.fronts ?? []).map(({ name }) => name).join('\n'));
export const backendNames = computed(() => linesOf(backendText.value));
export const frontNames = computed(() => linesOf(frontText.value));

function linesOf(text: string): readonly string[] {
  return text === '' ? [] : text.split('\n');
}

const mostEntries = 200;
const retryMs = 2_000;
/** The service says something at least every 15 s; a connection that is silent for longer is dead, whatever the browser thinks. */
const silentMs = 40_000;
const hiddenMs = 10_000;
const lostMs = 4_000;

let source: EventSource | null = null;
let retry: ReturnType<typeof setTimeout> | undefined;
let lost: ReturnType<typeof setTimeout> | undefined;
let heardAt = 0;
/** How far the service's clock is ahead of this one's. */
let ahead = 0;

setInterval(() => {
  now.value = Date.now() + ahead;
  if (source !== null && liveState.value === 'live' && performance.now() - heardAt > silentMs) again();
}, 1000);

session.subscribe((who) => {
  if (who) {
    connect();
    void readJournal();
  } else disconnect();
});

// A browser opens six connections to a server at most, for all of its tabs: one that nobody looks at gives its own back.
let hidden: ReturnType<typeof setTimeout> | undefined;
document.addEventListener('visibilitychange', () => {
  clearTimeout(hidden);
  if (document.hidden) hidden = setTimeout(disconnect, hiddenMs);
  else if (session.value && source === null) connect();
});

/** The latest of what happened before one began to look. */
async function readJournal(): Promise<void> {
  try {
    const { items } = await get<Page<JournalEntry>>('/events', { limit: 30 });
    note(items);
  } catch (error) {
    // The list begins with what happens from now on; whoever wants more finds the problem on the journal's own screen.
    if (!(error instanceof ApiProblem)) throw error;
  }
}

/** Newest first, each once: after a reconnection some come again. */
function note(entries: readonly JournalEntry[]): void {
  const known = new Map([...entries, ...journal.value].map((entry) => [entry.id, entry]));
  journal.value = [...known.values()].toSorted((a, b) => b.at.localeCompare(a.at)).slice(0, mostEntries);
}

function connect(): void {
  disconnect();
  const stream = new EventSource(apiUrl('/stream'));
  source = stream;
  const heard = (): void => {
    heardAt = performance.now();
    clearTimeout(lost);
    lost = undefined;
    liveState.value = 'live';
  };
  stream.addEventListener('open', heard);
  stream.addEventListener('farm', ({ data }: MessageEvent<string>) => {
    heard();
    const seen = JSON.parse(data) as Farm;
    ahead = Date.parse(seen.at) - Date.now();
    now.value = Date.parse(seen.at);
    farm.value = seen;
  });
  stream.addEventListener('journal', ({ data }: MessageEvent<string>) => {
    heard();
    note([JSON.parse(data) as JournalEntry]);
  });
  stream.addEventListener('error', () => {
    // Closed for good: an answer that is none of a stream. The browser goes on by itself otherwise.
    if (stream.readyState === EventSource.CLOSED) again();
    // The service ends each stream now and then, and the next one is there at once: nobody need be told.
    else lost ??= setTimeout(sayLost, lostMs);
  });
}

function sayLost(): void {
  liveState.value = farm.value === null ? 'connecting' : 'reconnecting';
}

function again(): void {
  disconnect();
  sayLost();
  retry = setTimeout(() => {
    // Asked first whether the session still holds: a stream does not say why it was refused.
    api<Session>('GET', '/session').then(
      () => connect(),
      (error: unknown) => {
        if (error instanceof ApiProblem && error.status === 401) session.value = null;
        else again();
      },
    );
  }, retryMs);
}

function disconnect(): void {
  clearTimeout(retry);
  clearTimeout(lost);
  lost = undefined;
  source?.close();
  source = null;
}
