import type { TimelineItem } from '../lib/contract.ts';
import { counted, duration, exactTime, size } from '../lib/format.ts';
import { Icon, type IconName } from '../ui/icon.tsx';
import { Empty } from '../ui/parts.tsx';

const icons: Readonly<Record<string, IconName>> = {
  received: 'download',
  decision: 'steer',
  transfer: 'send',
  proven: 'good',
  removed: 'good',
  quarantined: 'bad',
  event: 'journal',
};

export function Timeline({ items }: { items: readonly TimelineItem[] }) {
  const start = items[0];
  if (start === undefined) return <Empty title="Nothing is recorded" />;
  return (
    <ol class="timeline">
      {items.map((item, index) => (
        <li key={`${item.at} ${item.kind} ${index}`} class={item.kind}>
          <span class="timeline-sign">
            <Icon name={icons[item.kind] ?? 'journal'} size={15} />
          </span>
          <div>
            <p class="row spread">
              <strong>{item.title}</strong>
              <time dateTime={item.at} title={exactTime(item.at)} class="soft small-text">
                {index === 0
                  ? exactTime(item.at)
                  : `+${duration((Date.parse(item.at) - Date.parse(start.at)) / 1000)}`}
              </time>
            </p>
            {item.detail !== null && <p class="small-text">{item.detail}</p>}
            <p class="soft small-text">{factsOf(item)}</p>
          </div>
        </li>
      ))}
    </ol>
  );
}

function factsOf(item: TimelineItem): string {
  const way = [item.front, item.backend].filter((one) => one !== null).join(' → ');
  return [
    way === '' ? null : way,
    item.instances === null ? null : counted(item.instances, 'image'),
    item.bytes === null ? null : size(item.bytes),
    item.seconds === null ? null : duration(item.seconds),
  ]
    .filter((one) => one !== null)
    .join(' · ');
}
