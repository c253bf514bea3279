import type { AuditAnswer } from '../../../src/admin/failover-schemas.ts';
import { get } from '../lib/api.ts';
import type { Page } from '../lib/contract.ts';
import { useLoad } from '../lib/load.ts';
import { Card, Empty, Loading, Scroll, Time, Trouble } from '../ui/parts.tsx';

const signing: ReadonlySet<string> = new Set(['sign-in', 'sign-out']);

/**
 * @param target only what was done to this backend or study
 * @param changesOnly leaves out who signed in and out
 */
export function AuditTable({
  target,
  most = 200,
  changesOnly = false,
}: {
  target?: string;
  most?: number;
  changesOnly?: boolean;
}) {
  const { value, problem, loading } = useLoad(
    (signal) => get<Page<AuditAnswer>>('/audit', { limit: 200 }, signal),
    'audit',
    5_000,
  );
  const items = (value?.items ?? [])
    .filter((one) => target === undefined || one.target === target)
    .filter((one) => !changesOnly || !signing.has(one.action))
    .slice(0, most);
  return (
    <Card title="What people did" note="Written before it is done, with who and when">
      <Trouble problem={problem} />
      {loading && <Loading what="the audit list" />}
      {value !== null && items.length === 0 && (
        <Empty
          title={
            target === undefined ? 'Nobody has changed anything yet' : 'Nobody has changed anything here yet'
          }
        >
          <p>Every change appears here with who made it: by dashboard, command line or API.</p>
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
              {items.map((one, place) => (
                <tr key={`${one.at} ${one.action} ${one.target} ${items.length - place}`}>
                  <td class="tight">
                    <Time at={one.at} />
                  </td>
                  <td class="tight">{one.who}</td>
                  <td class="tight">{one.action.replaceAll('-', ' ')}</td>
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
