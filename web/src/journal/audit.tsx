import type { AuditAnswer } from '../../../src/admin/failover-schemas.ts';
import { get } from '../lib/api.ts';
import type { Page } from '../lib/contract.ts';
import { useLoad } from '../lib/load.ts';
import { Card, Empty, Loading, Scroll, Time, Trouble } from '../ui/parts.tsx';

/** @param target only what was done to this backend or study */
export function AuditTable({ target, most = 200 }: { target?: string; most?: number }) {
  const { value, problem, loading } = useLoad(
    (signal) => get<Page<AuditAnswer>>('/audit', { limit: most }, signal),
    `audit ${most}`,
    5_000,
  );
  const items = (value?.items ?? []).filter((one) => target === undefined || one.target === target);
  return (
    <Card title="What people did" note="Written before it is done, with who and when">
      <Trouble problem={problem} />
      {loading && <Loading what="the audit list" />}
      {value !== null && items.length === 0 && (
        <Empty title="Nobody has changed anything yet">
          <p>Every change made here, by the API or by “dde” appears with who made it.</p>
        </Empty>
      )}
      {items.length > 0 && (
        <Scroll label="What people did">
          <table>
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">Who</th>
                <th scope="col">What</th>
                <th scope="col">To</th>
                <th scope="col">Detail</th>
              </tr>
            </thead>
            <tbody>
              {items.map((one) => (
                <tr key={`${one.at} ${one.action} ${one.target}`}>
                  <td class="tight">
                    <Time at={one.at} />
                  </td>
                  <td class="tight">{one.who}</td>
                  <td class="tight">{one.action}</td>
                  <td class="uid">{one.target}</td>
                  <td>{one.detail}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Card>
  );
}
