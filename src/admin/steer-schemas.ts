import { z } from 'zod';
import { namePattern } from '../topology/schema.ts';
import { policyNames, queueOrders } from '../topology/topology.ts';
import { backendAnswer } from './schemas.ts';

/** What the API takes and answers about the topology and its backends. */

/** Whatever stands in the topology may name a variable, and a caller has no business with those of the service. */
const plain = z
  .string()
  .min(1)
  .max(2_000)
  .regex(/^[^${}\p{Cc}]+$/u, 'must have no "$", "{" or "}" in it, and no control character');

const address = plain.meta({
  description: 'http:// or https://, a host, and a port where it is not the usual one',
});

const password = z
  .string()
  .regex(/^[^\r\n\0]{1,1000}$/, 'must be one line of 1–1000 characters')
  .meta({ description: 'Kept in a file of its own in the state folder, not in the topology' });

const passwordEnv = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'must be the name of an environment variable')
  // What stands there is sent to the address beside it: whoever may change backends would learn the tokens that outlast their own.
  .regex(/^(?!DDE_(?:ADMIN|HOOK)_TOKEN$)/, "must not be one of the service's own tokens")
  .meta({ description: 'Variable of the service that carries the password, instead of `password`' });

const weight = z.number().min(0).max(1000).meta({ description: '1 = 100 %' });
const lanes = z.int().min(1).max(64).meta({ description: 'Transfers at a time' });
const disk = z
  .union([z.int().min(1), plain.min(2).max(20)])
  .meta({ description: 'Bytes its images may fill, or a size with its unit such as `2 TB`' });

const notBoth = 'name password or passwordEnv, not both';
const onlyOne = (body: { readonly password?: unknown; readonly passwordEnv?: unknown }): boolean =>
  body.password === undefined || body.passwordEnv === undefined;

export const newBackend = z
  .strictObject({
    name: z
      .string()
      .regex(namePattern, 'must be a name of 1 to 31 small letters, digits and "-", beginning with a letter'),
    url: address,
    peerUrl: address.optional(),
    publicUrl: address.optional(),
    username: plain.optional(),
    password: password.optional(),
    passwordEnv: passwordEnv.optional(),
    weight: weight.optional(),
    lanes: lanes.optional(),
    disk: disk.optional(),
  })
  .refine(onlyOne, notBoth);
export type NewBackend = z.output<typeof newBackend>;

/** What is not named stays; null: as by default. */
export const backendSettings = z
  .strictObject({
    url: address.optional(),
    peerUrl: address
      .nullable()
      .optional()
      .meta({ description: 'How the fronts reach it, where that differs' }),
    publicUrl: address.nullable().optional(),
    username: plain.nullable().optional(),
    password: password.optional(),
    passwordEnv: passwordEnv.optional(),
    weight: weight.nullable().optional(),
    lanes: lanes.nullable().optional(),
    disk: disk.nullable().optional(),
  })
  .refine(onlyOne, notBoth)
  .refine((body) => Object.keys(body).length > 0, 'name at least one setting');
export type BackendSettingsBody = z.output<typeof backendSettings>;

export const removal = z.strictObject({
  confirm: z.literal(true, { error: 'must be true: what the backend holds is not reached any more' }),
});

export const peerAnswer = z.strictObject({
  front: z.string(),
  ok: z.boolean().meta({ description: 'The front sends there as the topology says' }),
  detail: z.string().nullable(),
});

export const changedBackendAnswer = backendAnswer.extend({ peers: z.array(peerAnswer) });
export type ChangedBackendAnswer = z.infer<typeof changedBackendAnswer>;

export const removedAnswer = z.strictObject({ name: z.string(), removed: z.literal(true) });

const echoed = { ok: z.boolean(), detail: z.string() };
export const echoAnswer = z.strictObject({
  ok: z.boolean(),
  seconds: z.number().nullable().meta({ description: 'Of its answer to the service; null: there was none' }),
  rest: z.strictObject(echoed),
  dicom: z
    .strictObject(echoed)
    .nullable()
    .meta({ description: 'A C-ECHO from a front; null: the topology does not know its DICOM port' }),
  peer: z.array(z.strictObject({ front: z.string(), ...echoed })),
});
export type EchoAnswer = z.infer<typeof echoAnswer>;

const choice = z.strictObject({ name: z.string(), description: z.string() });
export const routingAnswer = z.strictObject({
  policy: z.enum(policyNames),
  order: z.enum(queueOrders),
  shadow: z.enum(policyNames).nullable(),
  policies: z.array(choice),
  orders: z.array(choice),
});
export type RoutingAnswer = z.infer<typeof routingAnswer>;

export const routingChange = z
  .strictObject({
    policy: z.enum(policyNames).optional(),
    order: z.enum(queueOrders).optional(),
    shadow: z.enum(policyNames).nullable().optional().meta({ description: 'null: none' }),
  })
  .refine((body) => Object.keys(body).length > 0, 'name policy, order or shadow');

export const topologyAnswer = z.strictObject({
  file: z.string(),
  tag: z.string().meta({ description: 'Also the `ETag`; hand it back as `If-Match` with a change' }),
  text: z
    .string()
    .nullable()
    .meta({ description: 'The file; null: it cannot be told which parts of it are passwords' }),
  problems: z
    .array(z.strictObject({ path: z.string(), line: z.number().nullable(), message: z.string() }))
    .meta({ description: 'Mistakes, because of which the service goes by what it read before' }),
  readOnly: z.string().nullable().meta({ description: 'Why it cannot be changed from here; null: it can' }),
});
export type TopologyAnswer = z.infer<typeof topologyAnswer>;
