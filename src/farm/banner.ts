import { relative } from 'node:path';
import type { Environment } from '../environment.ts';
import type { OrthancConfig, Topology } from '../topology/topology.ts';

/**
 * What a person needs once the farm runs: where to send, where to look, two lines to copy. Links and commands stand on
 * lines of their own, unbroken, so that a click or a triple click takes the whole.
 */
export function banner(topology: Topology, environment: Environment, bold: (text: string) => string): string {
  const { fronts, backends, service } = topology;
  const host =
    service.listen === '0.0.0.0' || service.listen === '::' || service.listen === '127.0.0.1'
      ? 'localhost'
      : service.listen;
  // By TLS a browser wants the name that stands in the certificate, which is most likely the one by which the fronts ask.
  const serviceUrl =
    service.tls !== undefined && service.url.startsWith('https:')
      ? service.url
      : `${service.tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${service.port}`;
  const authority = service.tls?.ca === undefined ? '' : `--cacert ${shellWord(service.tls.ca)} `;
  const home = displayPath(environment.home);
  const rows: [string, string][] = [];
  for (const front of fronts) {
    const { hostname } = new URL(front.publicUrl);
    if (front.run !== null)
      rows.push([
        `Send to ${front.name}`,
        `host ${hostname}, port ${front.run.dicomPort}, any AE title (${front.run.aeTitle})`,
      ]);
  }
  rows.push(['Dashboard', `${serviceUrl}/#token=${environment.adminToken ?? ''}`]);
  for (const backend of backends)
    rows.push([backend.name, `${explorer(backend)}  ${account(backend, home)}`]);
  for (const front of fronts) rows.push([front.name, `${explorer(front)}  ${account(front, home)}`]);
  rows.push(['State', home]);
  const first = fronts.find((front) => front.run !== null);
  const commands = [
    ...(first?.run
      ? [
          `TCP_NODELAY=1 storescu -aec ${shellWord(first.run.aeTitle)} ${new URL(first.publicUrl).hostname} ${first.run.dicomPort} FILE.dcm`,
        ]
      : []),
    `curl ${authority}-H "Authorization: Bearer $(cat ${shellWord(displayPath(environment.adminTokenFile))})" \\\n    ${serviceUrl}/api/v1/studies`,
  ];
  const width = Math.max(...rows.map(([label]) => label.length)) + 2;
  return [
    '',
    ...rows.map(([label, text]) => `  ${bold(label.padEnd(width))}${text}`),
    '',
    ...commands.map((command) => `  ${command}`),
    '',
    '  Ctrl-C stops everything in order; nothing is lost.',
    '',
  ].join('\n');
}

/** Orthanc leads from its root to its Explorer. */
function explorer(orthanc: OrthancConfig): string {
  return `${orthanc.publicUrl}/`;
}

/** The well-known default may be shown; any other password is a secret and stays off the screen. */
function account({ username, password, passwordVariable }: OrthancConfig, home: string): string {
  if (password === 'orthanc') return `(${username} / orthanc)`;
  return passwordVariable.startsWith('DDE_') ? `(${username}, see ${home}/secrets.env)` : `(${username})`;
}

function displayPath(path: string): string {
  const near = relative(process.cwd(), path);
  return near === '' || near.startsWith('..') ? path : near;
}

function shellWord(text: string): string {
  return /^[\w./:@%+,=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
