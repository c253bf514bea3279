import { api } from '../lib/api.ts';
import { counted } from '../lib/format.ts';
import { farm } from '../lib/live.ts';
import { useAction } from '../lib/load.ts';
import { mayOperate } from '../lib/session.ts';
import { waitingLine } from '../lib/verdict.ts';
import { Trouble } from '../ui/parts.tsx';
import { Quarantine } from './quarantine.tsx';
import { Waiting } from './waiting.tsx';

/** What waits and why, and what waits for a person. */
export function QueueScreen() {
  const { busy, problem, run } = useAction();
  return (
    <>
      <div class="head">
        <div>
          <h1>Queue and quarantine</h1>
          <p class="note">
            {farm.value === null
              ? 'What waits, and why.'
              : `${waitingLine(farm.value)}. ${counted(farm.value.waiting.settling, 'image')} proven, settling.`}
          </p>
        </div>
        {mayOperate.value && (
          <button
            type="button"
            disabled={busy}
            onClick={() => run(() => api('POST', '/reconcile', undefined, { timeoutMs: 120_000 }))}
          >
            {busy ? 'Comparing…' : 'Compare the fronts now'}
          </button>
        )}
      </div>
      <Trouble problem={problem} />
      <Quarantine />
      <Waiting />
    </>
  );
}
