import { useState } from 'preact/hooks';
import type { EchoAnswer } from '../../../src/admin/steer-schemas.ts';
import { api } from '../lib/api.ts';
import { duration } from '../lib/format.ts';
import { useAction } from '../lib/load.ts';
import { Badge, Card, Trouble } from '../ui/parts.tsx';

/** Whether it is reached, on every way an image or a question takes. */
export function EchoCard({ name }: { name: string }) {
  const [echo, setEcho] = useState<EchoAnswer | null>(null);
  const { busy, problem, run } = useAction();
  const ask = (): void =>
    run(async () => {
      setEcho(null);
      setEcho(await api<EchoAnswer>('POST', `/backends/${encodeURIComponent(name)}/echo`));
    });
  return (
    <Card
      title="Is it reached?"
      actions={
        <button type="button" disabled={busy} onClick={ask}>
          {busy ? 'Asking…' : 'Echo'}
        </button>
      }
    >
      <Trouble problem={problem} />
      {echo === null ? (
        <p class="note">
          Asks it over HTTP and DICOM, and has each front try it as a peer. Nothing is stored.
        </p>
      ) : (
        <ul class="lines" aria-live="polite">
          <Line
            way={`Service → ${name}, HTTP`}
            ok={echo.rest.ok}
            detail={`${echo.rest.detail}${echo.seconds === null ? '' : `, ${duration(echo.seconds)}`}`}
          />
          {echo.dicom === null ? (
            <Line way="C-ECHO" ok={null} detail="The topology does not know its DICOM port." />
          ) : (
            <Line way="C-ECHO" ok={echo.dicom.ok} detail={echo.dicom.detail} />
          )}
          {echo.peer.map((one) => (
            <Line key={one.front} way={`${one.front} → ${name}, peer`} ok={one.ok} detail={one.detail} />
          ))}
        </ul>
      )}
    </Card>
  );
}

function Line({ way, ok, detail }: { way: string; ok: boolean | null; detail: string }) {
  return (
    <li class="row spread">
      <span>
        <strong>{way}</strong> <span class="soft">{detail}</span>
      </span>
      <Badge tone={ok === null ? 'idle' : ok ? 'good' : 'bad'}>
        {ok === null ? 'not asked' : ok ? 'answers' : 'fails'}
      </Badge>
    </li>
  );
}
