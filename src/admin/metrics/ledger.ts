import { Counter, Gauge } from 'prom-client';
import { LedgerError } from '../../ledger/ledger.ts';
import type { AdminDeps } from '../deps.ts';

/** What the ledger knows: what waits, what needs a person, and what has been. */
export function collectLedger({
  ledger,
  pool,
  registry,
  clock,
}: Pick<AdminDeps, 'ledger' | 'pool' | 'registry' | 'clock'>): () => void {
  const registers = [registry];
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const byBackend = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ['backend'], registers });
  const counter = (name: string, help: string) => new Counter({ name, help, registers });

  const usable = gauge('dde_ledger_usable', '1 when the ledger answered this scrape, 0 when it did not.');
  const fileBytes = new Gauge({
    name: 'dde_ledger_file_bytes',
    help: 'Size of the ledger: the database, and the log of what has not been copied into it yet.',
    labelNames: ['file'],
    registers,
  });
  const queueInstances = gauge('dde_queue_instances', 'Instances not proven on their backend yet.');
  const queueBytes = gauge('dde_queue_bytes', 'Bytes of the instances not proven on their backend yet.');
  const queueAge = gauge(
    'dde_queue_oldest_age_seconds',
    'How long the oldest of them has been waiting; 0 when none waits.',
  );
  const unplaced = gauge('dde_unplaced_studies', 'Studies that have no backend yet.');
  const settling = gauge(
    'dde_settling_instances',
    'Instances that are proven and wait on a front for their study to settle.',
  );
  const quarantined = gauge(
    'dde_quarantined_instances',
    'Instances that stay on a front until a person decides.',
  );
  const formerCopies = gauge(
    'dde_former_copies',
    'What studies left on backends they were bound to before, and what is not gone from there yet.',
  );
  const formerConflicts = gauge('dde_former_conflicts', 'Former copies that a person must decide about.');
  const received = counter(
    'dde_instances_received_total',
    'Instances seen on a front since the ledger began.',
  );
  const proven = counter(
    'dde_instances_proven_total',
    'Instances proven on their backend since the ledger began.',
  );
  const removed = counter(
    'dde_instances_removed_total',
    'Instances removed from a front after their proof since the ledger began.',
  );
  const vanished = counter(
    'dde_instances_vanished_total',
    'Instances somebody else removed from a front before their proof.',
  );
  const decisions = new Counter({
    name: 'dde_decisions_total',
    help: 'Decisions since the ledger began, by kind.',
    labelNames: ['kind'],
    registers,
  });
  const sending = byBackend('dde_backend_instances_sending', 'Instances in a transfer to the backend now.');
  const retrying = byBackend(
    'dde_backend_instances_retrying',
    'Instances that were tried and wait to be tried again.',
  );
  const oldest = byBackend(
    'dde_backend_oldest_age_seconds',
    'How long the oldest instance bound to the backend has been waiting for its proof; 0 when none waits.',
  );
  const evacuating = byBackend(
    'dde_backend_evacuating',
    '1 while everything the backend holds is being moved elsewhere, else 0.',
  );
  const evacuationLeft = byBackend(
    'dde_evacuation_remaining_studies',
    'Studies that an evacuation under way has found on the backend and not moved yet.',
  );

  const labelled = [fileBytes, decisions, sending, retrying, oldest, evacuating, evacuationLeft];
  const single = [
    queueInstances,
    queueBytes,
    queueAge,
    unplaced,
    settling,
    quarantined,
    formerCopies,
    formerConflicts,
    received,
    proven,
    removed,
    vanished,
  ];

  function read() {
    try {
      return { queue: ledger.queue(), totals: ledger.totals(), evacuations: ledger.evacuations() };
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      return null;
    }
  }

  return () => {
    const seen = read();
    for (const metric of [...labelled, ...single]) metric.reset();
    usable.set(seen === null ? 0 : 1);
    if (seen === null) {
      // Figures nobody could read are left out: an old value, or 0, would look like an answer. A reset empties those with labels
      // and sets the others to 0, which are not to be had without another word.
      for (const metric of single) metric.remove();
      return;
    }
    const { queue, totals } = seen;
    const now = clock();
    const ageOf = (at: number | null): number => (at === null ? 0 : Math.max(0, now - at) / 1000);
    for (const [file, bytes] of Object.entries(ledger.fileBytes())) fileBytes.set({ file }, bytes);
    queueInstances.set(queue.instances);
    queueBytes.set(queue.bytes);
    queueAge.set(ageOf(queue.oldestAt));
    unplaced.set(queue.unplacedStudies);
    settling.set(queue.settling);
    quarantined.set(queue.quarantined);
    formerCopies.set(queue.formerCopies);
    formerConflicts.set(queue.formerConflicts);
    received.inc(totals.received);
    proven.inc(totals.proven);
    removed.inc(totals.removed);
    vanished.inc(totals.vanished);
    for (const [kind, count] of Object.entries(totals.decisions)) decisions.inc({ kind }, count);
    for (const backend of pool.names())
      for (const metric of [sending, retrying, oldest, evacuating]) metric.set({ backend }, 0);
    for (const load of queue.backends) {
      const labels = { backend: load.backend };
      sending.set(labels, load.sending);
      retrying.set(labels, load.retrying);
      oldest.set(labels, ageOf(load.oldestAt));
    }
    for (const { backend, state, studies, moved } of seen.evacuations) {
      if (state !== 'running') continue;
      evacuating.set({ backend }, 1);
      evacuationLeft.set({ backend }, Math.max(0, studies - moved));
    }
  };
}
