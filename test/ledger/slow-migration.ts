/** Rewrites every row a few times, and fills the log while it does: there is time to die in the middle. */
export const slowMigration = `
ALTER TABLE instances ADD COLUMN colour TEXT;
CREATE TABLE tints (instance INTEGER NOT NULL, tint TEXT NOT NULL) STRICT;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
INSERT INTO tints SELECT instances.id, hex(randomblob(20)) FROM n, instances;
UPDATE instances SET colour = 'red';
`;
