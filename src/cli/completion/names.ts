import { quarantineAnswer } from '../../admin/failover-schemas.ts';
import { backendAnswer, frontAnswer, listOf, pageOf, studyAnswer } from '../../admin/schemas.ts';
import { loadTopology } from '../../topology/load.ts';
import type { ServiceClient } from '../client.ts';
import type { CliContext } from '../program.ts';
import type { FarmName } from './tree.ts';

/** As many as a person looks through. */
const most = 50;

/**
 * Names of the farm's that a word may be completed to, as the service knows them.
 *
 * @throws what the client throws
 */
export async function namesFromService(service: ServiceClient, name: FarmName): Promise<readonly string[]> {
  switch (name) {
    case 'backend':
      return (await service.get('/api/v1/backends', listOf(backendAnswer))).items.map((one) => one.name);
    case 'front':
      return (await service.get('/api/v1/fronts', listOf(frontAnswer))).items.map((one) => one.name);
    case 'orthanc':
      return [...(await namesFromService(service, 'front')), ...(await namesFromService(service, 'backend'))];
    case 'study': {
      const { items } = await service.get('/api/v1/studies', pageOf(studyAnswer), { limit: most });
      return items.map((one) => one.studyInstanceUID);
    }
    case 'instance': {
      const { items } = await service.get('/api/v1/quarantine', pageOf(quarantineAnswer), { limit: most });
      return items.map((one) => one.orthancId);
    }
  }
}

/** The same from the topology, for a service that does not run; nothing for what only the service knows. */
export function namesFromTopology(context: CliContext, name: FarmName): readonly string[] {
  const { topologyFile, variables } = context.environment();
  const { fronts, backends } = loadTopology(topologyFile, variables, 'generate');
  const names = (all: readonly { readonly name: string }[]): string[] => all.map((one) => one.name);
  const known: Partial<Record<FarmName, string[]>> = {
    backend: names(backends),
    front: names(fronts),
    orthanc: [...names(fronts), ...names(backends)],
  };
  return known[name] ?? [];
}
