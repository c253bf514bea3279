import type { Delivery, DeliveryOutcome, EpochMs, Transfer } from '../study.ts';
import { provenNow } from './assignments.ts';
import { type Connection, unseen } from './connection.ts';
import { doubtSql } from './doubt.ts';
import type { ClaimLimits, TransferLedger } from './ledger.ts';
import { createReleases } from './releases.ts';

/** Of delivery `d` of instance `i` under assignment `a`: see `Delivery.ours`. */
const isOurs = `(a.clean = 1
        AND NOT EXISTS (SELECT 1 FROM receipts r WHERE r.instance = d.instance AND r.backend = d.backend)
        AND NOT EXISTS (SELECT 1 FROM moves m WHERE m.study = d.study AND m.orthanc_id = i.orthanc_id AND m.to_backend = d.backend)
        AND NOT EXISTS (SELECT 1 FROM instances o WHERE o.orthanc_id = i.orthanc_id AND o.front <> i.front
          AND (o.state NOT IN ('held', 'quarantined') OR EXISTS (SELECT 1 FROM receipts r WHERE r.instance = o.id AND r.backend = d.backend))))`;
const otherFronts = `(SELECT json_group_array(o.front) FROM instances o WHERE o.orthanc_id = i.orthanc_id AND o.front <> i.front
        AND o.state IN ('held', 'quarantined'))`;

/** The deliveries of a transfer that are the keys of the JSON object `j`. */
const takenOf = `CROSS JOIN deliveries d ON d.id = CAST(j.key AS INTEGER) AND d.transfer = ${unseen('@transfer')}`;

