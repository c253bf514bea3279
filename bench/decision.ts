import { closeSync, openSync, readSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate as breathe, setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createArrivals } from '../src/backends/arrivals.ts';
import { createLearning } from '../src/backends/learning.ts';
import { createPool } from '../src/backends/pool-live.ts';
import { createDispatcher } from '../src/decision/dispatcher.ts';
import { policyNamed } from '../src/decision/policies.ts';
import type { Policy } from '../src/decision/policy.ts';
import type { Ledger } from '../src/ledger/ledger.ts';
import { openLedger } from '../src/ledger/open.ts';
import { silentLogger } from '../src/log.ts';
import type { Arrival } from '../src/study.ts';
import { type PolicyName, policyNames, type QueueOrder, queueOrders } from '../src/topology/topology.ts';
import { tempDir } from '../test/support/temp.ts';
import { until } from '../test/support/wait.ts';
import { machine, quantile } from './support/figures.ts';

/**
 * How long is a decision, with its write on the disk, on a large farm under a large backlog? The service's own dispatcher, pool,
 * learning and ledger; only the backends are not there: a few of them say at once that they hold nothing, and all take what they are
 * given in no time. So many studies wait at any moment: for each that is placed another one comes. Fails if a study is left over, bound twice, or
 * was placed on a backend with no free lane.
 */
