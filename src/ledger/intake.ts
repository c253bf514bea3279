import type { Arrival, Assignment, EpochMs, InstanceState } from '../study.ts';
import { type AssignmentRow, toAssignment } from './assignments.ts';
import { type Connection, unseen } from './connection.ts';
import { formerCopiesSql } from './former-copies.ts';
import type { IntakeLedger, ReceivedAnswer } from './ledger.ts';
import { createReleases } from './releases.ts';

/** Nothing is put off for longer than an hour. */
const farAheadMs = 3_600_000;

export const intakeSql = {
  /** What the study is called by is what was said first; later instances only fill in what was missing. */
  noteStudy: `
    INSERT INTO studies (uid, first_seen_at, last_news_at, modality, station, remote_aet, called_aet, remote_ip, fronts)
    VALUES (@studyUid, @now, @now, @modality, @station, @remoteAet, @calledAet, @remoteIp, json_array(@front))
    ON CONFLICT (uid) DO UPDATE SET
      last_news_at = excluded.last_news_at,
      modality = coalesce(modality, excluded.modality), station = coalesce(station, excluded.station),
      remote_aet = coalesce(remote_aet, excluded.remote_aet), called_aet = coalesce(called_aet, excluded.called_aet),
      remote_ip = coalesce(remote_ip, excluded.remote_ip),
      fronts = CASE WHEN EXISTS (SELECT 1 FROM json_each(studies.fronts) WHERE value = @front)
        THEN fronts ELSE json_insert(fronts, '$[#]', @front) END
    RETURNING id, waiting_reason AS waitingReason`,
  findInstance: `SELECT id, state FROM instances WHERE orthanc_id = @orthancId AND front = @front`,
  addInstance: `
    INSERT INTO instances (study, front, orthanc_id, series_uid, sop_uid, transfer_syntax, state, bytes, bytes_exact, arrived_at, changed_at)
    VALUES (@study, @front, @orthancId, @seriesUid, @sopUid, @transferSyntax, 'held', @bytes, @bytesExact, @now, @now)
    RETURNING id`,
  /**
   * Its content may be another: a new round, for which no receipt counts. One that still waited for its proof goes on
   * having waited since its first arrival. An estimated size never replaces an exact one.
   */
  holdAgain: `
    UPDATE instances SET state = 'held', round = round + 1, proven = 0, discarded = 0,
      arrived_at = CASE WHEN state = 'held' AND proven = 0 THEN arrived_at ELSE @now END,
      changed_at = CASE WHEN state = 'held' THEN changed_at ELSE @now END,
      transfer_syntax = coalesce(@transferSyntax, transfer_syntax),
      bytes = CASE WHEN @bytesExact >= bytes_exact THEN @bytes ELSE bytes END,
      bytes_exact = max(bytes_exact, @bytesExact)
    WHERE id = @id`,
  currentAssignments: `
    SELECT copy, epoch, backend, decision, assigned_at AS assignedAt FROM assignments
    WHERE study = ${unseen('?')} AND ended_at IS NULL ORDER BY copy`,
  /** Also ends those in an open transfer: what that transfer proves is the former content. */
  dropDeliveries: `DELETE FROM deliveries WHERE instance = ?`,
  addDelivery: `
    INSERT INTO deliveries (instance, study, copy, epoch, front, backend, bytes, arrived_at, ask_first)
    SELECT i.id, i.study, a.copy, a.epoch, i.front, a.backend, i.bytes, i.arrived_at, @askFirst
    FROM instances i JOIN assignments a ON a.study = i.study AND a.ended_at IS NULL
    WHERE i.id = ${unseen('@id')}`,
  standing: `
    SELECT orthanc_id, state FROM instances
    WHERE front = ? AND state IN ('held', 'removing', 'quarantined')`,
  /** A piece of the same, in the order of the index. */
  standingAfter: `
    SELECT orthanc_id FROM instances INDEXED BY instances_standing
    WHERE front = @front AND orthanc_id > @after AND state IN ('held', 'removing', 'quarantined')
    ORDER BY orthanc_id LIMIT @limit`,
  standingAmong: `
    SELECT i.orthanc_id FROM json_each(@ids) j CROSS JOIN instances i ON i.orthanc_id = j.value AND i.front = @front
    WHERE i.state IN ('held', 'removing', 'quarantined')`,
  absentees: `
    SELECT i.id FROM json_each(@ids) j CROSS JOIN instances i ON i.orthanc_id = j.value AND i.front = @front
    WHERE i.state IN ('held', 'removing', 'quarantined')
      AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.instance = i.id AND d.transfer IS NOT NULL)`,
  interrupt: `UPDATE transfers SET ended_at = @now, code = 'interrupted', detail = 'the service stopped while it was under way'
    WHERE ended_at IS NULL`,
  reopenInterrupted: `
    UPDATE deliveries SET transfer = NULL, ask_first = 1, not_before = 0, attempts = attempts + 1,
      failure = 'interrupted: the service stopped while it was under way'
    WHERE transfer IS NOT NULL`,
  countProven: `SELECT settling FROM totals WHERE id = 1`,
  newRound: `
    UPDATE instances SET state = 'held', round = round + 1, proven = 0,
      changed_at = CASE WHEN state = 'held' THEN changed_at ELSE @now END
    WHERE id IN (SELECT id FROM instances WHERE front = @front AND state IN ('held', 'removing', 'quarantined'))
      AND state <> 'quarantined'`,
  frontsStanding: `
    SELECT front FROM instances WHERE front > ? AND state IN ('held', 'removing', 'quarantined') ORDER BY front LIMIT 1`,
  /**
   * Times that lie farther ahead than anything is ever put off come from a clock that has been set back since. Left as they are,
   * what they belong to would wait until then.
   */
  dueFarAhead: `
    UPDATE deliveries SET not_before = 0
    WHERE id IN (SELECT d.id FROM backends b CROSS JOIN deliveries d ON d.backend = b.name
      WHERE d.transfer IS NULL AND d.not_before > 0 AND d.not_before > @now + ${farAheadMs})`,
  healFarAhead: `UPDATE former_copies SET not_before = 0 WHERE state <> 'conflict' AND not_before > @now + ${farAheadMs}`,
  newsFromAhead: `UPDATE studies SET last_news_at = @now WHERE last_news_at > @now`,
  /** Those that wait already keep their row, and with it their place in the queue. */
  askAgain: `
    INSERT INTO deliveries (instance, study, copy, epoch, front, backend, bytes, arrived_at, ask_first)
    SELECT i.id, i.study, a.copy, a.epoch, i.front, a.backend, i.bytes, i.arrived_at, 1
    FROM instances i JOIN assignments a ON a.study = i.study AND a.ended_at IS NULL
    WHERE i.state = 'held' AND i.proven = 0
      AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.instance = i.id AND d.copy = a.copy)
    ORDER BY i.arrived_at, i.id, a.copy`,
} as const;

