/**
 * What came and went, and what waited, over time: one row a sample, rolled up to minutes and hours beside the load of each Orthanc; and
 * how many studies were placed on each.
 */
export const farmHistory = `
CREATE TABLE farm_samples (
  at            INTEGER PRIMARY KEY,         -- end of the interval that was counted
  span_ms       INTEGER NOT NULL,            -- its length
  in_instances  INTEGER NOT NULL,
  in_bytes      INTEGER NOT NULL,
  out_instances INTEGER NOT NULL,
  out_bytes     INTEGER NOT NULL,
  waiting       INTEGER NOT NULL,            -- instances, at that moment
  oldest_age_ms INTEGER NOT NULL,            -- 0: nothing waits
  quarantined   INTEGER NOT NULL
) STRICT;

-- Sums of what came and went, peaks of what waited; the interval begins at \`at\`.
CREATE TABLE farm_minutes (
  at            INTEGER PRIMARY KEY,
  span_ms       INTEGER NOT NULL,            -- what of it was counted
  in_instances  INTEGER NOT NULL,
  in_bytes      INTEGER NOT NULL,
  out_instances INTEGER NOT NULL,
  out_bytes     INTEGER NOT NULL,
  waiting       INTEGER NOT NULL,
  oldest_age_ms INTEGER NOT NULL,
  quarantined   INTEGER NOT NULL
) STRICT;
CREATE TABLE farm_hours (
  at            INTEGER PRIMARY KEY,
  span_ms       INTEGER NOT NULL,            -- what of it was counted
  in_instances  INTEGER NOT NULL,
  in_bytes      INTEGER NOT NULL,
  out_instances INTEGER NOT NULL,
  out_bytes     INTEGER NOT NULL,
  waiting       INTEGER NOT NULL,
  oldest_age_ms INTEGER NOT NULL,
  quarantined   INTEGER NOT NULL
) STRICT;

-- Those that bound a study, by their time: a small part of all, and never thinned.
CREATE INDEX decisions_placing ON decisions(at, backend) WHERE backend IS NOT NULL;
ALTER TABLE load_minutes ADD COLUMN decisions INTEGER NOT NULL DEFAULT 0;
ALTER TABLE load_hours   ADD COLUMN decisions INTEGER NOT NULL DEFAULT 0;

-- What people did to one study or backend.
CREATE INDEX audit_target ON audit(target, id);
`;
