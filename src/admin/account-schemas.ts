import { z } from 'zod';
import { roles } from '../study.ts';
import { time } from './schema-parts.ts';

/** What the admin API takes and answers about tokens and sessions. */

export const tokenName = z
  .string()
  .regex(
    /^[A-Za-z0-9][\w.@-]{0,62}$/,
    'must be 1–63 letters, digits and ". _ - @", beginning with a letter or digit',
  );
export const tokenParams = z.strictObject({ name: tokenName });

export const tokenBody = z.strictObject({ name: tokenName, role: z.enum(roles) });

const tokenFields = {
  name: z.string(),
  role: z.enum(roles),
  createdAt: time,
  createdBy: z.string().meta({ description: 'Name of the token it was created with' }),
  lastUsedAt: time.nullable().meta({ description: 'To the minute; null: never' }),
  revokedAt: time.nullable().meta({ description: 'Null: it is valid' }),
};
export const tokenAnswer = z.strictObject(tokenFields);
export type TokenAnswer = z.infer<typeof tokenAnswer>;

export const createdTokenAnswer = z.strictObject({
  ...tokenFields,
  token: z.string().meta({ description: 'The token itself, told only this once' }),
});

export const sessionBody = z.strictObject({ token: z.string().min(1).max(512) });

export const sessionAnswer = z.strictObject({
  name: z.string().meta({ description: 'Name of the token' }),
  role: z.enum(roles),
  expiresAt: time.nullable().meta({
    description: 'When the session ends unless it is used before; null: asked with a token',
  }),
});
export type SessionAnswer = z.infer<typeof sessionAnswer>;

export const signedOutAnswer = z.strictObject({
  signedOut: z.boolean().meta({ description: 'False: asked with a token, there was no session' }),
});