/** A study as it stands in the ledger, and the instance that last said anything of it. */
interface NotedStudy {
  readonly of: Arrival;
  readonly id: number;
  readonly waitingReason: string | null;
  readonly assignments: readonly Assignment[];
}

/** Whether they say the same of their study. */
function isAlike(one: Arrival, other: Arrival): boolean {
  return (
    one.front === other.front &&
    one.modality === other.modality &&
    one.station === other.station &&
    one.remoteAet === other.remoteAet &&
    one.calledAet === other.calledAet &&
    one.remoteIp === other.remoteIp
  );
}

/** The part that is told what stands on the fronts. `received` is the hook's path: a handful of prepared statements. */
export function createIntake(connection: Connection): IntakeLedger {
  const noteStudy = connection.prepare<{ id: number; waitingReason: string | null }>(intakeSql.noteStudy);
  const findInstance = connection.prepare<{ id: number; state: InstanceState }>(intakeSql.findInstance);
  const addInstance = connection.prepare<{ id: number }>(intakeSql.addInstance);
  const holdAgain = connection.prepare(intakeSql.holdAgain);
  const currentAssignments = connection.prepare<AssignmentRow>(intakeSql.currentAssignments);
  const dropDeliveries = connection.prepare(intakeSql.dropDeliveries);
  const addDelivery = connection.prepare(intakeSql.addDelivery);
  const standing = connection.prepare<[orthancId: string, state: InstanceState]>(intakeSql.standing);
  const standingAfter = connection.prepare<[orthancId: string]>(intakeSql.standingAfter);
  const standingAmong = connection.prepare<[orthancId: string]>(intakeSql.standingAmong);
  const absentees = connection.prepare<{ id: number }>(intakeSql.absentees);
  const interrupt = connection.prepare(intakeSql.interrupt);
  const reopenInterrupted = connection.prepare(intakeSql.reopenInterrupted);
  const countProven = connection.prepare<{ settling: number }>(intakeSql.countProven);
  const frontsStanding = connection.prepare<{ front: string }>(intakeSql.frontsStanding);
  const newRound = connection.prepare(intakeSql.newRound);
  const askAgain = connection.prepare(intakeSql.askAgain);
  const broughtBack = [intakeSql.dueFarAhead, intakeSql.healFarAhead, intakeSql.newsFromAhead].map((sql) =>
    connection.prepare(sql),
  );
  const resumeMoving = connection.prepare(formerCopiesSql.resumeMoving);
  const releases = createReleases(connection);

  function noteStudyOf(arrival: Arrival, now: EpochMs): NotedStudy {
    const { id, waitingReason } = required(noteStudy.get({ ...arrival, now }), 'the study was noted');
    const assignments = currentAssignments.all(id).map((found) => toAssignment(arrival.studyUid, found));
    return { of: arrival, id, waitingReason, assignments };
  }

  function receive(arrival: Arrival, study: NotedStudy, now: EpochMs): ReceivedAnswer {
    const row = { ...arrival, bytes: Math.round(arrival.bytes), bytesExact: arrival.bytesExact ? 1 : 0, now };
    const { assignments } = study;
    const known = findInstance.get(row);

    if (known === undefined) {
      const { id } = required(addInstance.get({ ...row, study: study.id }), 'the instance was added');
      if (assignments.length > 0) addDelivery.run({ id, askFirst: 0 });
    } else if (known.state !== 'quarantined') {
      dropDeliveries.run(known.id);
      holdAgain.run({ ...row, id: known.id });
      addDelivery.run({ id: known.id, askFirst: 1 });
    }
    return {
      instance: known === undefined ? 'new' : 'again',
      assignments,
      waitingReason: study.waitingReason,
    };
  }

  return {
    received: (arrival, now) => connection.write(() => receive(arrival, noteStudyOf(arrival, now), now)),

    receivedMany(arrivals, now) {
      return connection.write(() => {
        // Nothing in this transaction places a study: what was found of it stays true, and what was noted need not be said again.
        const studies = new Map<string, NotedStudy>();
        return arrivals.map((arrival) => {
          const before = studies.get(arrival.studyUid);
          const study =
            before !== undefined && isAlike(before.of, arrival) ? before : noteStudyOf(arrival, now);
          studies.set(arrival.studyUid, study);
          return receive(arrival, study, now);
        });
      });
    },

    standing: (front) => connection.read(() => new Map(standing.raw().all(front))),

    standingAfter: (front, after, limit) =>
      connection.read(() =>
        standingAfter
          .raw()
          .all({ front, after, limit })
          .map(([id]) => id),
      ),

    standingAmong: (front, orthancIds) =>
      connection.read(() => {
        const ids = JSON.stringify(orthancIds);
        return new Set(
          standingAmong
            .raw()
            .all({ front, ids })
            .map(([id]) => id),
        );
      }),

    absent: (front, orthancIds, now) =>
      connection.write(() => {
        const gone = absentees.all({ ids: JSON.stringify(orthancIds), front }).map((row) => row.id);
        return releases.absent(gone, now);
      }),

    recover: (now) =>
      connection.write(() => {
        const interruptedTransfers = interrupt.run({ now }).changes;
        reopenInterrupted.run();
        const provenAnew = countProven.get()?.settling ?? 0;
        for (let next = frontsStanding.get(''); next !== undefined; next = frontsStanding.get(next.front)) {
          newRound.run({ front: next.front, now });
        }
        askAgain.run();
        resumeMoving.run();
        for (const statement of broughtBack) statement.run({ now });
        return { interruptedTransfers, provenAnew };
      }),
  };
}

/** A statement with RETURNING answers a row whenever it did not throw. */
function required<T>(row: T | undefined, what: string): T {
  if (row === undefined) throw new Error(`SQLite gave no row after ${what}`);
  return row;
}
