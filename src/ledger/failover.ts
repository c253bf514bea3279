import type { Assignment, BoundStudy, EpochMs, FormerState } from '../study.ts';
import { type AssignmentRow, toAssignment } from './assignments.ts';
import { auditAdder } from './audit.ts';
import { createBindings } from './bindings.ts';
import type { Connection } from './connection.ts';
import { type FailoverLedger, LedgerError } from './ledger.ts';

/** Torn is also a study of which a backend has what no front ever had: found there before, or moved there. */
const boundColumns = `s.uid AS studyUid, a.copy, a.epoch, a.backend, a.outstanding AS unproven,
  (s.removed + s.removing - s.discarded > 0
    OR (SELECT d.kind FROM decisions d WHERE d.id = a.decision) = 'followed'
    OR EXISTS (SELECT 1 FROM moves m WHERE m.study = s.id)) AS torn,
  (SELECT min(d.arrived_at) FROM deliveries d WHERE d.study = s.id AND d.copy = a.copy) AS waitingSince,
  (SELECT json_group_array(DISTINCT r.backend) FROM refusals r WHERE r.study = s.id) AS refusedBy`;

export const failoverSql = {
  bound: `
    SELECT ${boundColumns}
    FROM studies s INDEXED BY studies_held CROSS JOIN assignments a ON a.study = s.id AND a.ended_at IS NULL
    WHERE s.held > 0 AND a.backend = @backend ORDER BY s.first_seen_at, s.id`,
  /** A person asks for it once in a while; all states but `removed` are short of millions only while something is wrong. */
  unfinishedOn: `
    SELECT count(DISTINCT s.id) AS studies, count(DISTINCT CASE WHEN s.quarantined > 0 THEN s.id END) AS quarantined
    FROM studies s INDEXED BY studies_state CROSS JOIN assignments a ON a.study = s.id AND a.ended_at IS NULL
    WHERE s.state IN ('quarantined', 'received', 'sending', 'assigned', 'verified')
      AND s.held + s.removing + s.quarantined > 0 AND a.backend = @backend`,
  refusedStudies: `
    SELECT DISTINCT ${boundColumns}
    FROM refusals x CROSS JOIN deliveries y ON y.instance = x.instance AND y.backend = x.backend
      CROSS JOIN studies s ON s.id = x.study
      CROSS JOIN assignments a ON a.study = y.study AND a.copy = y.copy AND a.epoch = y.epoch AND a.ended_at IS NULL
    ORDER BY s.id, a.copy`,
  studyId: `SELECT id FROM studies WHERE uid = ?`,
  current: `
    SELECT copy, epoch, backend, decision, assigned_at AS assignedAt FROM assignments
    WHERE study = ? AND ended_at IS NULL ORDER BY copy`,
  endDeliveries: `DELETE FROM deliveries WHERE study = @study AND copy = @copy`,
  endAssignment: `
    UPDATE assignments SET ended_at = @at WHERE study = @study AND copy = @copy AND epoch = @epoch AND ended_at IS NULL`,
  addFormer: `
    INSERT INTO former_copies (study, copy, backend, state, since, reason) VALUES (@study, @copy, @backend, @state, @since, @reason)
    ON CONFLICT (study, backend) DO NOTHING`,
  endFormers: `
    DELETE FROM former_copies WHERE study = @study AND copy = @copy RETURNING copy, backend, state, since`,
  tryThereAgain: `DELETE FROM refusals WHERE study = @study AND backend = @backend`,
  noteFound: `
    INSERT INTO studies (uid, first_seen_at, last_news_at) VALUES (@studyUid, @now, @now)
    ON CONFLICT (uid) DO NOTHING`,
  refusedThere: `
    SELECT DISTINCT d.instance FROM refusals r CROSS JOIN deliveries d ON d.instance = r.instance AND d.backend = r.backend
    WHERE r.study = @study`,
  endAll: `DELETE FROM deliveries WHERE instance = ?`,
  quarantine: `
    UPDATE instances SET state = 'quarantined', proven = 0, changed_at = @now, quarantine_code = 'refused', quarantine_detail = @detail
    WHERE id = @instance AND state = 'held'`,
} as const;

type BoundRow = Omit<BoundStudy, 'torn' | 'refusedBy'> & {
  readonly torn: number;
  readonly refusedBy: string;
};

interface EndedFormer {
  readonly copy: number;
  readonly backend: string;
  readonly state: FormerState;
  readonly since: EpochMs;
}

type Part = Pick<
  FailoverLedger,
  'bound' | 'unfinishedOn' | 'refusedStudies' | 'rebind' | 'adopt' | 'noteFormer' | 'quarantineRefused'
>;

