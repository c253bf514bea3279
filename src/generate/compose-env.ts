import type { Topology } from '../topology/topology.ts';
import { farmVariable } from '../topology/variables.ts';

/** Where compose mounts things inside every container; docker-compose.yml says the same. */
const storage = '/var/lib/orthanc/db';
const lua = '/etc/dde/lua';

/**
 * The environment that every container of the farm has in common: what is at another place than in the local farm. In
 * compose each container is reached by its name, and the service is called `service`. No secret is in here.
 */
export function composeEnv({ service, fronts, backends }: Topology): string {
  const addresses = [...fronts, ...backends].flatMap(({ name, run }) =>
    run === null ? [] : [`${farmVariable(name)}_URL=http://${name}:${run.httpPort}`],
  );
  return [
    '# Made by "dde generate" from orthanc-config/topology.yaml: edit that file, not this one.',
    'DDE_LISTEN=0.0.0.0',
    `DDE_SERVICE_URL=${service.tls === undefined ? 'http' : 'https'}://service:${service.port}`,
    ...addresses,
    `DDE_STORAGE=${storage}`,
    `DDE_LUA=${lua}`,
    "# Read by the image's start-up: without it an Orthanc would serve its own container alone.",
    'ORTHANC__REMOTE_ACCESS_ALLOWED=true',
    '# DCMTK leaves Nagle on otherwise: an image then waits for an acknowledgement that the other side delays.',
    'TCP_NODELAY=1',
    '# All of these addresses are inside the farm.',
    'no_proxy=*',
    '',
  ].join('\n');
}
