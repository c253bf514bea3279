import { useState } from 'preact/hooks';
import type { StudyAnswer } from '../../../src/admin/schemas.ts';
import { get } from '../lib/api.ts';
import type { Page } from '../lib/contract.ts';
import { backendNames } from '../lib/live.ts';
import { useAction, useLoad } from '../lib/load.ts';
import { go, place, to } from '../lib/route.ts';
import { Select, Text } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { Card, Empty, Loading, Trouble } from '../ui/parts.tsx';
import { StudyTable } from './table.tsx';
import { states, stateWord } from './words.ts';

const names = [
  'uid',
  'accession',
  'modality',
  'station',
  'aet',
  'backend',
  'state',
  'since',
  'until',
] as const;
type Name = (typeof names)[number];
type Filter = Readonly<Partial<Record<Name, string>>>;

/** Looked for by accession number, the backends that did not answer. */
type Found = Page<StudyAnswer> & { readonly unanswered?: readonly string[] };

/** Studies, newest first, and search. What is looked for stands in the address, so that it can be sent to somebody. */
export function StudiesList() {
  const filter = filterOf(place.value.query);
  const key = JSON.stringify(filter);
  const isEmpty = Object.keys(filter).length === 0;
  const query = { limit: 25, ...filter, since: utc(filter.since), until: utc(filter.until) };
  const first = useLoad((signal) => get<Found>('/studies', query, signal), key, 3_000);
  const [older, setOlder] = useState<{ key: string; page: Page<StudyAnswer> } | null>(null);
  const { busy, problem, run } = useAction();
  const rest = older !== null && older.key === key ? older.page : null;
  const next = rest === null ? (first.value?.next ?? null) : rest.next;
  const shown = first.value?.items ?? [];
  const unanswered = first.value?.unanswered ?? [];
  const uids = new Set(shown.map((study) => study.studyInstanceUID));
  const items = [...shown, ...(rest?.items ?? []).filter((study) => !uids.has(study.studyInstanceUID))];
  const more = (): void =>
    run(async () => {
      const page = await get<Page<StudyAnswer>>('/studies', { ...query, cursor: next ?? undefined });
      setOlder({ key, page: { items: [...(rest?.items ?? []), ...page.items], next: page.next } });
    });
  return (
    <>
      <div class="head">
        <div>
          <h1>Studies</h1>
          <p class="note">Every study that came through a front: where it is, and how it got there.</p>
        </div>
      </div>
      <Search filter={filter} key={key} />
      <Card title={isEmpty ? 'Latest studies' : 'Found'} note="Newest news first">
        <Trouble problem={first.problem ?? problem} />
        {unanswered.length > 0 && (
          <div class="hint-box warn" role="status">
            <Icon name="warn" />
            <p>{unanswered.join(', ')} did not answer in time: there may be more there.</p>
          </div>
        )}
        {first.loading && <Loading what="studies" />}
        {first.value !== null && items.length === 0 && <Nothing isEmpty={isEmpty} />}
        {items.length > 0 && <StudyTable studies={items} label="Studies" />}
        {next !== null && (
          <p class="more">
            <button type="button" disabled={busy} onClick={more}>
              {busy ? 'Loading…' : 'Older studies'}
            </button>
          </p>
        )}
      </Card>
    </>
  );
}

function Nothing({ isEmpty }: { isEmpty: boolean }) {
  return isEmpty ? (
    <Empty title="No study yet">
      <p>
        Point a modality at a front, or <a href="#/send">send files from here</a>.
      </p>
    </Empty>
  ) : (
    <Empty title="Nothing matches">
      <p>
        Only studies that came through a front are known here. <a href="#/studies">Show all</a>
      </p>
    </Empty>
  );
}

function Search({ filter }: { filter: Filter }) {
  const [draft, setDraft] = useState<Filter>(filter);
  const [wide, setWide] = useState(
    Object.keys(filter).some((name) => name !== 'uid' && name !== 'state' && name !== 'backend'),
  );
  const set = (name: Name) => (value: string) => setDraft((before) => ({ ...before, [name]: value }));
  const backends = backendNames.value;
  const search = (event: Event): void => {
    event.preventDefault();
    go(to(['studies'], { ...draft, uid: draft.uid?.trim() }));
  };
  return (
    <form class="card stack" role="search" onSubmit={search}>
      <div class="fields">
        <div class="wide">
          <Text
            label="StudyInstanceUID"
            type="search"
            value={draft.uid ?? ''}
            onValue={set('uid')}
            placeholder="All of it, or how it begins"
          />
        </div>
        <Select
          label="State"
          value={draft.state ?? ''}
          onValue={set('state')}
          options={[['', 'any'], ...states.map((state) => [state, stateWord(state)[1]] as const)]}
        />
        <Select
          label="Backend"
          value={draft.backend ?? ''}
          onValue={set('backend')}
          options={[['', 'any'], ...backends.map((name) => [name, name] as const)]}
        />
      </div>
      {wide && (
        <div class="fields">
          <Text
            label="Accession number"
            value={draft.accession ?? ''}
            onValue={set('accession')}
            hint="Asked of the backends; nothing of it is kept."
          />
          <Text label="Modality" value={draft.modality ?? ''} onValue={set('modality')} placeholder="CT" />
          <Text label="Station" value={draft.station ?? ''} onValue={set('station')} />
          <Text label="Sending AE title" value={draft.aet ?? ''} onValue={set('aet')} />
          <Text label="News since" type="datetime-local" value={draft.since ?? ''} onValue={set('since')} />
          <Text label="News until" type="datetime-local" value={draft.until ?? ''} onValue={set('until')} />
        </div>
      )}
      <div class="row">
        <button class="primary">Search</button>
        {!wide && (
          <button type="button" class="quiet" onClick={() => setWide(true)}>
            More fields
          </button>
        )}
        {Object.keys(filter).length > 0 && (
          <button type="button" class="quiet" onClick={() => go(to(['studies']))}>
            Clear
          </button>
        )}
      </div>
    </form>
  );
}

function filterOf(query: URLSearchParams): Filter {
  return Object.fromEntries(
    names.map((name) => [name, query.get(name) ?? '']).filter(([, value]) => value !== ''),
  ) as Filter;
}

/** What was typed is local time. */
function utc(local: string | undefined): string | undefined {
  if (local === undefined) return undefined;
  const at = new Date(local);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}
