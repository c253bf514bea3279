import type { AccessToken, EpochMs, Role } from '../study.ts';
import type { Connection } from './connection.ts';
import { LedgerError } from './ledger.ts';

/** A session as it is kept; `token` null: it was begun with the token of the file, which `seal` was made of. */
export interface KeptSession {
  readonly token: { readonly name: string; readonly role: Role } | null;
  readonly seal: string | null;
  readonly createdAt: EpochMs;
  readonly expiresAt: EpochMs;
  readonly lastSeenAt: EpochMs;
}

/** Who may use the admin API. Hashes are SHA-256 in hex; tokens and cookies themselves never come here. */
export interface AccountLedger {
  /** Null: a token of this name is there, or was; letters are not told apart by their case. */
  createToken(
    token: {
      readonly name: string;
      readonly role: Role;
      readonly hash: string;
      readonly createdBy: string;
    },
    now: EpochMs,
  ): AccessToken | null;
  /** All of them by name, the revoked ones too. */
  tokens(): readonly AccessToken[];
  token(name: string): AccessToken | null;
  /** Ends its sessions with it. Once revoked it stays so. Null: there is no such token. */
  revokeToken(name: string, now: EpochMs): AccessToken | null;
  /** The token of this hash, unless it is revoked. */
  tokenOf(hash: string): AccessToken | null;
  noteTokenUse(name: string, now: EpochMs): void;

  /** Keeps at most `most` sessions of each token: the oldest ones end. */
  startSession(
    session: {
      readonly hash: string;
      /** Name of the token; null together with a seal. */
      readonly token: string | null;
      readonly seal: string | null;
      readonly expiresAt: EpochMs;
    },
    now: EpochMs,
    most: number,
  ): void;
  /** The session of this hash, unless it is over or its token is revoked. */
  session(hash: string, now: EpochMs): KeptSession | null;
  noteSessionUse(hash: string, expiresAt: EpochMs, now: EpochMs): void;
  endSession(hash: string): void;
  /** Deletes those that are over; returns how many. */
  dropSessions(now: EpochMs): number;
}

const tokenColumns = `name, role, created_at AS createdAt, created_by AS createdBy, last_used_at AS lastUsedAt,
  revoked_at AS revokedAt`;

export const accountsSql = {
  addToken: `
    INSERT INTO tokens (name, role, hash, created_at, created_by) VALUES (@name, @role, @hash, @now, @createdBy)
    ON CONFLICT (name) DO NOTHING`,
  tokens: `SELECT ${tokenColumns} FROM tokens ORDER BY name`,
  token: `SELECT ${tokenColumns} FROM tokens WHERE name = ?`,
  revokeToken: `UPDATE tokens SET revoked_at = @now WHERE name = @name AND revoked_at IS NULL`,
  tokenOf: `SELECT ${tokenColumns} FROM tokens WHERE hash = ? AND revoked_at IS NULL`,
  noteTokenUse: `UPDATE tokens SET last_used_at = @now WHERE name = @name`,
  endSessionsOf: `DELETE FROM sessions WHERE token = (SELECT id FROM tokens WHERE name = ?)`,
  addSession: `
    INSERT INTO sessions (hash, token, seal, created_at, expires_at, last_seen_at)
    VALUES (@hash, (SELECT id FROM tokens WHERE name = @token), @seal, @now, @expiresAt, @now)`,
  /** IS: the sessions of the file's token, which have none, are counted together. */
  endSurplus: `
    DELETE FROM sessions WHERE hash IN (
      SELECT hash FROM sessions WHERE token IS (SELECT id FROM tokens WHERE name = @token)
      ORDER BY created_at DESC, hash LIMIT -1 OFFSET @most)`,
  session: `
    SELECT t.name, t.role, s.seal, s.created_at AS createdAt, s.expires_at AS expiresAt, s.last_seen_at AS lastSeenAt
    FROM sessions s LEFT JOIN tokens t ON t.id = s.token
    WHERE s.hash = @hash AND s.expires_at > @now AND t.revoked_at IS NULL`,
  noteSessionUse: `UPDATE sessions SET last_seen_at = @now, expires_at = @expiresAt WHERE hash = @hash`,
  endSession: `DELETE FROM sessions WHERE hash = ?`,
  dropSessions: `DELETE FROM sessions WHERE expires_at <= ?`,
} as const;

interface SessionRow {
  readonly name: string | null;
  readonly role: Role | null;
  readonly seal: string | null;
  readonly createdAt: EpochMs;
  readonly expiresAt: EpochMs;
  readonly lastSeenAt: EpochMs;
}

/** The part that knows tokens and sessions. */
export function createAccountsPart(connection: Connection): AccountLedger {
  const addToken = connection.prepare(accountsSql.addToken);
  const tokens = connection.prepare<AccessToken>(accountsSql.tokens);
  const token = connection.prepare<AccessToken>(accountsSql.token);
  const revoke = connection.prepare(accountsSql.revokeToken);
  const tokenOf = connection.prepare<AccessToken>(accountsSql.tokenOf);
  const noteTokenUse = connection.prepare(accountsSql.noteTokenUse);
  const endSessionsOf = connection.prepare(accountsSql.endSessionsOf);
  const addSession = connection.prepare(accountsSql.addSession);
  const endSurplus = connection.prepare(accountsSql.endSurplus);
  const session = connection.prepare<SessionRow>(accountsSql.session);
  const noteSessionUse = connection.prepare(accountsSql.noteSessionUse);
  const endSession = connection.prepare(accountsSql.endSession);
  const dropSessions = connection.prepare(accountsSql.dropSessions);

  return {
    createToken: (fresh, now) =>
      connection.write(() => {
        if (addToken.run({ ...fresh, now }).changes === 0) return null;
        const row = token.get(fresh.name);
        if (row === undefined) throw new LedgerError('failed', 'The token was not kept.');
        return row;
      }),
    tokens: () => connection.read(() => tokens.all()),
    token: (name) => connection.read(() => token.get(name) ?? null),
    revokeToken: (name, now) =>
      connection.write(() => {
        revoke.run({ name, now });
        endSessionsOf.run(name);
        return token.get(name) ?? null;
      }),
    tokenOf: (hash) => connection.read(() => tokenOf.get(hash) ?? null),
    noteTokenUse(name, now) {
      connection.write(() => noteTokenUse.run({ name, now }));
    },
    startSession(begun, now, most) {
      connection.write(() => {
        addSession.run({ ...begun, now });
        endSurplus.run({ token: begun.token, most });
      });
    },
    session: (hash, now) =>
      connection.read(() => {
        const row = session.get({ hash, now });
        if (row === undefined) return null;
        const { name, role, ...rest } = row;
        return { token: name === null || role === null ? null : { name, role }, ...rest };
      }),
    noteSessionUse(hash, expiresAt, now) {
      connection.write(() => noteSessionUse.run({ hash, expiresAt, now }));
    },
    endSession(hash) {
      connection.write(() => endSession.run(hash));
    },
    dropSessions: (now) => connection.write(() => dropSessions.run(now).changes),
  };
}
