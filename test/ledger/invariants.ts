import { provenNow } from '../../src/ledger/assignments.ts';

/** What is true of a ledger at every moment, as a count of rows that must be 0. */
export const never: Record<string, string> = {
  'a delivery of an instance that is not held': `SELECT count(*) n FROM deliveries d JOIN instances i ON i.id = d.instance WHERE i.state <> 'held'`,
  'a delivery for an assignment that is not the current one': `SELECT count(*) n FROM deliveries d LEFT JOIN assignments a ON a.study = d.study AND a.copy = d.copy AND a.epoch = d.epoch AND a.ended_at IS NULL AND a.backend = d.backend WHERE a.study IS NULL`,
  'a delivery in a transfer that is over': `SELECT count(*) n FROM deliveries d JOIN transfers t ON t.id = d.transfer WHERE t.ended_at IS NOT NULL`,
  'a held instance with neither delivery nor receipt for a current assignment': `SELECT count(*) n FROM instances i JOIN assignments a ON a.study = i.study AND a.ended_at IS NULL WHERE i.state = 'held'
       AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.instance = i.id AND d.copy = a.copy)
       AND NOT EXISTS (SELECT 1 FROM receipts r WHERE r.instance = i.id AND r.copy = a.copy AND r.epoch = a.epoch AND r.round = i.round)`,
  'two current assignments of a copy': `SELECT count(*) n FROM (SELECT 1 FROM assignments WHERE ended_at IS NULL GROUP BY study, copy HAVING count(*) > 1)`,
  'removed, never proven anywhere, and not given up': `SELECT count(*) n FROM instances i WHERE state = 'removed' AND discarded = 0 AND NOT EXISTS (
       SELECT 1 FROM receipts r WHERE r.instance = i.id)`,
  'a current assignment on a backend that has a former copy': `SELECT count(*) n FROM former_copies f JOIN assignments a ON a.study = f.study AND a.backend = f.backend AND a.ended_at IS NULL`,
  'a former copy of a study that is bound nowhere': `SELECT count(*) n FROM former_copies f WHERE NOT EXISTS (
       SELECT 1 FROM assignments a WHERE a.study = f.study AND a.copy = f.copy AND a.ended_at IS NULL)`,
  'a refusal of an instance that is gone': `SELECT count(*) n FROM refusals x JOIN instances i ON i.id = x.instance WHERE i.state IN ('removed', 'vanished')`,
  'proven that is not, while held': `SELECT count(*) n FROM instances i WHERE state = 'held' AND proven <> ${provenNow}`,
  'a study whose counters are wrong': `SELECT count(*) n FROM studies s WHERE
       instances <> (SELECT count(*) FROM instances i WHERE i.study = s.id)
       OR held <> (SELECT count(*) FROM instances i WHERE i.study = s.id AND i.state = 'held')
       OR removing <> (SELECT count(*) FROM instances i WHERE i.study = s.id AND i.state = 'removing')
       OR removed <> (SELECT count(*) FROM instances i WHERE i.study = s.id AND i.state = 'removed')
       OR vanished <> (SELECT count(*) FROM instances i WHERE i.study = s.id AND i.state = 'vanished')
       OR quarantined <> (SELECT count(*) FROM instances i WHERE i.study = s.id AND i.state = 'quarantined')
       OR verified <> (SELECT count(*) FROM instances i WHERE i.study = s.id AND i.proven = 1)
       OR bytes <> (SELECT sum(bytes) FROM instances i WHERE i.study = s.id)
       OR outstanding <> (SELECT count(*) FROM deliveries d WHERE d.study = s.id)
       OR sending <> (SELECT count(*) FROM deliveries d WHERE d.study = s.id AND d.transfer IS NOT NULL)
       OR discarded <> (SELECT count(*) FROM instances i WHERE i.study = s.id AND i.state = 'removed' AND i.discarded = 1)
       OR former <> (SELECT count(*) FROM former_copies f WHERE f.study = s.id)
       OR assigned <> (SELECT count(*) FROM assignments a WHERE a.study = s.id AND a.ended_at IS NULL)`,
  'a backend whose counters are wrong': `SELECT count(*) n FROM backends b WHERE
       studies <> (SELECT count(DISTINCT study || '/' || copy) FROM deliveries d WHERE d.backend = b.name)
       OR instances <> (SELECT count(*) FROM deliveries d WHERE d.backend = b.name)
       OR bytes <> (SELECT coalesce(sum(bytes), 0) FROM deliveries d WHERE d.backend = b.name)
       OR sending <> (SELECT count(*) FROM deliveries d WHERE d.backend = b.name AND d.transfer IS NOT NULL)
       OR retrying <> (SELECT count(*) FROM deliveries d WHERE d.backend = b.name AND d.transfer IS NULL AND d.attempts > 0)`,
  'wrong totals': `SELECT count(*) n FROM totals WHERE
       unproven <> (SELECT count(*) FROM instances WHERE state = 'held' AND proven = 0)
       OR unproven_bytes <> (SELECT coalesce(sum(bytes), 0) FROM instances WHERE state = 'held' AND proven = 0)
       OR settling <> (SELECT count(*) FROM instances WHERE state = 'removing' OR state = 'held' AND proven = 1)
       OR quarantined <> (SELECT count(*) FROM instances WHERE state = 'quarantined')
       OR placed + followed + waiting + rebound <> (SELECT count(*) FROM decisions)
       OR received - removed - vanished <> (SELECT count(*) FROM instances WHERE state IN ('held', 'removing', 'quarantined'))`,
};
