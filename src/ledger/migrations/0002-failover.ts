/**
 * Binding studies anew, what that leaves behind, and what people decide.
 *
 * A former copy has a row while something of a study may stand on a backend where it is not bound any more. Its proofs
 * (`moves`) are kept: they are what a former backend was allowed to delete on.
 */
export const failover = `
-- A wider check: SQLite changes one only with its table.
DROP TRIGGER decisions_insert;
CREATE TABLE decisions_wider (
  id         INTEGER PRIMARY KEY,
  study      INTEGER NOT NULL REFERENCES studies(id),
  copy       INTEGER NOT NULL,
  epoch      INTEGER NOT NULL,
  at         INTEGER NOT NULL,
  policy     TEXT NOT NULL,
  kind       TEXT NOT NULL CHECK (kind IN ('placed', 'followed', 'waiting', 'rebound')),
  backend    TEXT,
  reason     TEXT NOT NULL,
  considered TEXT NOT NULL                   -- JSON
) STRICT;
INSERT INTO decisions_wider SELECT id, study, copy, epoch, at, policy, kind, backend, reason, considered FROM decisions ORDER BY id;
DROP TABLE decisions;
ALTER TABLE decisions_wider RENAME TO decisions;
CREATE INDEX decisions_study ON decisions(study, id);
ALTER TABLE totals ADD COLUMN rebound INTEGER NOT NULL DEFAULT 0;
CREATE TRIGGER decisions_insert AFTER INSERT ON decisions BEGIN
  UPDATE totals SET placed = placed + (NEW.kind = 'placed'), followed = followed + (NEW.kind = 'followed'),
    waiting = waiting + (NEW.kind = 'waiting'), rebound = rebound + (NEW.kind = 'rebound') WHERE id = 1;
END;

-- 1: the backend said, when the study was bound to it, that it holds nothing of it.
ALTER TABLE assignments ADD COLUMN clean INTEGER NOT NULL DEFAULT 0;
-- 1: it ended, and nothing of the study was left on its backend afterwards: its receipts say what was, not what is.
ALTER TABLE assignments ADD COLUMN emptied INTEGER NOT NULL DEFAULT 0;
-- 1: a person gave it up. Its state becomes 'removed' when it is gone from the front.
ALTER TABLE instances ADD COLUMN discarded INTEGER NOT NULL DEFAULT 0;

-- A row has a new number whenever its study is bound anew, and numbers never come again: what somebody saw of the former
-- target is of no use for the new one.
CREATE TABLE former_copies (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  study      INTEGER NOT NULL REFERENCES studies(id),
  copy       INTEGER NOT NULL,               -- whose assignment to this backend ended
  backend    TEXT NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('waiting', 'moving', 'deleting', 'conflict')),
  since      INTEGER NOT NULL,
  reason     TEXT,                           -- why it waits
  not_before INTEGER NOT NULL DEFAULT 0,
  attempts   INTEGER NOT NULL DEFAULT 0,
  accepted   INTEGER NOT NULL DEFAULT 0,     -- 1: a person said that the content on the current backend stands
  UNIQUE (study, backend)
) STRICT;
CREATE INDEX former_copies_due     ON former_copies(not_before, id) WHERE state <> 'conflict';
CREATE INDEX former_copies_backend ON former_copies(backend, id);

CREATE TABLE moves (
  study        INTEGER NOT NULL REFERENCES studies(id),
  orthanc_id   TEXT NOT NULL,
  from_backend TEXT NOT NULL,
  to_backend   TEXT NOT NULL,
  former       INTEGER NOT NULL,             -- number of the former copy; no reference: that row ends
  md5          TEXT NOT NULL,
  bytes        INTEGER NOT NULL,
  at           INTEGER NOT NULL,
  PRIMARY KEY (study, orthanc_id, from_backend, to_backend)
) STRICT, WITHOUT ROWID;

-- Kept until the instance is taken there after all, leaves the front, or a person has it tried again.
CREATE TABLE refusals (
  study    INTEGER NOT NULL REFERENCES studies(id),
  instance INTEGER NOT NULL REFERENCES instances(id),
  backend  TEXT NOT NULL,                    -- that would not take it
  at       INTEGER NOT NULL,
  detail   TEXT NOT NULL,
  PRIMARY KEY (study, instance, backend)
) STRICT, WITHOUT ROWID;
CREATE INDEX refusals_instance ON refusals(instance);

CREATE TABLE evacuations (
  backend          TEXT PRIMARY KEY,
  state            TEXT NOT NULL CHECK (state IN ('running', 'stopped', 'done')),
  target           TEXT,
  bytes_per_second INTEGER,
  started_at       INTEGER NOT NULL,
  ended_at         INTEGER,
  studies          INTEGER NOT NULL DEFAULT 0,
  moved            INTEGER NOT NULL DEFAULT 0,
  moved_instances  INTEGER NOT NULL DEFAULT 0,
  moved_bytes      INTEGER NOT NULL DEFAULT 0,
  waiting          TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
  id     INTEGER PRIMARY KEY,
  at     INTEGER NOT NULL,
  who    TEXT NOT NULL,
  action TEXT NOT NULL,
  target TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;
CREATE INDEX audit_at ON audit(at, id);

ALTER TABLE studies ADD COLUMN discarded INTEGER NOT NULL DEFAULT 0; -- kept by triggers: of the removed ones
ALTER TABLE studies ADD COLUMN former    INTEGER NOT NULL DEFAULT 0; -- kept by triggers: former copies
DROP INDEX studies_state;
ALTER TABLE studies DROP COLUMN state;
ALTER TABLE studies ADD COLUMN state TEXT GENERATED ALWAYS AS (CASE
    WHEN quarantined > 0 THEN 'quarantined'
    WHEN held + removing > 0 AND assigned < copies THEN 'received'
    WHEN sending > 0 THEN 'sending'
    WHEN outstanding > 0 THEN 'assigned'
    WHEN held + removing > 0 THEN 'verified'
    WHEN vanished > 0 THEN 'quarantined'
    WHEN former > 0 THEN 'healing'
    ELSE 'removed' END) VIRTUAL;
CREATE INDEX studies_state ON studies(state, last_news_at, id);
CREATE INDEX studies_held  ON studies(first_seen_at, id) WHERE held > 0;
CREATE INDEX deliveries_study ON deliveries(study, copy, arrived_at);

-- One that vanished has left the counts of what stands on the fronts already, when a person takes note of it.
DROP TRIGGER instances_update;
CREATE TRIGGER instances_update AFTER UPDATE OF state, proven, bytes ON instances
WHEN OLD.state <> NEW.state OR OLD.proven <> NEW.proven OR OLD.bytes <> NEW.bytes BEGIN
  UPDATE studies SET
    held        = held        + (NEW.state = 'held')        - (OLD.state = 'held'),
    removing    = removing    + (NEW.state = 'removing')    - (OLD.state = 'removing'),
    removed     = removed     + (NEW.state = 'removed')     - (OLD.state = 'removed'),
    vanished    = vanished    + (NEW.state = 'vanished')    - (OLD.state = 'vanished'),
    quarantined = quarantined + (NEW.state = 'quarantined') - (OLD.state = 'quarantined'),
    verified    = verified + NEW.proven - OLD.proven,
    bytes       = bytes + NEW.bytes - OLD.bytes
  WHERE id = NEW.study;
  UPDATE totals SET
    received    = received + (NEW.state NOT IN ('removed', 'vanished') AND OLD.state IN ('removed', 'vanished')),
    removed     = removed  + (NEW.state = 'removed'  AND OLD.state NOT IN ('removed', 'vanished')),
    vanished    = vanished + (NEW.state = 'vanished' AND OLD.state NOT IN ('removed', 'vanished')),
    unproven    = unproven + (NEW.state = 'held' AND NEW.proven = 0) - (OLD.state = 'held' AND OLD.proven = 0),
    unproven_bytes = unproven_bytes + NEW.bytes * (NEW.state = 'held' AND NEW.proven = 0) - OLD.bytes * (OLD.state = 'held' AND OLD.proven = 0),
    settling    = settling + (NEW.state = 'removing' OR (NEW.state = 'held' AND NEW.proven = 1))
                           - (OLD.state = 'removing' OR (OLD.state = 'held' AND OLD.proven = 1)),
    quarantined = quarantined + (NEW.state = 'quarantined') - (OLD.state = 'quarantined')
  WHERE id = 1;
END;
CREATE TRIGGER instances_discarded AFTER UPDATE OF state, discarded ON instances
WHEN (NEW.state = 'removed' AND NEW.discarded = 1) <> (OLD.state = 'removed' AND OLD.discarded = 1) BEGIN
  UPDATE studies SET discarded = discarded + (NEW.state = 'removed' AND NEW.discarded = 1) - (OLD.state = 'removed' AND OLD.discarded = 1)
  WHERE id = NEW.study;
END;
DROP TRIGGER receipts_insert;
CREATE TRIGGER receipts_insert AFTER INSERT ON receipts BEGIN
  UPDATE totals SET proven = proven + 1 WHERE id = 1;
  DELETE FROM refusals WHERE instance = NEW.instance AND backend = NEW.backend;
END;
CREATE TRIGGER instances_gone AFTER UPDATE OF state ON instances WHEN NEW.state IN ('removed', 'vanished') BEGIN
  DELETE FROM refusals WHERE instance = NEW.id;
END;
CREATE TRIGGER former_copies_insert AFTER INSERT ON former_copies BEGIN
  UPDATE studies SET former = former + 1 WHERE id = NEW.study;
END;
CREATE TRIGGER former_copies_delete AFTER DELETE ON former_copies BEGIN
  UPDATE studies SET former = former - 1 WHERE id = OLD.study;
END;
`;
