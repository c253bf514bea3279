import type { QueueAnswer, StudyAnswer } from '../../../src/admin/schemas.ts';
import { get } from '../lib/api.ts';
import type { Page } from '../lib/contract.ts';
import { age, count, size } from '../lib/format.ts';
import { useLoad } from '../lib/load.ts';
import { to } from '../lib/route.ts';
import { StudyTable } from '../studies/table.tsx';
import { Badge, Card, Empty, Loading, Scroll, Time, Trouble } from '../ui/parts.tsx';

/** Of each state so many are shown; the list of studies has them all. */
const most = 20;
const unfinished = ['received', 'assigned', 'sending'] as const;

export function Waiting() {
  const queue = useLoad((signal) => get<QueueAnswer>('/queue', {}, signal), 'queue', 2_000);
  const studies = useLoad(
    async (signal) => {
      const pages = await Promise.all(
        unfinished.map((state) => get<Page<StudyAnswer>>('/studies', { state, limit: most }, signal)),
      );
      return pages.flatMap((page) => page.items);
    },
    'unfinished',
    2_000,
  );
  return (
    <>
      <Card title="By backend" note="What is bound to each and not proven there yet">
        <Trouble problem={queue.problem} />
        {queue.loading && <Loading what="the queue" />}
        {queue.value !== null && <ByBackend queue={queue.value} />}
      </Card>
      <Card
        title="Studies that wait"
        note="With the reason"
        actions={
          (queue.value?.unplacedStudies ?? 0) > most ? (
            <a href={to(['studies'], { state: 'received' })}>All that have no backend yet</a>
          ) : undefined
        }
      >
        <Trouble problem={studies.problem} />
        {studies.loading && <Loading what="studies" />}
        {studies.value?.length === 0 && (
          <Empty title="Nothing waits">
            <p>Everything that was received is proven on its backend, but what is in quarantine.</p>
          </Empty>
        )}
        {studies.value !== null && studies.value.length > 0 && (
          <StudyTable studies={studies.value} label="Studies that wait" />
        )}
      </Card>
    </>
  );
}

function ByBackend({ queue }: { queue: QueueAnswer }) {
  if (queue.backends.length === 0 && queue.unplacedStudies === 0)
    return (
      <Empty title="Nothing waits for any backend">
        <p>What is received is placed, sent and proven here within moments.</p>
      </Empty>
    );
  return (
    <Scroll label="What waits, by backend">
      <table>
        <thead>
          <tr>
            <th scope="col">Backend</th>
            <th scope="col" class="number">
              Studies
            </th>
            <th scope="col" class="number">
              Images
            </th>
            <th scope="col" class="number">
              Size
            </th>
            <th scope="col" class="number">
              Oldest
            </th>
            <th scope="col" class="number">
              Sending
            </th>
            <th scope="col" class="number">
              Trying again
            </th>
            <th scope="col">Why</th>
          </tr>
        </thead>
        <tbody>
          {queue.unplacedStudies > 0 && (
            <tr>
              <td>none yet</td>
              <td class="number">{count(queue.unplacedStudies)}</td>
              <td class="number" colSpan={5} />
              <td>They wait for a place; each says why below.</td>
            </tr>
          )}
          {queue.backends.map((one) => (
            <tr key={one.backend}>
              <td class="tight">
                <a href={to(['backends', one.backend])}>{one.backend}</a>
              </td>
              <td class="number">{count(one.studies)}</td>
              <td class="number">{count(one.instances)}</td>
              <td class="number">{size(one.bytes)}</td>
              <td class="number">
                {one.oldestAt === null
                  ? '–'
                  : age(Math.max(0, (Date.now() - Date.parse(one.oldestAt)) / 1000))}
              </td>
              <td class="number">{count(one.sending)}</td>
              <td class="number">{count(one.retrying)}</td>
              <td>
                {one.held === null ? (
                  <Badge tone="busy">being sent</Badge>
                ) : (
                  <>
                    <Badge tone="warn">held</Badge> {one.held}
                  </>
                )}
                {one.lastFailure !== null && (
                  <p class="soft small-text">
                    Last failure: {one.lastFailure}
                    {one.nextAttemptAt !== null && (
                      <>
                        ; next try <Time at={one.nextAttemptAt} />
                      </>
                    )}
                  </p>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
