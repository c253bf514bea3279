import { type QuarantineAnswer, quarantineAnswer } from '../../admin/failover-schemas.ts';
import { pageOf } from '../../admin/schemas.ts';
import { UserError } from '../../user-error.ts';
import type { ServiceClient } from '../client.ts';
import type { CliContext } from '../program.ts';

/** Fewer letters would name another instance by chance as soon as some hundred are in quarantine. */
const leastLetters = 6;

export function isWholeId(text: string): boolean {
  return /^[\da-f]{8}(-[\da-f]{8}){4}$/i.test(text);
}

/**
 * The instance in quarantine whose identifier begins so; null: there is none.
 *
 * @throws UserError when the text is no beginning of an identifier, or of more than one
 */
export async function findQuarantined(
  service: ServiceClient,
  text: string,
  front: string | null,
): Promise<QuarantineAnswer | null> {
  const start = text.toLowerCase();
  if (!/^[\da-f-]{1,44}$/.test(start)) {
    throw new UserError(`"${text}" names no instance; "dde quarantine" lists them.`);
  }
  if (start.length < leastLetters) {
    throw new UserError(`"${text}" is too short; write at least ${leastLetters} letters of the instance.`);
  }
  const found: QuarantineAnswer[] = [];
  let cursor: string | null = null;
  do {
    const page: { items: QuarantineAnswer[]; next: string | null } = await service.get(
      '/api/v1/quarantine',
      pageOf(quarantineAnswer),
      { limit: 1000, ...(cursor === null ? {} : { cursor }) },
    );
    found.push(
      ...page.items.filter(
        (item) => item.orthancId.startsWith(start) && (front === null || item.front === front),
      ),
    );
    cursor = page.next;
  } while (cursor !== null);
  const [first, ...others] = found;
  if (first === undefined) return null;
  if (others.length === 0) return first;
  throw new UserError(
    others.every((other) => other.orthancId === first.orthancId)
      ? `${first.orthancId} is on ${found.map((item) => item.front).join(' and ')}; name one with --front.`
      : `${found.length} instances begin with "${text}"; write more letters of it.`,
  );
}

/** Says that there is no such instance, and makes the command end with 1. */
export function missing(context: CliContext, text: string): void {
  context.out.note(`No instance ${text} is in quarantine. "dde quarantine" lists them.`);
  context.exitWith(1);
}

export function pathOf({ front, orthancId }: Pick<QuarantineAnswer, 'front' | 'orthancId'>): string {
  return `/api/v1/quarantine/${encodeURIComponent(front)}/${encodeURIComponent(orthancId)}`;
}
