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
          <Line />
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

/** In a component of its own: it changes with each look at the farm, and the lists below do not. */
function Line() {
  const seen = farm.value;
  return (
    <p class="note">
      {seen === null
        ? 'What waits, and why.'
        : `${waitingLine(seen)}. ${counted(seen.waiting.settling, 'image')} proven, settling.`}
    </p>
  );
}
