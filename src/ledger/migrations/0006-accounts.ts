/**
 * Who may use the admin API. Of tokens and sessions only hashes are kept: whoever reads a ledger, or a copy of one, cannot
 * sign in with what stands there. A revoked token keeps its row, so that its name in the audit trail never means another.
 */
export const accounts = `
CREATE TABLE tokens (
  id            INTEGER PRIMARY KEY,
  name          TEXT NOT NULL UNIQUE COLLATE NOCASE,
  role          TEXT NOT NULL CHECK (role IN ('view', 'operate', 'admin')),
  hash          TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),   -- SHA-256, hex
  created_at    INTEGER NOT NULL,
  created_by    TEXT NOT NULL,
  last_used_at  INTEGER,
  revoked_at    INTEGER
) STRICT;
CREATE TABLE sessions (
  hash          TEXT PRIMARY KEY CHECK (length(hash) = 64),       -- of the cookie
  token         INTEGER REFERENCES tokens(id),                    -- null: begun with the token of the file
  seal          TEXT,                                             -- of that token, by the cookie; null: begun with another
  created_at    INTEGER NOT NULL,
  expires_at    INTEGER NOT NULL,
  last_seen_at  INTEGER NOT NULL,
  CHECK ((token IS NULL) <> (seal IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_token ON sessions(token, created_at);
CREATE INDEX sessions_expiry ON sessions(expires_at);
`;
