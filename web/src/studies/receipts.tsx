import { useState } from 'preact/hooks';
import type { z } from 'zod';
import type { receiptAnswer } from '../../../src/admin/schemas.ts';
import { get } from '../lib/api.ts';
import { counted, exactTime } from '../lib/format.ts';
import { useLoad } from '../lib/load.ts';
import { Card, Empty, Loading, Scroll, Trouble } from '../ui/parts.tsx';

type Receipt = z.infer<typeof receiptAnswer>;
const first = 20;

/** The proof of each image: the MD5 the backend read from its own disk, equal to the front's. */
export function Receipts({ uid, proven }: { uid: string; proven: number }) {
  const { value, problem, loading } = useLoad(
    (signal) =>
      get<{ items: readonly Receipt[] }>(`/studies/${encodeURIComponent(uid)}/receipts`, {}, signal),
    // Asked anew when there are more of them.
    `${uid} ${proven}`,
  );
  const [all, setAll] = useState(false);
  const items = value?.items ?? [];
  const shown = all ? items : items.slice(0, first);
  return (
    <Card title="Receipts" note="The backend’s own MD5 of each image, equal to the front’s">
      <Trouble problem={problem} />
      {loading && <Loading what="the receipts" />}
      {value !== null && items.length === 0 && (
        <Empty title="Nothing is proven yet">
          <p>The front keeps every image until its receipt is here.</p>
        </Empty>
      )}
      {shown.length > 0 && (
        <Scroll label="Receipts">
          <table class="dense">
            <thead>
              <tr>
                <th scope="col">SOPInstanceUID</th>
                <th scope="col">Backend</th>
                <th scope="col">MD5</th>
                <th scope="col">Proven</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((one) => (
                <tr key={`${one.orthancId} ${one.backend}`}>
                  <td class="uid">{one.sopInstanceUID}</td>
                  <td class="tight">{one.backend}</td>
                  <td class="uid">{one.md5}</td>
                  <td class="tight">{exactTime(one.at)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {items.length > shown.length && (
        <p class="more">
          <button type="button" onClick={() => setAll(true)}>
            Show all {counted(items.length, 'receipt')}
          </button>
        </p>
      )}
    </Card>
  );
}
