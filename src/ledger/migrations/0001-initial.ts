/**
 * The first schema.
 *
 * Two kinds of tables. What is under way (`deliveries`) has rows only while there is work, so that the queries of every
 * second stay as fast with ten million instances of history as on the first day. What happened (`instances`, `receipts`,
 * `decisions`, `transfers`) is kept.
 *
 * The counters on `studies`, `assignments`, `backends` and `totals` are kept by triggers, in the transaction that changes
 * the rows they count: whatever statement moves a row, the counters follow, and a study's state, the load of a backend
 * or the length of the queue is read from one row. Counting when asked was rejected: a decision asks for the load of every
 * backend, and with 100,000 waiting deliveries that is 30 ms in which the hook is not answered.
 *
 * Nothing here can hold a patient's name or identifier.
 */
export const initial = `
CREATE TABLE studies (
  id            INTEGER PRIMARY KEY,
  uid           TEXT NOT NULL UNIQUE,
  first_seen_at INTEGER NOT NULL,
  last_news_at  INTEGER NOT NULL,
  modality      TEXT,
  station       TEXT,
  remote_aet    TEXT,
  called_aet    TEXT,
  remote_ip     TEXT,
  fronts        TEXT NOT NULL DEFAULT '[]',  -- JSON array of names
  waiting_reason TEXT,                       -- of the last decision, while it was to wait
  copies        INTEGER NOT NULL DEFAULT 1,  -- how many copies are wanted
  -- kept by triggers:
  assigned      INTEGER NOT NULL DEFAULT 0,  -- copies that have a current assignment
  instances     INTEGER NOT NULL DEFAULT 0,
  held          INTEGER NOT NULL DEFAULT 0,
  removing      INTEGER NOT NULL DEFAULT 0,
  removed       INTEGER NOT NULL DEFAULT 0,
  vanished      INTEGER NOT NULL DEFAULT 0,
  quarantined   INTEGER NOT NULL DEFAULT 0,
  verified      INTEGER NOT NULL DEFAULT 0,  -- instances with proven = 1
  bytes         INTEGER NOT NULL DEFAULT 0,
  outstanding   INTEGER NOT NULL DEFAULT 0,  -- deliveries
  sending       INTEGER NOT NULL DEFAULT 0,  -- deliveries in an open transfer
  -- What can only be mended by a person goes first, then the least advanced instance. An instance that somebody deleted
  -- from the front unproven needs a person too: such a study is never called removed.
  state TEXT GENERATED ALWAYS AS (CASE
    WHEN quarantined > 0 THEN 'quarantined'
    WHEN held + removing > 0 AND assigned < copies THEN 'received'
    WHEN sending > 0 THEN 'sending'
    WHEN outstanding > 0 THEN 'assigned'
    WHEN held + removing > 0 THEN 'verified'
    WHEN vanished > 0 THEN 'quarantined'
    ELSE 'removed' END) VIRTUAL
) STRICT;
CREATE INDEX studies_news     ON studies(last_news_at, id);
CREATE INDEX studies_state    ON studies(state, last_news_at, id);
CREATE INDEX studies_modality ON studies(modality, last_news_at, id);
CREATE INDEX studies_station  ON studies(station, last_news_at, id);
CREATE INDEX studies_unplaced ON studies(first_seen_at, id) WHERE held > 0 AND assigned < copies;
CREATE INDEX studies_settling ON studies(last_news_at, id) WHERE held > 0 AND outstanding = 0 AND assigned >= copies;

CREATE TABLE instances (
  id              INTEGER PRIMARY KEY,
  study           INTEGER NOT NULL REFERENCES studies(id),
  front           TEXT NOT NULL,
  orthanc_id      TEXT NOT NULL,
  series_uid      TEXT NOT NULL,
  sop_uid         TEXT NOT NULL,
  transfer_syntax TEXT,
  state           TEXT NOT NULL CHECK (state IN ('held', 'removing', 'removed', 'vanished', 'quarantined')),
  -- Grows whenever the content on the front may have become another. A receipt is proof of the round it was given in.
  round           INTEGER NOT NULL DEFAULT 1,
  proven          INTEGER NOT NULL DEFAULT 0,  -- 1: a receipt of this round for each current copy
  bytes           INTEGER NOT NULL,
  bytes_exact     INTEGER NOT NULL,
  arrived_at      INTEGER NOT NULL,
  changed_at      INTEGER NOT NULL,            -- when it came into its state
  quarantine_code TEXT,
  quarantine_detail TEXT,
  UNIQUE (orthanc_id, front)
) STRICT;
CREATE INDEX instances_study      ON instances(study, state);
CREATE INDEX instances_standing   ON instances(front, orthanc_id, state) WHERE state IN ('held', 'removing', 'quarantined');
CREATE INDEX instances_unproven   ON instances(arrived_at) WHERE state = 'held' AND proven = 0;
CREATE INDEX instances_quarantine ON instances(changed_at, id) WHERE state = 'quarantined';

CREATE TABLE decisions (
  id         INTEGER PRIMARY KEY,
  study      INTEGER NOT NULL REFERENCES studies(id),
  copy       INTEGER NOT NULL,
  epoch      INTEGER NOT NULL,
  at         INTEGER NOT NULL,
  policy     TEXT NOT NULL,
  kind       TEXT NOT NULL CHECK (kind IN ('placed', 'followed', 'waiting')),
  backend    TEXT,
  reason     TEXT NOT NULL,
  considered TEXT NOT NULL                   -- JSON
) STRICT;
CREATE INDEX decisions_study ON decisions(study, id);

CREATE TABLE assignments (
  study       INTEGER NOT NULL REFERENCES studies(id),
  copy        INTEGER NOT NULL,
  epoch       INTEGER NOT NULL,
  backend     TEXT NOT NULL REFERENCES backends(name),
  decision    INTEGER NOT NULL,              -- no reference: it would make each new decision look for its children
  assigned_at INTEGER NOT NULL,
  ended_at    INTEGER,                       -- null: the current one
  outstanding INTEGER NOT NULL DEFAULT 0,    -- its deliveries; kept by triggers
  PRIMARY KEY (study, copy, epoch)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX assignments_current ON assignments(study, copy) WHERE ended_at IS NULL;

CREATE TABLE backends (
  name           TEXT PRIMARY KEY,
  state          TEXT CHECK (state IN ('ready', 'drain', 'maint')),  -- null: no operator ever said
  weight         REAL,
  changed_at     INTEGER,
  last_placement INTEGER NOT NULL DEFAULT 0, -- number of the decision
  last_failure   TEXT,
  -- kept by triggers:
  studies        INTEGER NOT NULL DEFAULT 0, -- assignments with something outstanding
  instances      INTEGER NOT NULL DEFAULT 0,
  bytes          INTEGER NOT NULL DEFAULT 0,
  sending        INTEGER NOT NULL DEFAULT 0,
  retrying       INTEGER NOT NULL DEFAULT 0  -- tried before, and not in a transfer now
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: numbers of transfers that were thinned never come again, so a late answer can never meet another one's row.
CREATE TABLE transfers (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  front          TEXT NOT NULL,
  backend        TEXT NOT NULL,
  started_at     INTEGER NOT NULL,
  ended_at       INTEGER,                    -- null: open
  instances      INTEGER NOT NULL,
  bytes          INTEGER NOT NULL,
  instances_sent INTEGER,
  bytes_sent     INTEGER,
  code           TEXT,
  detail         TEXT
) STRICT;
CREATE INDEX transfers_ended   ON transfers(ended_at);
CREATE INDEX transfers_backend ON transfers(backend, ended_at);

-- The queue: a row from the moment an instance must go to a backend until it is proven there (or cannot be delivered).
-- Numbers grow among the rows that are there, which is all that first in, first out needs.
CREATE TABLE deliveries (
  id         INTEGER PRIMARY KEY,
  instance   INTEGER NOT NULL REFERENCES instances(id),
  study      INTEGER NOT NULL,
  copy       INTEGER NOT NULL,
  epoch      INTEGER NOT NULL,
  front      TEXT NOT NULL,
  backend    TEXT NOT NULL,
  bytes      INTEGER NOT NULL,               -- as it was counted into the backend's load
  arrived_at INTEGER NOT NULL,
  transfer   INTEGER REFERENCES transfers(id),
  attempts   INTEGER NOT NULL DEFAULT 0,
  ask_first  INTEGER NOT NULL DEFAULT 0,
  not_before INTEGER NOT NULL DEFAULT 0,     -- 0: its time has come
  failure    TEXT,                           -- code and detail of the last attempt
  UNIQUE (instance, copy)
) STRICT;
-- Ready and delayed rows have an index each, so that finding the next never walks over those whose time has not come.
CREATE INDEX deliveries_ready    ON deliveries(backend, front, id) WHERE transfer IS NULL AND not_before = 0;
CREATE INDEX deliveries_delayed  ON deliveries(backend, not_before) WHERE transfer IS NULL AND not_before > 0;
CREATE INDEX deliveries_arrived  ON deliveries(backend, arrived_at);
CREATE INDEX deliveries_transfer ON deliveries(transfer) WHERE transfer IS NOT NULL;
CREATE INDEX deliveries_failed   ON deliveries(study, id) WHERE failure IS NOT NULL;

CREATE TABLE receipts (
  instance INTEGER NOT NULL REFERENCES instances(id),
  copy     INTEGER NOT NULL,
  epoch    INTEGER NOT NULL,
  round    INTEGER NOT NULL,
  backend  TEXT NOT NULL,
  md5      TEXT NOT NULL,
  at       INTEGER NOT NULL,
  transfer INTEGER NOT NULL,                 -- no reference: transfers are thinned
  PRIMARY KEY (instance, copy, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  id    INTEGER PRIMARY KEY,
  study INTEGER NOT NULL REFERENCES studies(id),
  at    INTEGER NOT NULL,
  kind  TEXT NOT NULL,
  text  TEXT NOT NULL
) STRICT;
CREATE INDEX events_study ON events(study, id);

CREATE TABLE totals (
  id             INTEGER PRIMARY KEY CHECK (id = 1),
  -- since the ledger began; received - removed - vanished is what stands on the fronts
  received       INTEGER NOT NULL DEFAULT 0,
  proven         INTEGER NOT NULL DEFAULT 0,
  removed        INTEGER NOT NULL DEFAULT 0,
  vanished       INTEGER NOT NULL DEFAULT 0,
  placed         INTEGER NOT NULL DEFAULT 0,
  followed       INTEGER NOT NULL DEFAULT 0,
  waiting        INTEGER NOT NULL DEFAULT 0,
  -- now
  unproven       INTEGER NOT NULL DEFAULT 0, -- held and not proven
  unproven_bytes INTEGER NOT NULL DEFAULT 0,
  settling       INTEGER NOT NULL DEFAULT 0, -- held and proven, or being removed
  quarantined    INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO totals (id) VALUES (1);

CREATE TRIGGER instances_insert AFTER INSERT ON instances BEGIN
  UPDATE studies SET instances = instances + 1, held = held + 1, bytes = bytes + NEW.bytes WHERE id = NEW.study;
  UPDATE totals SET received = received + 1, unproven = unproven + 1, unproven_bytes = unproven_bytes + NEW.bytes WHERE id = 1;
END;
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
    removed     = removed  + (NEW.state = 'removed'  AND OLD.state <> 'removed'),
    vanished    = vanished + (NEW.state = 'vanished' AND OLD.state <> 'vanished'),
    unproven    = unproven + (NEW.state = 'held' AND NEW.proven = 0) - (OLD.state = 'held' AND OLD.proven = 0),
    unproven_bytes = unproven_bytes + NEW.bytes * (NEW.state = 'held' AND NEW.proven = 0) - OLD.bytes * (OLD.state = 'held' AND OLD.proven = 0),
    settling    = settling + (NEW.state = 'removing' OR (NEW.state = 'held' AND NEW.proven = 1))
                           - (OLD.state = 'removing' OR (OLD.state = 'held' AND OLD.proven = 1)),
    quarantined = quarantined + (NEW.state = 'quarantined') - (OLD.state = 'quarantined')
  WHERE id = 1;
END;

CREATE TRIGGER assignments_insert AFTER INSERT ON assignments WHEN NEW.ended_at IS NULL BEGIN
  UPDATE studies SET assigned = assigned + 1 WHERE id = NEW.study;
END;
CREATE TRIGGER assignments_end AFTER UPDATE OF ended_at ON assignments WHEN (OLD.ended_at IS NULL) <> (NEW.ended_at IS NULL) BEGIN
  UPDATE studies SET assigned = assigned + (NEW.ended_at IS NULL) - (OLD.ended_at IS NULL) WHERE id = NEW.study;
END;
CREATE TRIGGER assignments_outstanding AFTER UPDATE OF outstanding ON assignments WHEN (OLD.outstanding > 0) <> (NEW.outstanding > 0) BEGIN
  UPDATE backends SET studies = studies + (NEW.outstanding > 0) - (OLD.outstanding > 0) WHERE name = NEW.backend;
END;

-- Deliveries are always made waiting: outside a transfer.
CREATE TRIGGER deliveries_insert AFTER INSERT ON deliveries BEGIN
  UPDATE studies SET outstanding = outstanding + 1 WHERE id = NEW.study;
  UPDATE assignments SET outstanding = outstanding + 1 WHERE study = NEW.study AND copy = NEW.copy AND epoch = NEW.epoch;
  UPDATE backends SET instances = instances + 1, bytes = bytes + NEW.bytes, retrying = retrying + (NEW.attempts > 0) WHERE name = NEW.backend;
END;
CREATE TRIGGER deliveries_delete AFTER DELETE ON deliveries BEGIN
  UPDATE studies SET outstanding = outstanding - 1, sending = sending - (OLD.transfer IS NOT NULL) WHERE id = OLD.study;
  UPDATE assignments SET outstanding = outstanding - 1 WHERE study = OLD.study AND copy = OLD.copy AND epoch = OLD.epoch;
  UPDATE backends SET instances = instances - 1, bytes = bytes - OLD.bytes,
    sending = sending - (OLD.transfer IS NOT NULL), retrying = retrying - (OLD.attempts > 0 AND OLD.transfer IS NULL)
  WHERE name = OLD.backend;
END;
CREATE TRIGGER deliveries_update AFTER UPDATE OF transfer, attempts ON deliveries
WHEN (OLD.transfer IS NULL) <> (NEW.transfer IS NULL) OR (OLD.attempts > 0) <> (NEW.attempts > 0) BEGIN
  UPDATE studies SET sending = sending + (NEW.transfer IS NOT NULL) - (OLD.transfer IS NOT NULL) WHERE id = NEW.study;
  UPDATE backends SET
    sending  = sending + (NEW.transfer IS NOT NULL) - (OLD.transfer IS NOT NULL),
    retrying = retrying + (NEW.attempts > 0 AND NEW.transfer IS NULL) - (OLD.attempts > 0 AND OLD.transfer IS NULL)
  WHERE name = NEW.backend;
END;

CREATE TRIGGER receipts_insert AFTER INSERT ON receipts BEGIN
  UPDATE totals SET proven = proven + 1 WHERE id = 1;
END;
CREATE TRIGGER receipts_update AFTER UPDATE ON receipts BEGIN
  UPDATE totals SET proven = proven + 1 WHERE id = 1;
END;
CREATE TRIGGER decisions_insert AFTER INSERT ON decisions BEGIN
  UPDATE totals SET placed = placed + (NEW.kind = 'placed'), followed = followed + (NEW.kind = 'followed'),
    waiting = waiting + (NEW.kind = 'waiting') WHERE id = 1;
END;

-- One row an Orthanc and poll.
CREATE TABLE load_samples (
  at              INTEGER NOT NULL,
  orthanc         TEXT NOT NULL,
  up              INTEGER NOT NULL,
  latency_ms      REAL,
  jobs_pending    REAL,
  jobs_running    REAL,
  active_requests REAL,
  instances       INTEGER,
  disk_bytes      INTEGER,
  PRIMARY KEY (at, orthanc)
) STRICT, WITHOUT ROWID;
CREATE INDEX load_samples_orthanc ON load_samples(orthanc, at);

-- Averages over the interval that begins at \`at\`; instances and disk_bytes are its peaks.
CREATE TABLE load_minutes (
  at              INTEGER NOT NULL,
  orthanc         TEXT NOT NULL,
  samples         INTEGER NOT NULL,
  ups             INTEGER NOT NULL,
  latency_ms      REAL,
  jobs_pending    REAL,
  jobs_running    REAL,
  active_requests REAL,
  instances       INTEGER,
  disk_bytes      INTEGER,
  transfers             INTEGER NOT NULL,
  transferred_instances INTEGER NOT NULL,
  transferred_bytes     INTEGER NOT NULL,
  transfer_ms           INTEGER NOT NULL,
  PRIMARY KEY (at, orthanc)
) STRICT, WITHOUT ROWID;
CREATE INDEX load_minutes_orthanc ON load_minutes(orthanc, at);

CREATE TABLE load_hours (
  at              INTEGER NOT NULL,
  orthanc         TEXT NOT NULL,
  samples         INTEGER NOT NULL,
  ups             INTEGER NOT NULL,
  latency_ms      REAL,
  jobs_pending    REAL,
  jobs_running    REAL,
  active_requests REAL,
  instances       INTEGER,
  disk_bytes      INTEGER,
  transfers             INTEGER NOT NULL,
  transferred_instances INTEGER NOT NULL,
  transferred_bytes     INTEGER NOT NULL,
  transfer_ms           INTEGER NOT NULL,
  PRIMARY KEY (at, orthanc)
) STRICT, WITHOUT ROWID;
CREATE INDEX load_hours_orthanc ON load_hours(orthanc, at);

-- How far the roll-ups have come: everything before \`until\` is rolled up.
CREATE TABLE roll_ups (
  resolution TEXT PRIMARY KEY CHECK (resolution IN ('minute', 'hour')),
  until      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;