/** The part that binds studies anew. */
export function createFailoverPart(connection: Connection): Part {
  const bound = connection.prepare<BoundRow>(failoverSql.bound);
  const unfinishedOn = connection.prepare<{ studies: number; quarantined: number }>(failoverSql.unfinishedOn);
  const refusedStudies = connection.prepare<BoundRow>(failoverSql.refusedStudies);
  const studyId = connection.prepare<{ id: number }>(failoverSql.studyId);
  const currentOf = connection.prepare<AssignmentRow>(failoverSql.current);
  const endDeliveries = connection.prepare(failoverSql.endDeliveries);
  const endAssignment = connection.prepare(failoverSql.endAssignment);
  const addFormer = connection.prepare(failoverSql.addFormer);
  const endFormers = connection.prepare<EndedFormer>(failoverSql.endFormers);
  const tryThereAgain = connection.prepare(failoverSql.tryThereAgain);
  const noteFound = connection.prepare(failoverSql.noteFound);
  const refusedThere = connection.prepare<{ instance: number }>(failoverSql.refusedThere);
  const endAll = connection.prepare(failoverSql.endAll);
  const quarantine = connection.prepare(failoverSql.quarantine);
  const addEntry = auditAdder(connection);
  const bindings = createBindings(connection);

  function idOf(studyUid: string): number {
    const id = studyId.get(studyUid)?.id;
    if (id === undefined) throw new LedgerError('failed', `Nothing of study ${studyUid} was ever received.`);
    return id;
  }

  /**
   * Its former copies, as rows of new numbers: whoever is at work on one of the old has compared it with a backend that the
   * study is leaving, and a person's word about a conflict was about that one's content too. A deletion that was asked for
   * is still on its way.
   */
  function formersAnew(study: number, copy: number): void {
    for (const former of endFormers.all({ study, copy })) {
      const state = former.state === 'deleting' ? 'deleting' : 'waiting';
      addFormer.run({ ...former, study, state, reason: 'the study was bound anew' });
    }
  }

  return {
    bound: (backend) => connection.read(() => bound.all({ backend }).map(toBound)),
    unfinishedOn: (backend) =>
      connection.read(() => unfinishedOn.get({ backend }) ?? { studies: 0, quarantined: 0 }),
    refusedStudies: () => connection.read(() => refusedStudies.all().map(toBound)),

    rebind: ({ expectedEpoch, clean, ...decision }, entryOf): Assignment | null =>
      connection.write(() => {
        const { studyUid, copy, backend, at } = decision;
        if (backend === null)
          throw new LedgerError('failed', 'A study is bound anew to a backend, not to none.');
        const study = idOf(studyUid);
        const assignments = currentOf.all(study);
        const current = assignments.find((assignment) => assignment.copy === copy);
        if (current === undefined || current.epoch !== expectedEpoch) return null;
        // Two copies on one backend would be one; and where it is bound already there is nothing to do.
        if (assignments.some((assignment) => assignment.backend === backend)) return null;
        if (bindings.deletingThere(study, backend)) return null;

        const epoch = bindings.nextEpoch(study, copy);
        const id = bindings.keep(study, epoch, decision);
        // Also those in an open transfer: what it proves is the former assignment's.
        endDeliveries.run({ study, copy });
        endAssignment.run({ study, copy, epoch: current.epoch, at });
        // Who asks for it to go there has it tried there again.
        tryThereAgain.run({ study, backend });
        formersAnew(study, copy);
        const isLeft = assignments.every(
          ({ copy: of, backend: there }) => of === copy || there !== current.backend,
        );
        if (isLeft) {
          const reason = 'not looked at yet';
          addFormer.run({ study, copy, backend: current.backend, state: 'waiting', since: at, reason });
        }
        const made = bindings.bind(study, {
          studyUid,
          copy,
          epoch,
          backend,
          decision: id,
          at,
          clean: clean ?? false,
          askFirst: clean !== true,
        });
        if (entryOf !== undefined) addEntry(entryOf(made));
        return made;
      }),

    adopt: (studyUid, backend, now) =>
      connection.write(() => {
        noteFound.run({ studyUid, now });
        const study = idOf(studyUid);
        const [current] = currentOf.all(study);
        if (current !== undefined) return toAssignment(studyUid, current);
        const epoch = bindings.nextEpoch(study, 0);
        const reason = `found on ${backend}`;
        const decision = bindings.keep(study, epoch, {
          copy: 0,
          at: now,
          policy: 'found',
          kind: 'followed',
          backend,
          reason,
          considered: [],
        });
        return bindings.bind(study, {
          studyUid,
          copy: 0,
          epoch,
          backend,
          decision,
          at: now,
          clean: false,
          askFirst: true,
        });
      }),

    noteFormer(studyUid, backend, reason, now) {
      connection.write(() => {
        const study = idOf(studyUid);
        const assignments = currentOf.all(study);
        const [first] = assignments;
        if (first === undefined || assignments.some((assignment) => assignment.backend === backend)) return;
        addFormer.run({ study, copy: first.copy, backend, state: 'waiting', since: now, reason });
      });
    },

    quarantineRefused: (studyUid, detail, now) =>
      connection.write(() => {
        const instances = refusedThere.all({ study: idOf(studyUid) });
        for (const { instance } of instances) {
          endAll.run(instance);
          quarantine.run({ instance, detail, now });
        }
        return instances.length;
      }),
  };
}

function toBound({ torn, refusedBy, ...row }: BoundRow): BoundStudy {
  const names: unknown = JSON.parse(refusedBy);
  return {
    ...row,
    torn: torn === 1,
    refusedBy: Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [],
  };
}
