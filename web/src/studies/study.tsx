import { useState } from 'preact/hooks';
import type { DecisionsAnswer, StudyAnswer } from '../../../src/admin/schemas.ts';
import { get } from '../lib/api.ts';
import type { TimelineItem } from '../lib/contract.ts';
import { counted, exactTime, size } from '../lib/format.ts';
import { useLoad } from '../lib/load.ts';
import { to } from '../lib/route.ts';
import { mayOperate } from '../lib/session.ts';
import { Icon } from '../ui/icon.tsx';
import { Badge, Bar, Card, Empty, Facts, Loading, Outside, Time, Trouble } from '../ui/parts.tsx';
import { Decisions, Waits } from './decisions.tsx';
import { Rebind } from './rebind.tsx';
import { Receipts } from './receipts.tsx';
import { Timeline } from './timeline.tsx';
import { stateWord, whereabouts } from './words.ts';

/** One study: where it is, why there, what happened to it, and the proof. */
export function StudyPage({ uid }: { uid: string }) {
  const path = `/studies/${encodeURIComponent(uid)}`;
  const study = useLoad((signal) => get<StudyAnswer>(path, {}, signal), path, 2_000);
  const decisions = useLoad((signal) => get<DecisionsAnswer>(`${path}/decisions`, {}, signal), path, 3_000);
  const timeline = useLoad(
    (signal) => get<{ items: readonly TimelineItem[] }>(`${path}/timeline`, {}, signal),
    path,
    3_000,
  );
  const [rebinding, setRebinding] = useState(false);
  const again = (): void => {
    study.again();
    decisions.again();
    timeline.again();
  };
  const value = study.value;
  return (
    <>
      <div class="head">
        <div>
          <p class="crumbs">
            <a href="#/studies">Studies</a>
          </p>
          <h1 class="uid study-uid">{uid}</h1>
        </div>
        {value !== null && mayOperate.value && value.backend !== null && (
          <button type="button" onClick={() => setRebinding(true)}>
            Bind to another backend
          </button>
        )}
      </div>
      {study.problem !== null && value === null ? (
        <NotFound problem={study.problem} />
      ) : (
        <Trouble problem={study.problem} />
      )}
      {study.loading && <Loading what="the study" />}
      {value !== null && (
        <>
          <Where study={value} />
          {decisions.value?.waits != null && <Waits waits={decisions.value.waits} />}
          <div class="two">
            <Card title="Its life" note="Oldest first">
              <Trouble problem={timeline.problem} />
              {timeline.loading ? (
                <Loading what="the timeline" />
              ) : (
                <Timeline items={timeline.value?.items ?? []} />
              )}
            </Card>
            <Card title="Why it went there">
              <Trouble problem={decisions.problem} />
              {decisions.value === null ? (
                <Loading what="the decisions" />
              ) : (
                <Decisions decisions={decisions.value} />
              )}
            </Card>
          </div>
          <Receipts uid={uid} proven={value.instances.verified} />
          {rebinding && (
            <Rebind
              study={value}
              onClose={() => {
                setRebinding(false);
                again();
              }}
            />
          )}
        </>
      )}
    </>
  );
}

function NotFound({ problem }: { problem: Parameters<typeof Trouble>[0]['problem'] }) {
  if (problem?.status !== 404) return <Trouble problem={problem} />;
  return (
    <Empty title={problem.title}>
      <p>{problem.message}</p>
      <p>
        <a href="#/studies">All studies</a>
      </p>
    </Empty>
  );
}

function Where({ study }: { study: StudyAnswer }) {
  const [tone, word] = stateWord(study.state);
  const { received, verified, removed, quarantined, discarded, vanished } = study.instances;
  return (
    <section class="card stack where" aria-label="Where it is">
      <div class="row spread">
        <p class="where-line">
          {study.backend === null ? (
            'Not placed yet'
          ) : (
            <>
              On <a href={to(['backends', study.backend])}>{study.backend}</a>
            </>
          )}
        </p>
        <Badge tone={tone}>{word}</Badge>
      </div>
      <p>{whereabouts(study)}</p>
      {study.waiting !== null && (
        <div class="hint-box warn">
          <Icon name="warn" />
          <p>
            <strong>It waits:</strong> {study.waiting}
          </p>
        </div>
      )}
      <Bar share={received === 0 ? 0 : verified / received} label="Images proven on the backend" />
      {study.backend !== null && (
        <p>
          <Outside href={study.explorer}>Open in Orthanc Explorer on {study.backend}</Outside>
        </p>
      )}
      <Facts
        items={[
          ['Images', counted(received, 'image')],
          ['Proven', `${verified} of ${received}`],
          ['Let go by the front', String(removed)],
          ['In quarantine', String(quarantined)],
          ...(discarded > 0 ? [['Discarded', String(discarded)] as const] : []),
          ...(vanished > 0 ? [['Vanished', String(vanished)] as const] : []),
          ['Size', size(study.bytes)],
          ['Modality', study.modality ?? '–'],
          ['Station', study.station ?? '–'],
          ['Sent by', study.remoteAet ?? '–'],
          ['Sent to', study.calledAet ?? '–'],
          ['Received by', study.fronts.join(', ')],
          ['First image', <span title={exactTime(study.firstSeenAt)}>{exactTime(study.firstSeenAt)}</span>],
          ['Last news', <Time at={study.lastNewsAt} />],
        ]}
      />
      {study.formerCopies.length > 0 && (
        <ul class="lines">
          {study.formerCopies.map((one) => (
            <li key={one.backend}>
              Left on <a href={to(['backends', one.backend])}>{one.backend}</a>: {one.state}
              {one.reason === null ? '' : `: ${one.reason}`}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
