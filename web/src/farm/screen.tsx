import { JournalList } from '../journal/list.tsx';
import type { Farm, JournalEntry } from '../lib/contract.ts';
import { age, count, counted, perSecond, size } from '../lib/format.ts';
import { farm, journal, liveState } from '../lib/live.ts';
import { isReceiving, type Verdict, verdictOf } from '../lib/verdict.ts';
import { Icon } from '../ui/icon.tsx';
import { Badge, Card, Empty, Facts, Loading, Outside } from '../ui/parts.tsx';
import { Backends } from './backends.tsx';
import { Picture } from './picture.tsx';

/** Whether images are safe, and where they go. */
export function FarmScreen() {
  const seen = farm.value;
  if (seen === null)
    return (
      <>
        <h1>Farm</h1>
        <Loading what="the farm" />
      </>
    );
  const isOld = liveState.value === 'reconnecting';
  const verdict = isOld
    ? ({ tone: 'warn', title: 'The service does not answer: this is as it was', reasons: [] } as const)
    : verdictOf(seen);
  return (
    <>
      {isOld && (
        <div class="hint-box warn" role="status">
          <Icon name="warn" />
          <p>
            Fronts go on receiving, and keep what they have acknowledged until the service is back. It is
            asked again by itself.
          </p>
        </div>
      )}
      <Hero seen={seen} verdict={verdict} />
      <Card title="Where images go" note={`Policy ${seen.policy.name}, order ${seen.policy.order}`}>
        <Picture farm={seen} />
      </Card>
      <section class="stack" aria-labelledby="backends-title">
        <h2 id="backends-title">Backends</h2>
        {seen.backends.length === 0 ? (
          <Empty title="There is no backend">
            <a href="#/backends">Add one</a>
          </Empty>
        ) : (
          <Backends backends={seen.backends} />
        )}
      </section>
      <div class="two">
        <Fronts seen={seen} />
        <Card title="Lately" actions={<a href="#/journal">The whole journal</a>}>
          <JournalList entries={lately(journal.value)} brief />
        </Card>
      </div>
    </>
  );
}

/** Who signs in is in the journal; here it would stand in the way of what happened. */
function lately(entries: readonly JournalEntry[]): readonly JournalEntry[] {
  return entries.filter(({ kind }) => kind !== 'sign-in' && kind !== 'sign-out').slice(0, 6);
}

function Hero({ seen, verdict }: { seen: Farm; verdict: Verdict }) {
  const { waiting, rates } = seen;
  return (
    <section class={`hero ${verdict.tone}`} aria-label="Are images safe">
      <div class="hero-sign">
        <Icon name={verdict.tone} size={30} />
      </div>
      <div class="hero-text">
        <p class="verdict" role="status">
          {verdict.title}
        </p>
        <h1>
          <strong>{count(waiting.instances)}</strong> {waiting.instances === 1 ? 'image' : 'images'} waiting
          {waiting.instances > 0 && waiting.oldestAgeSeconds !== null && (
            <>
              , oldest <strong>{age(waiting.oldestAgeSeconds)}</strong>
            </>
          )}
          , <strong>{count(waiting.quarantined)}</strong> in quarantine
        </h1>
        {verdict.reasons.length > 0 && (
          <ul class="reasons">
            {verdict.reasons.slice(0, 4).map((reason) => (
              <li key={reason}>{reason}</li>
            ))}
            {verdict.reasons.length > 4 && <li>and {verdict.reasons.length - 4} more</li>}
          </ul>
        )}
        {(waiting.instances > 0 || waiting.quarantined > 0) && (
          <p class="hero-links">
            <a href="#/queue">See what waits, and why</a>
          </p>
        )}
      </div>
      <Facts
        items={[
          ['In', `${perSecond(rates.inInstances)} · ${size(rates.inBytes)}/s`],
          ['Out', `${perSecond(rates.outInstances)} · ${size(rates.outBytes)}/s`],
          ['Proven, settling', counted(waiting.settling, 'image')],
          ['Without a backend', counted(waiting.unplacedStudies, 'study', 'studies')],
        ]}
      />
    </section>
  );
}

function Fronts({ seen }: { seen: Farm }) {
  return (
    <Card title="Fronts">
      <ul class="lines">
        {seen.fronts.map((front) => (
          <li key={front.name} class="row spread">
            <span>
              <strong>{front.name}</strong>{' '}
              <span class="soft small-text">
                {front.refusing ??
                  front.healthReason ??
                  (front.freeBytes === null ? '' : `${size(front.freeBytes)} free`)}
              </span>
            </span>
            <span class="row">
              <Badge tone={isReceiving(front) ? 'good' : 'bad'}>
                {front.health === 'down' ? 'down' : front.takesImages ? 'receiving' : 'refuses images'}
              </Badge>
              <Outside href={front.explorer}>Explorer</Outside>
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
