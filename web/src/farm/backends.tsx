import type { FarmBackend } from '../lib/contract.ts';
import { age, count, counted, perSecond, size } from '../lib/format.ts';
import { to } from '../lib/route.ts';
import { stateOf, troubleOf } from '../lib/verdict.ts';
import { Badge, Bar, Outside, Scroll } from '../ui/parts.tsx';
import { byName } from './layout.ts';

/** So many fit on a screen as cards; more stand in a table. */
const mostCards = 8;

export function Backends({ backends }: { backends: readonly FarmBackend[] }) {
  const sorted = backends.toSorted(byName);
  return sorted.length <= mostCards ? (
    <ul class="cards">
      {sorted.map((one) => (
        <BackendCard key={one.name} one={one} />
      ))}
    </ul>
  ) : (
    <BackendTable backends={sorted} />
  );
}

export function learntSpeed({ learnt }: FarmBackend): string {
  if (learnt.instancesPerSecond === null && learnt.bytesPerSecond === null) return 'not known yet';
  const speed = [
    learnt.instancesPerSecond === null ? null : perSecond(learnt.instancesPerSecond),
    learnt.bytesPerSecond === null ? null : `${size(learnt.bytesPerSecond)}/s`,
  ];
  return `${speed.filter((one) => one !== null).join(' · ')}${learnt.measured ? '' : ' (guessed)'}`;
}

export function disk({ diskBytes, diskLimitBytes }: FarmBackend): string {
  if (diskBytes === null) return '–';
  return diskLimitBytes === null ? size(diskBytes) : `${size(diskBytes)} of ${size(diskLimitBytes)}`;
}

function waitingFor({ waiting }: FarmBackend): string {
  if (waiting.instances === 0) return 'nothing';
  const oldest = waiting.oldestAgeSeconds === null ? '' : `, oldest ${age(waiting.oldestAgeSeconds)}`;
  return `${counted(waiting.instances, 'image')}${oldest}`;
}

function BackendCard({ one }: { one: FarmBackend }) {
  const { tone, word } = stateOf(one);
  const trouble = troubleOf(one);
  return (
    <li class={`card backend ${tone}`}>
      <div class="row spread">
        <h3>
          <a href={to(['backends', one.name])}>{one.name}</a>
        </h3>
        <Badge tone={tone}>{word}</Badge>
      </div>
      {trouble !== null && <p class="why">{trouble}</p>}
      <dl class="pairs">
        <dt>Flow now</dt>
        <dd>
          {perSecond(one.rate.instances)} · {size(one.rate.bytes)}/s
        </dd>
        <dt>Learnt speed</dt>
        <dd>{learntSpeed(one)}</dd>
        <dt>In flight</dt>
        <dd>
          {counted(one.instancesInFlight, 'image')} · {size(one.bytesInFlight)}
        </dd>
        <dt>Waiting</dt>
        <dd>{waitingFor(one)}</dd>
        <dt>Disk</dt>
        <dd>{disk(one)}</dd>
      </dl>
      {one.diskBytes !== null && one.diskLimitBytes !== null && one.diskLimitBytes > 0 && (
        <Bar
          share={one.diskBytes / one.diskLimitBytes}
          label={`Disk of ${one.name}`}
          tone={one.diskBytes / one.diskLimitBytes > 0.9 ? 'bad' : 'good'}
        />
      )}
      <div class="row spread small-text soft">
        <Lanes one={one} />
        <Outside href={one.explorer}>Explorer</Outside>
      </div>
    </li>
  );
}

/** One mark a lane, filled while it sends. */
function Lanes({ one }: { one: FarmBackend }) {
  const lanes = Math.min(16, one.lanes);
  return (
    <span class="row lanes-row">
      <span class="lanes" aria-hidden="true">
        {Array.from({ length: lanes }, (_, lane) => (
          <i key={lane} class={lane < one.busyLanes ? 'busy' : ''} />
        ))}
      </span>
      {one.busyLanes} of {one.lanes} lanes
    </span>
  );
}

function BackendTable({ backends }: { backends: readonly FarmBackend[] }) {
  return (
    <section class="card" aria-label="All backends">
      <Scroll label="All backends">
        <table class="dense">
          <thead>
            <tr>
              <th scope="col">Backend</th>
              <th scope="col">State</th>
              <th scope="col" class="number">
                Flow now
              </th>
              <th scope="col" class="number">
                Learnt
              </th>
              <th scope="col" class="number">
                In flight
              </th>
              <th scope="col" class="number">
                Waiting
              </th>
              <th scope="col" class="number">
                Oldest
              </th>
              <th scope="col" class="number">
                Lanes
              </th>
              <th scope="col" class="number">
                Disk
              </th>
            </tr>
          </thead>
          <tbody>
            {backends.map((one) => (
              <BackendRow key={one.name} one={one} />
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}

function BackendRow({ one }: { one: FarmBackend }) {
  const { tone, word } = stateOf(one);
  const trouble = troubleOf(one);
  return (
    <tr>
      <td class="tight">
        <a href={to(['backends', one.name])}>{one.name}</a>
      </td>
      <td class="tight">
        <Badge tone={tone} {...(trouble === null ? {} : { title: trouble })}>
          {word}
        </Badge>
      </td>
      <td class="number">{perSecond(one.rate.instances)}</td>
      <td class="number">
        {one.learnt.instancesPerSecond === null ? '–' : perSecond(one.learnt.instancesPerSecond)}
      </td>
      <td class="number">{count(one.instancesInFlight)}</td>
      <td class="number">{count(one.waiting.instances)}</td>
      <td class="number">
        {one.waiting.oldestAgeSeconds === null ? '–' : age(one.waiting.oldestAgeSeconds)}
      </td>
      <td class="number">
        {one.busyLanes}/{one.lanes}
      </td>
      <td class="number">{disk(one)}</td>
    </tr>
  );
}
