import type { EvacuationAnswer } from '../../../src/admin/failover-schemas.ts';
import { api } from '../lib/api.ts';
import { count, counted, size } from '../lib/format.ts';
import { useAction } from '../lib/load.ts';
import { to } from '../lib/route.ts';
import { mayOperate } from '../lib/session.ts';
import { Badge, Bar, Time, Trouble } from '../ui/parts.tsx';

const said: Readonly<Record<EvacuationAnswer['state'], readonly ['busy' | 'good' | 'idle', string]>> = {
  running: ['busy', 'moving'],
  done: ['good', 'empty'],
  stopped: ['idle', 'stopped'],
};

/** How far the evacuation of a backend is. */
export function Evacuation({ evacuation, onChange }: { evacuation: EvacuationAnswer; onChange: () => void }) {
  const { busy, problem, run } = useAction();
  const { backend, state, studies, moved, movedInstances, movedBytes, waiting, target } = evacuation;
  const [tone, word] = said[state];
  const stop = (): void =>
    run(async () => {
      await api('DELETE', `/backends/${encodeURIComponent(backend)}/evacuation`);
      onChange();
    });
  return (
    <section class="card stack" aria-label={`Evacuation of ${backend}`}>
      <div class="row spread">
        <h2>
          Evacuation of <a href={to(['backends', backend])}>{backend}</a>
        </h2>
        <Badge tone={tone}>{word}</Badge>
      </div>
      <p>
        {count(moved)} of {counted(studies, 'study', 'studies')} moved to{' '}
        {target ?? 'the backends the policy chooses'}: {counted(movedInstances, 'image')}, {size(movedBytes)},
        each proven there before it was deleted here.
      </p>
      <Bar
        share={studies === 0 ? (state === 'done' ? 1 : 0) : moved / studies}
        label={`Moved from ${backend}`}
      />
      {waiting !== null && state === 'running' && <p class="note">{waiting}</p>}
      <Trouble problem={problem} />
      <div class="row spread">
        <p class="soft small-text">
          begun <Time at={evacuation.startedAt} />
          {evacuation.endedAt !== null && (
            <>
              , ended <Time at={evacuation.endedAt} />
            </>
          )}
        </p>
        {state === 'running' && mayOperate.value && (
          <button type="button" class="small" disabled={busy} onClick={stop}>
            Stop after what is under way
          </button>
        )}
      </div>
    </section>
  );
}
