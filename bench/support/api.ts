import type { Farm } from '../../test/support/farm.ts';
import { until } from '../../test/support/wait.ts';

export interface StudyNow {
  readonly state: string;
  readonly backend: string | null;
  readonly epoch: number | null;
  readonly waiting: string | null;
  readonly instances: { readonly received: number; readonly verified: number; readonly removed: number };
}

export interface BackendNow {
  readonly name: string;
  readonly health: string;
  readonly outSince: string | null;
  readonly instancesInFlight: number;
}

export interface Receipt {
  readonly orthancId: string;
  readonly backend: string;
  readonly epoch: number;
  readonly md5: string;
  readonly at: string;
}

/** What operators say of a backend. @throws when the service refuses */
export async function setBackend(
  farm: Farm,
  name: string,
  state: 'ready' | 'drain' | 'maint',
): Promise<void> {
  const answer = await farm.service.request(`/api/v1/backends/${name}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ state }),
  });
  if (!answer.ok) throw new Error(`${name} → ${state}: ${answer.status} ${await answer.text()}`);
}

export async function studyNow(farm: Farm, uid: string): Promise<StudyNow> {
  return await farm.service.get<StudyNow>(`/api/v1/studies/${uid}`);
}

export async function backendNow(farm: Farm, name: string): Promise<BackendNow> {
  return await farm.service.get<BackendNow>(`/api/v1/backends/${name}`);
}

export async function receiptsOf(farm: Farm, uid: string): Promise<readonly Receipt[]> {
  return (await farm.service.get<{ items: Receipt[] }>(`/api/v1/studies/${uid}/receipts`)).items;
}

/** Waits until the service has noted so many instances. */
export async function announced(farm: Farm, instances: number, timeoutMs = 120_000): Promise<void> {
  await until(
    async () => (await farm.service.get<{ received: number }>('/api/v1/totals')).received >= instances,
    { what: `${instances} instances to be announced`, timeoutMs, intervalMs: 50 },
  );
}
