import { onTestFinished } from 'vitest';
import { until } from '../support/wait.ts';
import type { AdminRig } from './rig.ts';

export interface SentEvent {
  readonly event: string;
  readonly id: string | null;
  readonly data: string;
}

export interface Listening {
  /** All that came so far. */
  readonly events: readonly SentEvent[];
  /** Comments that came: heartbeats. */
  readonly comments: number;
  /** The id of the last message that had one. */
  readonly lastId: string | null;
  readonly ended: boolean;
  /** Waits until so many events of this kind have come, and returns their data. */
  got<T>(event: string, count: number): Promise<T[]>;
  close(): void;
}

/** Listens as a browser does: over a connection of its own, to all that comes. */
export async function listen(
  { url, headers }: Pick<AdminRig, 'url' | 'headers'>,
  lastEventId?: string,
): Promise<Listening> {
  const controller = new AbortController();
  onTestFinished(() => controller.abort());
  const response = await fetch(`${url}/api/v1/stream`, {
    signal: controller.signal,
    headers: { ...headers, ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }) },
  });
  if (response.status !== 200 || response.body === null) throw new Error(`answered ${response.status}`);
  const events: SentEvent[] = [];
  const state = { comments: 0, lastId: null as string | null, ended: false };
  const { body } = response;

  async function read(): Promise<void> {
    const decoder = new TextDecoder();
    let text = '';
    for await (const piece of body) {
      text += decoder.decode(piece, { stream: true });
      if (!text.endsWith('\n\n')) continue;
      const messages = text.split('\n\n');
      text = messages.pop() ?? '';
      for (const message of messages) take(message);
    }
  }

  function take(message: string): void {
    const fields = new Map<string, string>();
    for (const line of message.split('\n')) {
      const [, name = '', value = ''] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
      if (name === '') state.comments++;
      else fields.set(name, value);
    }
    const id = fields.get('id') ?? null;
    state.lastId = id ?? state.lastId;
    const data = fields.get('data');
    if (data !== undefined) events.push({ event: fields.get('event') ?? 'message', id, data });
  }

  read()
    .catch(() => undefined)
    .finally(() => {
      state.ended = true;
    });
  return {
    events,
    get comments() {
      return state.comments;
    },
    get lastId() {
      return state.lastId;
    },
    get ended() {
      return state.ended;
    },
    got: async <T>(event: string, count: number) => {
      const those = () => events.filter((one) => one.event === event);
      await until(() => those().length >= count, { what: `${count} events ${event}` });
      return those().map(({ data }) => JSON.parse(data) as T);
    },
    close: () => controller.abort(),
  };
}
