import { madeByKey, madeByUs, peerTimeoutSeconds, peerUrl } from '../topology/peer.ts';
import type { BackendConfig, FrontConfig, OrthancConfig, RunConfig, Topology } from '../topology/topology.ts';
import { farmVariable } from '../topology/variables.ts';

/**
 * The configuration of one Orthanc as plain JSON. Only what differs from Orthanc's defaults stands in it; among those
 * defaults that this project relies on are StorageCompression, DicomCheckCalledAet and (on backends) OverwriteInstances
 * false, DicomAlwaysAllowStore, StoreMD5ForAttachments and SyncStorageArea true, MaximumStorageSize 0.
 *
 * Orthanc replaces `${NAME}` and `${NAME:-default}` in texts, not in numbers: so addresses and passwords come from the
 * environment, and ports stand here.
 */
export type OrthancJson = Readonly<Record<string, unknown>>;

const generated = 'Made by "dde generate" from orthanc-config/topology.yaml: edit that file, not this one.';

/** Lua's HttpPost takes its time limit from here: seconds for which a dead service may hold the thread of the hook. */
const hookTimeoutSeconds = 2;

/** A front: receives from anybody, keeps nothing for long, sends to its peers. */
export function frontJson(topology: Topology, front: FrontConfig, run: RunConfig): OrthancJson {
  return {
    ...common(front, run),
    LuaScripts: ['${DDE_LUA:-../lua}/on-stored-instance.lua'],

    // One thread an association; with fewer, the next modality waits until another has finished.
    DicomThreadsCount: front.associations,
    // The most there is, so that an image comes in an eighth of the pieces, each of which is two reads and a wait. It is what a front
    // offers; a modality that makes smaller ones goes on doing so.
    MaximumPduLength: 131_072,
    // Whatever a modality has made is received. Every transfer syntax is accepted by default.
    UnknownSopClassAccepted: true,
    // From 1.13.0 on, with `false`, an instance that is held is acknowledged and dropped before the script is asked. With
    // `true` it is asked on every version, and lets nothing through that would be overwritten.
    OverwriteInstances: true,

    ...jobs(topology),
    HttpTimeout: hookTimeoutSeconds,
    ...authorities(topology),
    ...(httpThreads(topology) > defaultHttpThreads ? { HttpThreadsCount: httpThreads(topology) } : {}),
    // On by default in older versions; image data does not shrink, so it only costs time.
    HttpCompressionEnabled: false,

    OrthancPeers: Object.fromEntries(
      topology.backends.map((backend) => [backend.name, peer(topology, backend)]),
    ),
  };
}

/** Debian's, and that of the images made from it. */
const systemAuthorities = '/etc/ssl/certs/ca-certificates.crt';

/** Who vouches for what a front reaches over TLS, service and backends alike. An Orthanc that is not told trusts nobody. */
function authorities({ service, backends }: Topology): OrthancJson {
  const isSecure =
    service.tls !== undefined || [service, ...backends].some(({ url }) => url.startsWith('https:'));
  return isSecure ? { HttpsCACertificates: service.tls?.ca ?? systemAuthorities } : {};
}

/** A backend: keeps studies. Everything that is no business of this project is as Orthanc has it. */
export function backendJson(backend: OrthancConfig, run: RunConfig): OrthancJson {
  return {
    ...common(backend, run),
    // With it, 1.10.1 and 1.13.0 answer from memory when they are asked whether a file is whole on their disk, and a file
    // that a full disk has cut off would count as delivered. What it saves, the system's own cache of the disk saves too.
    MaximumStorageCacheSize: 0,
  };
}

function common(orthanc: OrthancConfig, run: RunConfig): OrthancJson {
  return {
    _generated: generated,
    Name: orthanc.name,
    HttpPort: run.httpPort,
    DicomPort: run.dicomPort,
    DicomAet: run.aeTitle,
    StorageDirectory: '${DDE_STORAGE:-/var/lib/orthanc/db}',

    // Without this line an Orthanc that serves only its own machine would ask for no password.
    AuthenticationEnabled: true,
    RegisteredUsers: { [orthanc.username]: password(orthanc) },

    // The default of one second makes clients that take it literally open a connection for each request.
    KeepAliveTimeout: 5,
  };
}

function password({ passwordVariable, passwordDefault }: OrthancConfig): string {
  const fallback = passwordDefault === null || passwordDefault === undefined ? '' : `:-${passwordDefault}`;
  return `\${${passwordVariable}${fallback}}`;
}

/** A stalled backend holds its jobs until the peer's time limit, so there are more job threads than lanes. */
function jobs({ backends }: Topology): OrthancJson {
  const lanes = backends.reduce((sum, backend) => sum + backend.lanes, 0);
  return {
    ConcurrentJobs: 2 * lanes + 8,
    // A synchronous call reads its result from the history: with the default of 10 it is pushed out by others first.
    JobsHistorySize: 1000,
    // The ledger is the durable queue. Saved jobs also carry the peers' passwords in clear.
    SaveJobs: false,
  };
}

const defaultHttpThreads = 50;

/** Every transfer holds one thread for as long as it takes; the others serve proofs, removals, polls and people. */
function httpThreads({ backends }: Topology): number {
  return 2 * backends.reduce((sum, backend) => sum + backend.lanes, 0) + 32;
}

function peer({ routing }: Topology, backend: BackendConfig): OrthancJson {
  return {
    Url: `\${${farmVariable(backend.name)}_URL:-${peerUrl(backend)}}`,
    Username: backend.username,
    Password: password(backend),
    Timeout: peerTimeoutSeconds(routing),
    // By this the service knows, when the backend has left the topology, that the peer is not somebody else's.
    [madeByKey]: madeByUs,
  };
}
