import type { AuditEntry } from '../study.ts';
import type { Connection } from './connection.ts';
import { cursorOf, readCursor } from './cursor.ts';
import type { FailoverLedger } from './ledger.ts';

export const auditSql = {
  addAudit: `INSERT INTO audit (at, who, action, target, detail) VALUES (@at, @who, @action, @target, @detail)`,
  auditTrail: `
    SELECT id, at, who, action, target, detail FROM audit WHERE (at, id) < (@at, @id)
    ORDER BY at DESC, id DESC LIMIT @limit`,
} as const;

/** Adds an entry to the audit trail; for parts that do so in the transaction of what the entry is about. */
export function auditAdder(connection: Connection): (entry: AuditEntry) => void {
  const add = connection.prepare(auditSql.addAudit);
  return (entry) => void add.run({ ...entry });
}

/** The part that remembers what people did. */
export function createAudit(connection: Connection): Pick<FailoverLedger, 'audit' | 'auditTrail'> {
  const add = auditAdder(connection);
  const trail = connection.prepare<AuditEntry & { readonly id: number }>(auditSql.auditTrail);

  return {
    audit(entry) {
      connection.write(() => add(entry));
    },
    auditTrail: ({ limit, cursor }) =>
      connection.read(() => {
        const before =
          cursor === undefined
            ? { at: Number.MAX_SAFE_INTEGER, id: Number.MAX_SAFE_INTEGER }
            : readCursor(cursor);
        const rows = trail.all({ ...before, limit: limit + 1 });
        const last = rows[limit - 1];
        return {
          items: rows
            .slice(0, limit)
            .map(({ at, who, action, target, detail }) => ({ at, who, action, target, detail })),
          next: rows.length > limit && last !== undefined ? cursorOf(last.at, last.id) : null,
        };
      }),
  };
}
