/**
 * What a transfer costs whatever it carries, the third of the figures learnt of each backend, and what is still not known of it. What
 * was learnt before is kept: its rows begin with what is assumed of a backend that nobody measured, 15 ms, of which nothing is known
 * (covariance_cc as wide as at the beginning, and not tied to the two others).
 */
export const transferSeconds = `
ALTER TABLE service_models ADD COLUMN seconds_per_transfer REAL NOT NULL DEFAULT 0.015;
ALTER TABLE service_models ADD COLUMN covariance_co REAL NOT NULL DEFAULT 0;
ALTER TABLE service_models ADD COLUMN covariance_cs REAL NOT NULL DEFAULT 0;
ALTER TABLE service_models ADD COLUMN covariance_cc REAL NOT NULL DEFAULT 14.0625;
`;
