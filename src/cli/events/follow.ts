import { type JournalAnswer, journalAnswer } from '../../admin/observe-schemas.ts';
import { pageOf } from '../../admin/schemas.ts';
import { connectService, ServiceAway, type ServiceClient } from '../client.ts';
import type { PageOptions } from '../paging.ts';
import type { CliContext } from '../program.ts';
import { pause } from '../watch.ts';
import { readStream } from './stream.ts';

export interface JournalFilter {
  readonly study: string | undefined;
  readonly backend: string | undefined;
  readonly kind: string | undefined;
}

/** Between two attempts to reach a service that is away. */
const againMs = 1_000;
/** The service is heard every 15 s at least; after so long without, it or the way to it is gone. */
const silenceMs = 45_000;

/**
 * Tells the last entries of the journal, oldest first, and then each as it comes, until the person has seen enough. The stream is
 * opened before the last ones are read, so that nothing falls between the two, and what is in both is told once.
 *
 * @throws what the client throws, but for ServiceAway once the service has been reached
 */
export async function follow(
  context: CliContext,
  options: PageOptions,
  filter: JournalFilter,
  tell: (entry: JournalAnswer) => void,
): Promise<void> {
  const service = connectService(context, options);
  await context.untilStopped(async (stopped) => {
    let position: string | null = null;
    let isAway = false;
    while (!stopped.aborted) {
      try {
        for await (const message of listen(service, position, stopped)) {
          if (isAway) context.out.note('The service answers again.');
          isAway = false;
          if (position === null) for (const entry of await lastOnes(service, options, filter)) tell(entry);
          position = message.position;
          if (message.entry !== null && matches(message.entry, filter)) tell(message.entry);
        }
      } catch (error) {
        if (stopped.aborted) return;
        if (!(error instanceof ServiceAway) || position === null) throw error;
        if (!isAway) context.out.note(error.message);
        isAway = true;
      }
      // The service ends a stream that has lasted long, so that the right to it is looked at again.
      await pause(againMs, stopped);
    }
  });
}

interface Heard {
  /** To be named when the stream is opened anew. */
  readonly position: string | null;
  readonly entry: JournalAnswer | null;
}

/** From `position` on, or from now. The first one comes at once, without an entry: the stream is open. */
async function* listen(
  service: ServiceClient,
  position: string | null,
  stopped: AbortSignal,
): AsyncGenerator<Heard> {
  const silence = new AbortController();
  const signal = AbortSignal.any([stopped, silence.signal]);
  const watch = setTimeout(() => silence.abort(), silenceMs);
  try {
    const stream = await service.stream('/api/v1/stream', {
      signal,
      ...(position === null ? {} : { lastEventId: position }),
    });
    for await (const message of readStream(stream, () => watch.refresh())) {
      const entry = message.event === 'journal' ? journalAnswer.parse(JSON.parse(message.data)) : null;
      yield { position: message.id ?? position, entry };
    }
  } catch (error) {
    if (silence.signal.aborted && !stopped.aborted)
      throw new ServiceAway(`The service at ${service.url} is silent; it is waited for.`, { cause: error });
    throw error;
  } finally {
    clearTimeout(watch);
  }
}

async function lastOnes(
  service: ServiceClient,
  { limit }: PageOptions,
  filter: JournalFilter,
): Promise<readonly JournalAnswer[]> {
  const page = await service.get('/api/v1/events', pageOf(journalAnswer), { ...filter, limit });
  return page.items.toReversed();
}

function matches(entry: JournalAnswer, { study, backend, kind }: JournalFilter): boolean {
  return (
    (study === undefined || entry.studyInstanceUID === study) &&
    (backend === undefined || entry.backend === backend) &&
    (kind === undefined || entry.kind === kind)
  );
}
