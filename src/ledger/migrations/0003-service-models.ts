/**
 * What was learnt of how fast each backend takes images: a row a backend, overwritten every few seconds while something is learnt. A
 * column for each number and no JSON: what is not a finite number cannot be kept, and so cannot come back after a restart.
 */
export const serviceModels = `
CREATE TABLE service_models (
  backend              TEXT PRIMARY KEY,
  seconds_per_instance REAL NOT NULL,
  seconds_per_byte     REAL NOT NULL,
  covariance_oo        REAL NOT NULL,  -- of the logarithms of the two
  covariance_os        REAL NOT NULL,
  covariance_ss        REAL NOT NULL,
  log_efficiency       REAL NOT NULL,
  log_baseline         REAL NOT NULL,
  samples              INTEGER NOT NULL,
  sampled_at           INTEGER         -- end of the last transfer learnt from; null: none
) STRICT, WITHOUT ROWID;
`;
