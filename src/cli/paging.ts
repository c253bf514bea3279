import { type Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { pageOf } from '../admin/schemas.ts';
import {
  connectService,
  type Query,
  type ServiceClient,
  type ServiceOptions,
  withServiceOptions,
} from './client.ts';
import type { Output } from './output.ts';
import type { CliContext } from './program.ts';

export interface PageOptions extends ServiceOptions {
  readonly limit: number;
  readonly cursor?: string;
  readonly all?: boolean;
}

/** A list that comes in pages. */
export interface PagedList<T> {
  readonly path: string;
  readonly item: z.ZodType<T>;
  readonly query: Query;
  /** When there is nothing at all. */
  readonly none: string;
  /** Prints one page; what it returns for the first one is handed to it for those that go on below. */
  print(
    items: readonly T[],
    out: Output,
    after: readonly number[] | undefined,
  ): readonly number[] | undefined;
}

/** As much as the service gives at once. */
const mostAtOnce = 1000;

/** Gives a command `--limit`, `--all` and `--cursor`, beside what every command has that asks the service. */
export function withPageOptions(command: Command, limit: number): Command {
  return withServiceOptions(command)
    .option('--limit <n>', 'at most this many, 1 to 1000', limitOf, limit)
    .option('--all', 'all there are, however many')
    .option('--cursor <text>', 'go on after the page that named it');
}

export function limitOf(text: string): number {
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= mostAtOnce) return limit;
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${mostAtOnce}.`);
}

/**
 * Shows one page, or with `--all` one after the other as they come: a ledger may have more studies than fit into memory. As JSON it
 * is one document in either case.
 */
export async function showPages<T>(
  context: CliContext,
  options: PageOptions,
  list: PagedList<T>,
): Promise<void> {
  const service = connectService(context, options);
  const { out } = context;
  if (options.json === true) {
    await (options.all === true
      ? writeAll(out, service, options, list)
      : writeOne(out, service, options, list));
    return;
  }
  let after: readonly number[] | undefined;
  let shown = 0;
  let next: string | null = null;
  const unanswered = new Set<string>();
  for await (const page of pages(service, options, list)) {
    for (const backend of page.unanswered ?? []) unanswered.add(backend);
    if (page.items.length > 0) after = list.print(page.items, out, after);
    shown += page.items.length;
    next = page.next;
  }
  if (shown === 0) out.line(list.none);
  if (unanswered.size > 0) out.note(`No answer from ${[...unanswered].join(', ')}; there may be more there.`);
  if (next !== null) out.note(`There are more: --all, or --cursor ${next}`);
}

/** A list for which the backends have to be asked says which of them have not answered. */
const unansweredPart = { unanswered: z.array(z.string()).optional() };

interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
  readonly unanswered?: readonly string[] | undefined;
}

async function* pages<T>(
  service: ServiceClient,
  { limit, cursor, all }: PageOptions,
  { path, item, query }: PagedList<T>,
): AsyncGenerator<Page<T>> {
  const schema = pageOf(item).extend(unansweredPart);
  let from = cursor;
  let missing = all === true ? Number.POSITIVE_INFINITY : limit;
  do {
    const page = await service.get(path, schema, {
      ...query,
      limit: Math.min(mostAtOnce, missing),
      cursor: from,
    });
    yield page;
    from = page.next ?? undefined;
    // A page may have fewer than were asked for, although there are more: what a filter has left out takes its time.
    missing -= page.items.length;
  } while (missing > 0 && from !== undefined);
}

async function writeOne<T>(
  out: Output,
  service: ServiceClient,
  options: PageOptions,
  list: PagedList<T>,
): Promise<void> {
  const all: T[] = [];
  let last: string | null = null;
  const silent = new Set<string>();
  for await (const { items, next, unanswered = [] } of pages(service, options, list)) {
    all.push(...items);
    last = next;
    for (const backend of unanswered) silent.add(backend);
  }
  out.json({ items: all, next: last, ...(silent.size === 0 ? {} : { unanswered: [...silent] }) });
}

/** The same document as of one page, written bit by bit. */
async function writeAll<T>(
  out: Output,
  service: ServiceClient,
  options: PageOptions,
  list: PagedList<T>,
): Promise<void> {
  let between = '\n';
  out.raw('{\n  "items": [');
  for await (const { items } of pages(service, options, list)) {
    for (const item of items) {
      out.raw(`${between}${indented(JSON.stringify(item, null, 2))}`);
      between = ',\n';
    }
  }
  out.raw(`${between === '\n' ? '' : '\n  '}],\n  "next": null\n}\n`);
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, '    ');
}
