/**
 * What a policy that is only tried would have chosen, beside what was chosen. A row a study and copy; nothing reads it but
 * the comparison, and it is thinned.
 */
export const shadow = `
CREATE TABLE shadow_choices (
  study           INTEGER NOT NULL REFERENCES studies(id),
  copy            INTEGER NOT NULL,
  at              INTEGER NOT NULL,
  policy          TEXT NOT NULL,
  backend         TEXT NOT NULL,             -- where it went
  seconds         REAL,                      -- expected until available there; null: nobody can say
  shadow          TEXT NOT NULL,             -- policy that was only asked
  shadow_kind     TEXT NOT NULL CHECK (shadow_kind IN ('place', 'wait', 'failed')),
  shadow_backend  TEXT,                      -- where it would have gone, or what it would have waited for
  shadow_seconds  REAL,
  reason          TEXT NOT NULL,             -- the shadow's
  PRIMARY KEY (study, copy)
) STRICT, WITHOUT ROWID;
CREATE INDEX shadow_choices_at ON shadow_choices(at);
`;
