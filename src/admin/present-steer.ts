import type { BackendStatus } from '../backends/pool.ts';
import type { Echo } from '../steer/echo.ts';
import type { BackendSettings, TopologyView } from '../steer/steer.ts';
import type { EditValue } from '../topology/edit.ts';
import type { PolicyName, QueueOrder, RoutingConfig } from '../topology/topology.ts';
import { policyNames, queueOrders } from '../topology/topology.ts';
import type { PeerState } from '../transfer/peers.ts';
import { presentBackend } from './present.ts';
import type {
  BackendSettingsBody,
  ChangedBackendAnswer,
  EchoAnswer,
  NewBackend,
  RoutingAnswer,
  TopologyAnswer,
} from './steer-schemas.ts';

/** What each policy does, in a line. */
const policyTexts: Readonly<Record<PolicyName, string>> = {
  'expected-completion': 'where it is expected to be available soonest',
  'least-in-flight': 'where the fewest studies are under way for its weight',
  'round-robin': 'in turns',
  'weighted-round-robin': 'in turns, in proportion to the weights',
  rendezvous: 'drawn from the StudyInstanceUID, in proportion to the weights',
  'power-of-two': 'of two drawn at random the one with fewer studies under way',
  'peak-ewma': 'the shortest recent time of a transfer, times the studies under way',
  fastest: 'the one that would be fastest with nothing to do: for diagnosis only',
};

/** Which of the studies that wait goes first, in a line. */
const orderTexts: Readonly<Record<QueueOrder, string>> = {
  fifo: 'the oldest',
  critical: 'under a backlog the few that decide when everything is over, else the oldest',
  express: 'the one that is done soonest',
  lpt: 'the one that takes longest: for moving an archive',
};

export function presentRouting({
  policy,
  order,
  shadow,
}: Pick<RoutingConfig, 'policy' | 'order' | 'shadow'>): RoutingAnswer {
  return {
    policy,
    order,
    shadow,
    policies: policyNames.map((name) => ({ name, description: policyTexts[name] })),
    orders: queueOrders.map((name) => ({ name, description: orderTexts[name] })),
  };
}

export function presentTopology({ file, tag, text, problems, readOnly }: TopologyView): TopologyAnswer {
  return {
    file,
    tag,
    text,
    problems: problems.map(({ path, line, message }) => ({ path, line, message })),
    readOnly,
  };
}

export function presentChanged(status: BackendStatus, peers: readonly PeerState[]): ChangedBackendAnswer {
  return {
    ...presentBackend(status),
    peers: peers.map(({ front, ok, detail }) => ({ front, ok, detail })),
  };
}

export function presentEcho({ ok, seconds, rest, dicom, peer }: Echo): EchoAnswer {
  return {
    ok,
    seconds,
    rest: { ok: rest.ok, detail: rest.detail },
    dicom: dicom === null ? null : { ok: dicom.ok, detail: dicom.detail },
    peer: peer.map((one) => ({ front: one.front, ok: one.ok, detail: one.detail })),
  };
}

/** A request's settings as keys of the topology. */
export function settingsOf(body: Omit<NewBackend, 'name'> | BackendSettingsBody): BackendSettings {
  const { url, peerUrl, publicUrl, username, password, passwordEnv, weight, lanes, disk } = body;
  const all: Readonly<Record<string, EditValue | undefined>> = {
    url,
    peerUrl,
    publicUrl,
    username,
    password: passwordEnv === undefined ? undefined : { env: passwordEnv },
    weight,
    lanes,
    disk: typeof disk === 'number' ? `${disk} B` : disk,
  };
  const values: Record<string, EditValue> = {};
  for (const [key, value] of Object.entries(all)) if (value !== undefined) values[key] = value;
  return { values, ...(password === undefined ? {} : { password }) };
}
