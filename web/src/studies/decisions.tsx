import { Fragment } from 'preact';
import { useState } from 'preact/hooks';
import type {
  ConsideredAnswer,
  DecisionAnswer,
  DecisionsAnswer,
  OutcomeAnswer,
  WaitAnswer,
} from '../../../src/admin/schemas.ts';
import { counted, duration, exactTime, figure, size } from '../lib/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Badge, Card, Empty, Facts, Scroll, Time } from '../ui/parts.tsx';

const kinds: Readonly<Record<DecisionAnswer['kind'], string>> = {
  placed: 'Placed on',
  followed: 'Followed what is already on',
  rebound: 'Bound anew to',
  waiting: 'Left to wait',
};

/** Every decision with its candidates, the newest first, and what became of it. */
export function Decisions({ decisions }: { decisions: DecisionsAnswer }) {
  if (decisions.items.length === 0) return <Empty title="No decision yet" />;
  return (
    <ol class="stack">
      {decisions.items.toReversed().map((decision) => (
        <li key={decision.id}>
          <Decision
            decision={decision}
            outcome={decisions.outcomes.find((one) => one.decisionId === decision.id) ?? null}
          />
        </li>
      ))}
    </ol>
  );
}

function Decision({ decision, outcome }: { decision: DecisionAnswer; outcome: OutcomeAnswer | null }) {
  return (
    <article class="decision stack">
      <div>
        <h3>
          {kinds[decision.kind]} {decision.backend ?? ''}
        </h3>
        <p>{decision.reason}</p>
        <p class="soft small-text">
          <time dateTime={decision.at} title={exactTime(decision.at)}>
            {exactTime(decision.at)}
          </time>{' '}
          · policy {decision.policy} · epoch {decision.epoch}
          {decision.copy > 0 && ` · copy ${decision.copy}`}
        </p>
      </div>
      {decision.considered.length > 0 && (
        <Candidates considered={decision.considered} chosen={decision.backend} />
      )}
      {outcome !== null && <Outcome outcome={outcome} />}
    </article>
  );
}

/** The best of many; whoever wants to know about the others asks. */
const mostCandidates = 8;

export function Candidates({
  considered,
  chosen,
}: {
  considered: readonly ConsideredAnswer[];
  chosen: string | null;
}) {
  const [all, setAll] = useState(considered.length <= mostCandidates + 2);
  const sorted = considered.toSorted((a, b) => (a.score ?? Infinity) - (b.score ?? Infinity));
  const shown = all
    ? sorted
    : sorted.filter((one, place) => place < mostCandidates || one.backend === chosen);
  return (
    <Scroll label="Backends considered">
      <table>
        <thead>
          <tr>
            <th scope="col">Backend</th>
            <th scope="col" class="number">
              Score
            </th>
            <th scope="col">Why, why not</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((one) => (
            <tr key={one.backend} class={one.backend === chosen ? 'chosen' : ''}>
              <td class="tight">
                {one.backend}{' '}
                {one.backend === chosen && (
                  <span class="soft small-text">
                    <Icon name="good" size={14} /> chosen
                  </span>
                )}
              </td>
              <td class="number">{one.score === null ? '–' : figure(one.score)}</td>
              <td>
                {one.passedOver ?? (one.backend === chosen ? 'best score' : '')}
                <Inputs inputs={one.inputs} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="hint">A lower score is better.</p>
      {shown.length < sorted.length && (
        <p>
          <button type="button" class="small" onClick={() => setAll(true)}>
            Show all {sorted.length} backends
          </button>
        </p>
      )}
    </Scroll>
  );
}

/** The figures a score was made of, in the words of the policy. */
function Inputs({ inputs }: { inputs: ConsideredAnswer['inputs'] }) {
  const said = Object.entries(inputs).filter(([, value]) => value !== null);
  if (said.length === 0) return null;
  return (
    <details class="small-text">
      <summary>Figures</summary>
      <dl class="pairs">
        {said.map(([name, value]) => (
          <Fragment key={name}>
            <dt>{name.replaceAll(/([A-Z])/g, ' $1').toLowerCase()}</dt>
            <dd>{typeof value === 'number' ? figure(value) : value}</dd>
          </Fragment>
        ))}
      </dl>
    </details>
  );
}

function Outcome({ outcome }: { outcome: OutcomeAnswer }) {
  const { predicted, happened } = outcome;
  return (
    <Facts
      items={[
        [
          'Predicted',
          predicted === null
            ? 'nothing: this policy does not'
            : `${counted(predicted.instances, 'image')}, ${size(predicted.bytes)}${predicted.seconds === null ? '' : `, ${duration(predicted.seconds)}`}`,
        ],
        [
          'Happened',
          `${counted(happened.instances, 'image')}, ${size(happened.bytes)}${happened.seconds === null ? '' : `, ${duration(happened.seconds)}`}`,
        ],
        ['Available', happened.availableAt === null ? 'not yet' : <Time at={happened.availableAt} />],
        [
          'After the last image',
          happened.secondsAfterLastImage === null ? '–' : duration(happened.secondsAfterLastImage),
        ],
      ]}
    />
  );
}

/** Why it has no backend yet, and how the backends look now. */
export function Waits({ waits }: { waits: WaitAnswer }) {
  return (
    <Card title="Why it waits">
      <div class="stack">
        <p class="row">
          <Badge tone="warn">waits</Badge>
          <span>{waits.reason}</span>
          <span class="soft small-text">
            since <Time at={waits.since} />
          </span>
        </p>
        {waits.now !== null && waits.now.length > 0 && <Candidates considered={waits.now} chosen={null} />}
      </div>
    </Card>
  );
}
