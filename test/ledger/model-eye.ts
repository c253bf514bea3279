import BetterSqlite3, { type Statement } from 'better-sqlite3';
import { provenNow } from '../../src/ledger/assignments.ts';

/** A second connection, that looks at the rows themselves. */
export class Eye {
  readonly #db;
  readonly #counting = new Map<string, Statement<unknown[], { n: number }>>();
  constructor(file: string) {
    this.#db = new BetterSqlite3(file);
  }

  /** What a statement calls `n`. */
  count(sql: string): number {
    const counting = this.#counting.get(sql) ?? this.#db.prepare<unknown[], { n: number }>(sql);
    this.#counting.set(sql, counting);
    return counting.get()?.n ?? -1;
  }
  /** Identifiers of the instances `i` for which this holds. */
  instances(condition: string, ...parameters: unknown[]): string[] {
    return this.#db
      .prepare<unknown[], { id: string }>(
        `SELECT i.orthanc_id AS id FROM instances i JOIN studies s ON s.id = i.study WHERE ${condition}`,
      )
      .all(...parameters)
      .map(({ id }) => id);
  }
  /** Which of the study's instances may leave their front. */
  fit(studyUid: string): string[] {
    return this.instances(`s.uid = ? AND i.state = 'held' AND ${provenNow}`, studyUid);
  }
  rows(): unknown[] {
    return ['instances', 'deliveries', 'receipts', 'transfers', 'studies', 'refusals'].map((table) =>
      this.#db.prepare(`SELECT * FROM ${table}`).all(),
    );
  }
  close(): void {
    this.#db.close();
  }
}