export const transfersSql = {
  /** So many at a time that a claim never waits long; the earliest first. */
  wake: `
    UPDATE deliveries SET not_before = 0 WHERE id IN (
      SELECT id FROM deliveries
      WHERE backend = ${unseen('@backend')} AND transfer IS NULL AND not_before > 0 AND not_before <= @now
      ORDER BY not_before LIMIT 500)`,
  /** The oldest of the next front: fronts are few, so stepping from one to the next beats another index on the queue. */
  oldestOfNextFront: `
    SELECT front, id FROM deliveries
    WHERE backend = ${unseen('@backend')} AND front > @front AND transfer IS NULL AND not_before = 0 AND attempts <= @attempts
    ORDER BY front, id LIMIT 1`,
  ready: `
    SELECT d.id, d.instance, i.orthanc_id AS orthancId, i.sop_uid AS sopUid, s.uid AS studyUid, d.front, d.backend, d.copy, d.epoch, d.bytes,
      d.attempts, d.ask_first AS askFirst,
      ${isOurs} AS ours, ${otherFronts} AS alsoOn,
      CASE WHEN EXISTS (SELECT 1 FROM receipts r WHERE r.instance = d.instance) THEN NULL ELSE i.arrived_at END AS unprovenSince
    FROM deliveries d CROSS JOIN instances i ON i.id = d.instance CROSS JOIN studies s ON s.id = d.study
      CROSS JOIN assignments a ON a.study = d.study AND a.copy = d.copy AND a.epoch = d.epoch
    WHERE d.backend = ${unseen('@backend')} AND d.front = ${unseen('@front')} AND d.transfer IS NULL AND d.not_before = 0 AND d.attempts <= @attempts
    ORDER BY d.id`,
  /** Numbers of deliveries come again once their rows are gone: what else it was has to agree. */
  stillOurs: `
    SELECT 1 FROM deliveries d CROSS JOIN instances i ON i.id = d.instance
      CROSS JOIN assignments a ON a.study = d.study AND a.copy = d.copy AND a.epoch = d.epoch AND a.ended_at IS NULL
    WHERE d.id = @id AND d.instance = @instance AND d.copy = @copy AND d.epoch = @epoch AND d.backend = @backend
      AND d.transfer IS NOT NULL AND ${isOurs}
      AND NOT EXISTS (SELECT 1 FROM instances o WHERE o.orthanc_id = i.orthanc_id AND o.front <> i.front
        AND o.state IN ('held', 'quarantined') AND o.front NOT IN (SELECT value FROM json_each(@alsoOn)))`,
  open: `
    INSERT INTO transfers (front, backend, started_at, instances, bytes) VALUES (@front, @backend, @now, @instances, @bytes)
    RETURNING id`,
  take: `
    UPDATE deliveries SET transfer = @transfer
    WHERE id IN (SELECT value FROM json_each(@ids)) AND transfer IS NULL`,
  /** Told which index: by the others SQLite would walk over all that is delayed to learn that nothing is ready. */
  anyReady: `SELECT 1 FROM deliveries INDEXED BY deliveries_ready
    WHERE backend = ? AND transfer IS NULL AND not_before = 0 LIMIT 1`,
  earliestDelayed: `
    SELECT not_before AS notBefore FROM deliveries
    WHERE backend = ${unseen('?')} AND transfer IS NULL AND not_before > 0 ORDER BY not_before LIMIT 1`,
  close: `
    UPDATE transfers SET ended_at = @at, code = @code, detail = @detail, instances_sent = @instancesSent, bytes_sent = @bytesSent
    WHERE id = @id AND ended_at IS NULL
    RETURNING backend`,
  taken: `SELECT id, instance, copy, epoch, backend FROM deliveries WHERE transfer = ?`,
  stillTaken: `SELECT 1 FROM deliveries WHERE id = @id AND transfer = @transfer`,
  endAll: `DELETE FROM deliveries WHERE instance = ?`,
  // What is proven together is written together: a statement that sets off triggers first makes sure that it could take back all
  // it does, and that costs as much as what it does to one row. `md5s` is a JSON object whose keys are
  // deliveries, `bytes` one whose keys are instances.
  addReceipts: `
    INSERT INTO receipts (instance, copy, epoch, round, backend, md5, at, transfer)
    SELECT i.id, d.copy, d.epoch, i.round, d.backend, j.value, @at, @transfer
    FROM json_each(@md5s) j ${takenOf} CROSS JOIN instances i ON i.id = d.instance
    WHERE true
    ON CONFLICT (instance, copy, epoch) DO UPDATE SET round = excluded.round, backend = excluded.backend, md5 = excluded.md5,
      at = excluded.at, transfer = excluded.transfer`,
  noteProven: `
    UPDATE instances AS i SET proven = ${provenNow}, bytes = coalesce(json_extract(@bytes, '$.' || i.id), i.bytes),
      bytes_exact = CASE WHEN json_extract(@bytes, '$.' || i.id) IS NULL THEN i.bytes_exact ELSE 1 END
    WHERE i.id IN (SELECT CAST(key AS INTEGER) FROM json_each(@bytes))`,
  /**
   * Other fronts' instances under the same identifier that were proven there with other content: the backend can hold only one of them,
   * and has just been seen to hold this one.
   */
  disproved: `
    SELECT DISTINCT o.id FROM json_each(@md5s) j ${takenOf} CROSS JOIN instances i ON i.id = d.instance
      CROSS JOIN instances o ON o.orthanc_id = i.orthanc_id AND o.id <> i.id AND o.state = 'held'
      CROSS JOIN receipts r ON r.instance = o.id AND r.copy = d.copy AND r.epoch = d.epoch AND r.round = o.round AND r.md5 <> j.value`,
  disprove: `UPDATE instances SET round = round + 1, proven = 0 WHERE id = ?`,
  endProven: `
    DELETE FROM deliveries
    WHERE id IN (SELECT CAST(key AS INTEGER) FROM json_each(@md5s)) AND transfer = ${unseen('@transfer')}`,
  retry: `
    UPDATE deliveries SET transfer = NULL, attempts = attempts + 1, ask_first = 1, not_before = @notBefore, failure = @failure
    WHERE id = @id`,
  quarantine: `
    UPDATE instances SET state = 'quarantined', proven = 0, changed_at = @at, quarantine_code = @code, quarantine_detail = @detail
    WHERE id = @instance`,
  refuse: `
    INSERT INTO refusals (study, instance, backend, at, detail)
    SELECT i.study, i.id, @backend, @at, @detail FROM instances i WHERE i.id = @instance
    ON CONFLICT DO UPDATE SET at = excluded.at, detail = excluded.detail`,
  noteFailure: `UPDATE backends SET last_failure = @failure WHERE name = @backend`,
  settled: `
    SELECT uid FROM studies WHERE held > 0 AND outstanding = 0 AND assigned >= copies AND last_news_at <= @before
    ORDER BY last_news_at, id LIMIT ${unseen('@limit')}`,
  settledStudy: `
    SELECT id FROM studies WHERE uid = @studyUid AND held > 0 AND outstanding = 0 AND assigned >= copies AND last_news_at <= @before`,
  beginRemoval: `
    UPDATE instances AS i SET state = 'removing', changed_at = @now
    WHERE i.study = @study AND i.state = 'held' AND ${provenNow}
    RETURNING front, orthanc_id AS orthancId`,
  endRemoval: `
    UPDATE instances SET state = @state, changed_at = @now
    WHERE front = @front AND state = 'removing' AND orthanc_id IN (SELECT value FROM json_each(@ids))`,
  /** Their study may have been bound anew meanwhile: what was proven then is not proven where it is bound now. */
  queueAgain: `
    INSERT INTO deliveries (instance, study, copy, epoch, front, backend, bytes, arrived_at, ask_first)
    SELECT i.id, i.study, a.copy, a.epoch, i.front, a.backend, i.bytes, i.arrived_at, 1
    FROM (SELECT DISTINCT value FROM json_each(@ids)) j CROSS JOIN instances i ON i.orthanc_id = j.value AND i.front = @front
      CROSS JOIN assignments a ON a.study = i.study AND a.ended_at IS NULL
    WHERE i.state = 'held'
      AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.instance = i.id AND d.copy = a.copy)
      AND NOT EXISTS (
        SELECT 1 FROM receipts r WHERE r.instance = i.id AND r.copy = a.copy AND r.epoch = a.epoch AND r.round = i.round)`,
} as const;

