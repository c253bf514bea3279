import { useState } from 'preact/hooks';
import type { EvacuationAnswer } from '../../../src/admin/failover-schemas.ts';
import { disk, learntSpeed } from '../farm/backends.tsx';
import { AuditTable } from '../journal/audit.tsx';
import { get } from '../lib/api.ts';
import type { FarmBackend } from '../lib/contract.ts';
import { age, counted, exactTime, perSecond, size } from '../lib/format.ts';
import { farm } from '../lib/live.ts';
import { useLoad } from '../lib/load.ts';
import { to } from '../lib/route.ts';
import { mayAdmin, mayOperate } from '../lib/session.ts';
import { stateOf, troubleOf } from '../lib/verdict.ts';
import { Icon } from '../ui/icon.tsx';
import { Badge, Card, Empty, Facts, Loading, Outside } from '../ui/parts.tsx';
import { Change } from './change.tsx';
import { EchoCard } from './echo.tsx';
import { Evacuate } from './evacuate.tsx';
import { Evacuation } from './evacuation.tsx';
import { Remove } from './remove.tsx';
import { SetState, type Wanted } from './set-state.tsx';
import { Weigh } from './weigh.tsx';

type Open = Wanted | 'weight' | 'evacuate' | 'change' | 'remove' | null;

/** One backend: how it is, and what can be done with it. */
export function BackendPage({ name }: { name: string }) {
  const [open, setOpen] = useState<Open>(null);
  const evacuations = useLoad(
    (signal) => get<{ items: readonly EvacuationAnswer[] }>('/evacuations', {}, signal),
    'evacuations',
    2_000,
  );
  const evacuation = evacuations.value?.items.find((one) => one.backend === name);
  if (farm.value === null) return <Loading what={name} />;
  const one = farm.value.backends.find((backend) => backend.name === name);
  const head = (
    <div>
      <p class="crumbs">
        <a href="#/backends">Backends</a>
      </p>
      <h1>{name}</h1>
    </div>
  );
  if (one === undefined)
    return (
      <>
        {head}
        <Empty title={`There is no backend ${name}`}>
          <p>It may have been removed. What it holds is still on it.</p>
        </Empty>
        <AuditTable target={name} />
      </>
    );
  const { tone, word } = stateOf(one);
  const trouble = troubleOf(one);
  const close = (): void => {
    setOpen(null);
    evacuations.again();
  };
  return (
    <>
      <div class="head">
        {head}
        <div class="row">
          <Badge tone={tone}>{word}</Badge>
          <Outside href={one.explorer}>Orthanc Explorer</Outside>
          <a href={to(['studies'], { backend: name })}>Its studies</a>
        </div>
      </div>
      {trouble !== null && (
        <div class="hint-box warn" role="status">
          <Icon name="warn" />
          <p>{trouble}</p>
        </div>
      )}
      {mayOperate.value && <Actions one={one} open={setOpen} />}
      {evacuation !== undefined && <Evacuation evacuation={evacuation} onChange={evacuations.again} />}
      <Now one={one} />
      {mayOperate.value && <EchoCard name={name} />}
      <AuditTable target={name} />
      {(open === 'ready' || open === 'drain' || open === 'maint') && (
        <SetState one={one} wanted={open} onClose={close} />
      )}
      {open === 'weight' && <Weigh one={one} onClose={close} />}
      {open === 'evacuate' && <Evacuate one={one} onClose={close} />}
      {open === 'change' && <Change one={one} onClose={close} />}
      {open === 'remove' && <Remove one={one} onClose={close} onEvacuate={() => setOpen('evacuate')} />}
    </>
  );
}

function Actions({ one, open }: { one: FarmBackend; open: (what: Open) => void }) {
  return (
    <div class="row" role="group" aria-label="Actions">
      {one.state !== 'ready' && (
        <button type="button" class="primary" onClick={() => open('ready')}>
          Bring back (ready)
        </button>
      )}
      {one.state !== 'drain' && (
        <button type="button" onClick={() => open('drain')}>
          Drain
        </button>
      )}
      {one.state !== 'maint' && (
        <button type="button" onClick={() => open('maint')}>
          Maintenance
        </button>
      )}
      <button type="button" onClick={() => open('weight')}>
        Weight
      </button>
      <button type="button" onClick={() => open('evacuate')}>
        Evacuate
      </button>
      {mayAdmin.value && (
        <>
          <button type="button" onClick={() => open('change')}>
            Change
          </button>
          <button type="button" onClick={() => open('remove')}>
            Remove
          </button>
        </>
      )}
    </div>
  );
}

const sinceWord: Readonly<Record<FarmBackend['health'], string>> = {
  up: 'Up',
  down: 'Down',
  unknown: 'Not seen yet',
};

function Now({ one }: { one: FarmBackend }) {
  return (
    <Card title="Now">
      <Facts
        items={[
          ['Flow', `${perSecond(one.rate.instances)} · ${size(one.rate.bytes)}/s`],
          ['Learnt speed', learntSpeed(one)],
          ['In flight', `${counted(one.instancesInFlight, 'image')} · ${size(one.bytesInFlight)}`],
          ['Waiting for it', counted(one.waiting.instances, 'image')],
          ['Oldest', one.waiting.oldestAgeSeconds === null ? '–' : age(one.waiting.oldestAgeSeconds)],
          ['Lanes', `${one.busyLanes} of ${one.lanes} busy`],
          ['Weight', `${Math.round(one.weight * 100)} %`],
          ['Disk', disk(one)],
          ['Images', one.instances === null ? '–' : counted(one.instances, 'image')],
          ['Answers in', one.latencyMs === null ? '–' : `${Math.round(one.latencyMs)} ms`],
          ['Orthanc', one.version ?? '–'],
          ['Address', one.url],
          [`${sinceWord[one.health]} since`, exactTime(one.healthSince)],
        ]}
      />
    </Card>
  );
}