const { values: options } = parseArgs({
  options: {
    backends: { type: 'string', default: '1000' },
    waiting: { type: 'string', default: '10000' },
    placements: { type: 'string', default: '4000' },
    policy: { type: 'string', default: 'expected-completion' },
    order: { type: 'string', default: 'fifo' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(
    'usage: npm run bench:decision -- [--backends 1000] [--waiting 10000] [--placements 4000] [--policy expected-completion] [--order fifo] [--json]',
  );
  process.exit(0);
}
const backendCount = Number(options.backends);
const waitingCount = Number(options.waiting);
const placements = Number(options.placements);
const policyName = oneOf<PolicyName>(options.policy, policyNames);
const order = oneOf<QueueOrder>(options.order, queueOrders);
/** Backends that are asked whether they hold a study: the questions are a matter of network and HTTP, and not of deciding. */
const answering = 8;
/** Free lanes at the beginning of the measured part: so many transfers may end before the first of their lanes is filled. */
const freeLanes = Math.min(64, backendCount);
const limits = { p99Ms: 5, perSecond: 200, megabytes: 100 };

function oneOf<Name extends string>(text: string, names: readonly Name[]): Name {
  const name = names.find((known) => known === text);
  if (name === undefined) throw new Error(`${text} is none of ${names.join(', ')}`);
  return name;
}

setFlagsFromString('--expose_gc');
const collect: unknown = runInNewContext('gc');
/** Megabytes that are held. What is resident beside that is the garbage collector's, which takes what it may have. */
function memory(): number {
  if (typeof collect === 'function') collect();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 1e6;
}

// As the service does where it may.
try {
  setPriority(constants.priority.PRIORITY_HIGH);
} catch {
  console.log(
    'without the right to go before other processes: on a busy machine the times are those of its other work',
  );
}

const kinds = [
  { modality: 'CR', instances: 2, bytes: 8e6 },
  { modality: 'US', instances: 5, bytes: 1.2e6 },
  { modality: 'CT', instances: 8, bytes: 525e3 },
] as const;
let arrivals = 0;
let studies = 0;

/** The instances of one more study. */
function study(): readonly Arrival[] {
  const number = ++studies;
  const kind = kinds[number % kinds.length] ?? kinds[0];
  return Array.from({ length: kind.instances }, () => {
    const id = ++arrivals;
    return {
      front: 'front',
      orthancId: id
        .toString(16)
        .padStart(40, '0')
        .replace(/(.{8})(?=.)/g, '$1-'),
      studyUid: `1.2.${number}`,
      seriesUid: `1.2.${number}.1`,
      sopUid: `1.2.${number}.1.${id}`,
      modality: kind.modality,
      station: `${kind.modality}${number % 20}`,
      remoteAet: 'MODALITY',
      calledAet: 'DDE',
      remoteIp: '127.0.0.1',
      transferSyntax: '1.2.840.10008.1.2.1',
      bytes: kind.bytes,
      bytesExact: true,
    };
  });
}

const names = Array.from({ length: backendCount }, (_unused, index) => `b${index + 1}`);
const log = silentLogger();
const clock = (): number => Date.now();
await using folder = await tempDir('decision');
const ledger: Ledger = openLedger(`${folder.path}/ledger.sqlite`);
for (let left = waitingCount; left > 0; left -= 500) {
  const some = Array.from({ length: Math.min(500, left) }, study).flat();
  ledger.receivedMany(some, clock());
  await breathe();
}
const before = memory();

const learning = createLearning({ backends: names, ledger, log });
for (const [index, name] of names.entries()) {
  // Ten kinds of speed, half of them slow for each instance and half for each byte.
  const slow = 1 + (index % 5) * 2;
  for (const instances of [1, 10, 50, 5, 30]) {
    const each = index % 2 === 0 ? 0.008 * slow : 0.008;
    const byte = index % 2 === 0 ? 1 / 60e6 : slow / 60e6;
    const bytes = instances * 1e6;
    learning.learnt(name, { instances, bytes, seconds: instances * each + bytes * byte, endedAt: clock() });
  }
}
const pool = createPool({
  backends: names.map((name) => ({
    name,
    url: `http://${name}:8042`,
    publicUrl: `http://${name}:8042`,
    username: 'orthanc',
    password: 'orthanc',
    passwordVariable: '',
    run: null,
    weight: 1,
    lanes: 2,
  })),
  ledger,
  learning,
  arrivals: createArrivals({ ledger, settleMs: 60_000, now: clock() }),
  downAfter: 2,
  clock,
  log,
});
for (const name of names) {
  pool.observed(name, { at: clock(), up: true, reason: null, latencyMs: 1 });
  for (let lane = 0; lane < 2; lane++) pool.laneTaken(name);
}

/** CPU time of this thread so far: what a decision costs, whoever else has the processor meanwhile. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

const schedule = { fd: openOrNull('/proc/self/schedstat'), buffer: Buffer.alloc(128) };

function openOrNull(file: string): number | null {
  try {
    return openSync(file, 'r');
  } catch {
    return null;
  }
}

/** For how long this thread could have gone on and had no processor, since its start; 0 where the system does not say. */
function heldUpMs(): number {
  if (schedule.fd === null) return 0;
  const length = readSync(schedule.fd, schedule.buffer, 0, schedule.buffer.length, 0);
  return Number(schedule.buffer.toString('latin1', 0, length).split(' ')[1]) / 1e6;
}

/**
 * Of each decision that placed: from its beginning until it was committed, and until it was on the disk. It begins with what a round reads
 * of backends and studies, where it is the round's first, else where the one before it ended, or where a round that had given way goes on:
 * what others do meanwhile, such as the transfers here, is no part of it.
 */
const committedMs: number[] = [];
/** The same to its commit, without the time in which others had the processor. */
const aloneMs: number[] = [];
const onDiskMs: number[] = [];
let ownCpuMs = 0;
const waits: Promise<void>[] = [];
/** When the dispatcher began something last: it looks at its clock then. */
let begunAt = 0;
let begunCpu = 0;
let begunHeldUp = 0;
let asked: { readonly at: number; readonly cpu: number; readonly heldUp: number } = {
  at: 0,
  cpu: 0,
  heldUp: 0,
};

function begin(): void {
  begunAt = performance.now();
  begunCpu = cpuMs();
  begunHeldUp = heldUpMs();
}

let decisions = 0;
const chosen = policyNamed(policyName, { order });
const policy: Policy = {
  ...chosen,
  choose(one, candidates, now) {
    decisions++;
    asked = { at: begunAt, cpu: begunCpu, heldUp: begunHeldUp };
    return chosen.choose(one, candidates, now);
  },
};
const timed: Ledger = {
  ...ledger,
  decide(decision) {
    const { at: began, cpu, heldUp } = asked;
    const assignment = ledger.decide(decision);
    if (assignment !== null) {
      const tookMs = performance.now() - began;
      committedMs.push(tookMs);
      aloneMs.push(tookMs - (heldUpMs() - heldUp));
      ownCpuMs += cpuMs() - cpu;
      waits.push(ledger.durable().then(() => void onDiskMs.push(performance.now() - began)));
    }
    begin();
    return assignment;
  },
};

const placed = new Map<string, string>();
const wrong: string[] = [];
const toTransfer: string[] = [];
const dispatcher = createDispatcher({
  ledger: timed,
  pool,
  backends: new Map(
    names.slice(0, answering).map((name) => [name, { studyInstances: () => Promise.resolve(0) }]),
  ),
  policy: () => policy,
  lookupTimeoutMs: 2_000,
  clock() {
    begin();
    return clock();
  },
  log,
  onPlaced(studyUid, backend) {
    if (placed.has(studyUid)) wrong.push(`${studyUid} was placed twice`);
    placed.set(studyUid, backend);
    toTransfer.push(backend);
  },
});

/** What waits for the backend is there at once, proven. */
function transfer(backend: string): void {
  const now = clock();
  const claimed = ledger.claim(backend, { instances: 50, bytes: 64e6 }, now);
  // Two studies that were placed there went together.
  if (claimed === null) return;
  const { deliveries, id } = claimed;
  const bytes = deliveries.reduce((sum, delivery) => sum + delivery.bytes, 0);
  const end = { at: now, code: 'done', detail: '', bytesSent: bytes, instancesSent: deliveries.length };
  const outcome = { kind: 'proven', md5: 'd41d8cd98f00b204e9800998ecf8427e', bytes: null } as const;
  ledger.conclude(id, end, new Map(deliveries.map((delivery) => [delivery.id, outcome])));
  pool.transferSucceeded(backend, now, {
    instances: deliveries.length,
    bytes,
    seconds: 0.05 + Math.random() * 0.05,
    endedAt: now,
  });
}

dispatcher.start();
await dispatcher.tick();
if (placed.size > 0) wrong.push(`${placed.size} studies were placed though no lane was free`);

// Nothing can be placed: what do ticks cost?
const idleCpu = process.cpuUsage();
const idleBegan = performance.now();
const idleDecisions = decisions;
await pause(3_000);
const idleSeconds = (performance.now() - idleBegan) / 1000;
const idleUsed = process.cpuUsage(idleCpu);
const idleShare = (idleUsed.user + idleUsed.system) / 1e6 / idleSeconds;
const idlePerSecond = (decisions - idleDecisions) / idleSeconds;

// Transfers end, and each lane that comes free is filled.
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const began = performance.now();
for (const name of names.slice(0, freeLanes)) pool.laneFreed(name);
let next = 0;
/** Somewhere a transfer ends. */
function endOne(): void {
  for (let tries = 0; tries < backendCount; tries++) {
    next = (next + 7919) % backendCount;
    const name = names[next];
    if (name === undefined || pool.freeLanes(name) > 0) continue;
    pool.laneFreed(name);
    return;
  }
}
let starvedAt = performance.now();
while (placed.size < placements) {
  if (performance.now() - began > 120_000)
    throw new Error(`only ${placed.size} studies were placed in 120 s`);
  const backend = toTransfer.shift();
  if (backend === undefined) {
    // What is free is not worth going to: the transfers elsewhere go on meanwhile.
    if (performance.now() - starvedAt > 2) {
      for (let ended = 0; ended < freeLanes; ended++) endOne();
      starvedAt = performance.now();
    }
    begin();
    await breathe();
    continue;
  }
  starvedAt = performance.now();
  pool.laneTaken(backend);
  transfer(backend);
  endOne();
  const [first, ...rest] = study();
  if (first !== undefined) ledger.received(first, clock());
  ledger.receivedMany(rest, clock());
  dispatcher.studyWaits(`1.2.${studies}`);
  begin();
  await breathe();
}
const seconds = (performance.now() - began) / 1000;
delay.disable();
const after = memory();
await Promise.all(waits);
const stillWaiting = ledger.queue().unplacedStudies;

// Everything else goes its way too: nobody waits for ever.
for (const name of names) while (pool.freeLanes(name) < 2) pool.laneFreed(name);
const net = setInterval(() => {
  for (const backend of toTransfer.splice(0)) {
    if (ledger.nextAttemptAt(backend) !== null) transfer(backend);
  }
}, 5);
await until(() => ledger.queue().unplacedStudies === 0 && ledger.queue().instances === 0, {
  what: 'every study to be placed and proven',
  timeoutMs: 120_000,
});
clearInterval(net);
await dispatcher.stop();

for (let number = 1; number <= studies; number++) {
  const assignments = ledger.assignments(`1.2.${number}`);
  if (assignments.length !== 1 || assignments[0]?.backend !== placed.get(`1.2.${number}`)) {
    wrong.push(`1.2.${number} has ${assignments.length} assignments`);
  }
}
const kept = ledger.totals().decisions;
const notes = kept.waiting;
if (kept.placed !== studies) wrong.push(`${kept.placed} decisions for ${studies} studies`);
pool.close();
if (schedule.fd !== null) closeSync(schedule.fd);
learning.stop();
await ledger.close();

const result = {
  backends: backendCount,
  waiting: stillWaiting,
  policy: policyName,
  order,
  placements: committedMs.length,
  perSecond: placements / seconds,
  committedMs: { p50: quantile(committedMs, 0.5), p99: quantile(committedMs, 0.99) },
  aloneMs: { p50: quantile(aloneMs, 0.5), p99: quantile(aloneMs, 0.99) },
  // The kernel counts in ticks: only the sum of many means something.
  cpuMs: ownCpuMs / committedMs.length,
  onDiskMs: { p50: quantile(onDiskMs, 0.5), p99: quantile(onDiskMs, 0.99) },
  loopDelayMs: { p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 },
  memoryMegabytes: after - before,
  waitingOnly: { cpuShare: idleShare, decisionsPerSecond: idlePerSecond },
  keptReasons: notes,
};
if (result.committedMs.p99 > limits.p99Ms) wrong.push(`p99 is above ${limits.p99Ms} ms`);
if (result.perSecond < limits.perSecond) wrong.push(`less than ${limits.perSecond} a second`);
if (result.memoryMegabytes > limits.megabytes) wrong.push(`more than ${limits.megabytes} MB`);
if (options.json) console.log(JSON.stringify(result, null, 2));
else {
  const ms = (value: number): string => `${value.toFixed(2)} ms`;
  console.log(
    `${machine()}; ${backendCount} backends, ${stillWaiting} studies waiting, ${policyName}, ${order}`,
  );
  console.log(
    `placements          ${result.perSecond.toFixed(0)} a second, each transferred and proven beside it`,
  );
  console.log(`decided, committed  p50 ${ms(result.committedMs.p50)}, p99 ${ms(result.committedMs.p99)}`);
  console.log(
    `with a processor    p50 ${ms(result.aloneMs.p50)}, p99 ${ms(result.aloneMs.p99)}; CPU ${ms(result.cpuMs)} on average`,
  );
  console.log(`on the disk         p50 ${ms(result.onDiskMs.p50)}, p99 ${ms(result.onDiskMs.p99)}`);
  console.log(
    `event loop late by  p50 ${ms(result.loopDelayMs.p50)}, p99 ${ms(result.loopDelayMs.p99)}, at most ${ms(result.loopDelayMs.max)}`,
  );
  console.log(`memory              ${result.memoryMegabytes.toFixed(0)} MB more with all of it waiting`);
  console.log(
    `only waiting        ${(100 * idleShare).toFixed(1)} % of a CPU, ${idlePerSecond.toFixed(0)} decisions a second`,
  );
}
for (const what of wrong.slice(0, 10)) console.error(`wrong: ${what}`);
process.exitCode = wrong.length === 0 ? 0 : 1;