/** How long an instance that its backend refused is left alone there. */
const refusedMs = 60_000;

type Proven = Extract<DeliveryOutcome, { readonly kind: 'proven' }>;

interface TakenRow {
  readonly id: number;
  readonly instance: number;
  readonly copy: number;
  readonly epoch: number;
  readonly backend: string;
}

/** The part that hands out what is to be sent, keeps the proofs, and lets the front go of what is proven. */
export function createTransfers(connection: Connection): TransferLedger {
  const sql = {
    wake: connection.prepare(transfersSql.wake),
    oldestOfNextFront: connection.prepare<{ front: string; id: number }>(transfersSql.oldestOfNextFront),
    ready: connection.prepare<
      Omit<Delivery, 'askFirst' | 'ours' | 'alsoOn'> & { askFirst: number; ours: number; alsoOn: string }
    >(transfersSql.ready),
    stillOurs: connection.prepare(transfersSql.stillOurs),
    open: connection.prepare<{ id: number }>(transfersSql.open),
    take: connection.prepare(transfersSql.take),
    anyReady: connection.prepare(transfersSql.anyReady),
    earliestDelayed: connection.prepare<{ notBefore: number }>(transfersSql.earliestDelayed),
    close: connection.prepare<{ backend: string }>(transfersSql.close),
    taken: connection.prepare<TakenRow>(transfersSql.taken),
    stillTaken: connection.prepare(transfersSql.stillTaken),
    endAll: connection.prepare(transfersSql.endAll),
    addReceipts: connection.prepare(transfersSql.addReceipts),
    noteProven: connection.prepare(transfersSql.noteProven),
    disproved: connection.prepare<{ id: number }>(transfersSql.disproved),
    disprove: connection.prepare(transfersSql.disprove),
    queueDoubted: connection.prepare(doubtSql.queueDoubted),
    endProven: connection.prepare(transfersSql.endProven),
    retry: connection.prepare(transfersSql.retry),
    quarantine: connection.prepare(transfersSql.quarantine),
    refuse: connection.prepare(transfersSql.refuse),
    noteFailure: connection.prepare(transfersSql.noteFailure),
    settled: connection.prepare<{ uid: string }>(transfersSql.settled),
    settledStudy: connection.prepare<{ id: number }>(transfersSql.settledStudy),
    beginRemoval: connection.prepare<{ front: string; orthancId: string }>(transfersSql.beginRemoval),
    endRemoval: connection.prepare(transfersSql.endRemoval),
    queueAgain: connection.prepare(transfersSql.queueAgain),
  };
  const releases = createReleases(connection);

  /** The front of the oldest delivery that is ready, of those that may be asked. */
  function nextFront(
    backend: string,
    attempts: number,
    except: ReadonlySet<string> | undefined,
  ): string | null {
    let oldest: { front: string; id: number } | null = null;
    let row = sql.oldestOfNextFront.get({ backend, front: '', attempts });
    while (row !== undefined) {
      if (except?.has(row.front) !== true && (oldest === null || row.id < oldest.id)) oldest = row;
      row = sql.oldestOfNextFront.get({ backend, front: row.front, attempts });
    }
    return oldest?.front ?? null;
  }

  function chunk(
    backend: string,
    front: string,
    attempts: number,
    limits: ClaimLimits,
  ): { taken: Delivery[]; leavesSome: boolean } {
    const taken: Delivery[] = [];
    let room = limits.instances;
    let bytes = 0;
    for (const row of sql.ready.iterate({ backend, front, attempts })) {
      room = Math.min(room, Math.floor(limits.instances / 4 ** row.attempts));
      bytes += row.bytes;
      if (taken.length > 0 && (taken.length >= room || bytes > limits.bytes))
        return { taken, leavesSome: true };
      taken.push({ ...row, askFirst: row.askFirst === 1, ours: row.ours === 1, alsoOn: namesIn(row.alsoOn) });
    }
    return { taken, leavesSome: false };
  }

  /** Receipts for all of a transfer that are proven, and the end of their deliveries. */
  function prove(transfer: number, provenRows: readonly (readonly [TakenRow, Proven])[], at: EpochMs): void {
    if (provenRows.length === 0) return;
    const md5sOf = (rows: typeof provenRows): string =>
      JSON.stringify(Object.fromEntries(rows.map(([{ id }, { md5 }]) => [id, md5])));
    const md5s = md5sOf(provenRows);
    const bytes = Object.fromEntries(provenRows.map(([taken, proven]) => [taken.instance, proven.bytes]));
    sql.addReceipts.run({ md5s, transfer, at });
    sql.noteProven.run({ bytes: JSON.stringify(bytes) });
    const mayDisprove = provenRows.filter(([, { supersedes }]) => supersedes !== true);
    if (mayDisprove.length > 0) {
      for (const { id } of sql.disproved.all({ md5s: md5sOf(mayDisprove), transfer })) {
        sql.disprove.run(id);
        sql.endAll.run(id);
        sql.queueDoubted.run(id);
      }
    }
    sql.endProven.run({ md5s, transfer });
  }

  function settle(taken: TakenRow, outcome: Exclude<DeliveryOutcome, Proven>, at: EpochMs): void {
    switch (outcome.kind) {
      case 'retry': {
        // Nothing is gained by keeping a time that has passed: 0 puts it among those that are ready.
        const notBefore = outcome.notBefore > at ? outcome.notBefore : 0;
        sql.retry.run({ id: taken.id, notBefore, failure: `${outcome.code}: ${outcome.detail}` });
        return;
      }
      case 'quarantine':
        sql.endAll.run(taken.instance);
        sql.quarantine.run({ instance: taken.instance, code: outcome.code, detail: outcome.detail, at });
        return;
      case 'refused':
        sql.refuse.run({ instance: taken.instance, backend: taken.backend, at, detail: outcome.detail });
        // It is tried here again after a while, in case nobody finds it another place.
        sql.retry.run({ id: taken.id, notBefore: at + refusedMs, failure: `refused: ${outcome.detail}` });
        return;
      case 'absent':
        releases.absent([taken.instance], at);
    }
  }

  return {
    claim: (backend, limits, now, except): Transfer | null =>
      connection.write(() => {
        sql.wake.run({ backend, now });
        const attempts = limits.untriedOnly === true ? 0 : Number.MAX_SAFE_INTEGER;
        const front = nextFront(backend, attempts, except);
        if (front === null) return null;
        const { taken: deliveries, leavesSome } = chunk(backend, front, attempts, limits);
        const bytes = deliveries.reduce((sum, delivery) => sum + delivery.bytes, 0);
        const transfer = sql.open.get({ front, backend, now, instances: deliveries.length, bytes });
        if (transfer === undefined) throw new Error('SQLite gave no row after a transfer was opened');
        sql.take.run({ transfer: transfer.id, ids: JSON.stringify(deliveries.map(({ id }) => id)) });
        return { id: transfer.id, front, backend, startedAt: now, deliveries, leavesSome };
      }),

    stillOurs: ({ ours, id, instance, copy, epoch, backend, ...delivery }) => {
      const alsoOn = JSON.stringify(delivery.alsoOn);
      return (
        ours &&
        connection.read(() => sql.stillOurs.get({ id, instance, copy, epoch, backend, alsoOn }) !== undefined)
      );
    },

    nextAttemptAt: (backend) =>
      connection.read(() =>
        sql.anyReady.get(backend) === undefined ? (sql.earliestDelayed.get(backend)?.notBefore ?? null) : 0,
      ),

    conclude: (transferId, end, outcomes) =>
      connection.write(() => {
        const closed = sql.close.get({ id: transferId, ...end });
        if (closed === undefined) return; // concluded before, or interrupted: its deliveries are others' now
        let failure = end.code === 'done' ? null : `${end.code}: ${end.detail}`;
        const rows = sql.taken.all(transferId);
        const proven = rows.flatMap((taken) => {
          const outcome = outcomes.get(taken.id);
          return outcome?.kind === 'proven' ? [[taken, outcome] as const] : [];
        });
        prove(transferId, proven, end.at);
        for (const taken of rows) {
          const given = outcomes.get(taken.id);
          if (given?.kind === 'proven') continue;
          // Another copy of the same instance may have just ended all of its deliveries.
          if (sql.stillTaken.get({ id: taken.id, transfer: transferId }) === undefined) continue;
          // An outcome that was left out must not leave its delivery in a transfer that is over.
          const outcome = given ?? withoutAWord(end.at);
          if (outcome.kind === 'retry') failure ??= `${outcome.code}: ${outcome.detail}`;
          if (outcome.kind === 'refused') failure ??= `refused: ${outcome.detail}`;
          settle(taken, outcome, end.at);
        }
        sql.noteFailure.run({ backend: closed.backend, failure });
      }),

    settled: (before, limit) =>
      connection.read(() => sql.settled.all({ before, limit }).map((row) => row.uid)),

    beginRemoval: (studyUid, before, now) =>
      connection.write(() => {
        const study = sql.settledStudy.get({ studyUid, before })?.id;
        if (study === undefined) return [];
        const fronts = new Map<string, string[]>();
        for (const { front, orthancId } of sql.beginRemoval.all({ study, now })) {
          const ids = fronts.get(front);
          if (ids === undefined) fronts.set(front, [orthancId]);
          else ids.push(orthancId);
        }
        return [...fronts].map(([front, orthancIds]) => ({ front, orthancIds }));
      }),

    removed(front, orthancIds, now) {
      connection.write(() =>
        sql.endRemoval.run({ front, ids: JSON.stringify(orthancIds), state: 'removed', now }),
      );
    },

    removalFailed(front, orthancIds, now) {
      const ids = JSON.stringify(orthancIds);
      connection.write(() => {
        sql.endRemoval.run({ front, ids, state: 'held', now });
        sql.queueAgain.run({ front, ids });
      });
    },
  };
}

function withoutAWord(at: EpochMs): Exclude<DeliveryOutcome, Proven> {
  return {
    kind: 'retry',
    code: 'interrupted',
    detail: 'the transfer ended without a word on it',
    notBefore: at,
  };
}

function namesIn(json: string): string[] {
  const names: unknown = JSON.parse(json);
  return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
}
