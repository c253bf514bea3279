import cron from 'node-cron';
import * as z from 'zod';
import { conflictPolicies } from '../study.ts';
import {
  aeTitle,
  day,
  duration,
  instanceLimit,
  name,
  number,
  orNone,
  password,
  port,
  rate,
  second,
  size,
  url,
} from './schema-parts.ts';
import { policyNames, queueOrders } from './topology.ts';

export { namePattern } from './schema-parts.ts';

/**
 * What may stand in a topology file, and its defaults, written as a person would write them (`60 s`). Each key carries its
 * `description`, from which the reference in docs/topology.md and the JSON Schema for editors are made; `otherwise` says in the
 * column of defaults what holds without it. What concerns more than one key is in `checks.ts`.
 */

const run = z.strictObject({
  httpPort: port.meta({ description: 'TCP port of its REST API and Orthanc Explorer' }),
  dicomPort: port.meta({ description: 'TCP port for DICOM' }),
  aeTitle: aeTitle.meta({
    description: 'its own AE title, 1 to 16 characters. A front accepts any called AE title',
  }),
});

const orthanc = {
  name: name.meta({
    description: '1 to 31 small letters, digits and `-`, beginning with a letter; not `service`',
  }),
  url: url.meta({ description: 'how the service reaches it; for a backend also how the fronts do' }),
  publicUrl: url.optional().meta({ description: "how a person's browser reaches it", otherwise: '(`url`)' }),
  username: z
    .string()
    .regex(/^[^:\s]{1,64}$/, { error: 'must be a user name of 1 to 64 characters without space and ":"' })
    .prefault('orthanc')
    .meta({ description: 'user of its REST API' }),
  password: password.meta({ description: "that user's password" }),
  run: run.optional().meta({
    description: 'present when the farm starts this Orthanc and so generates its configuration',
  }),
};

const front = z.strictObject({
  ...orthanc,
  associations: number(z.int().min(1).max(1000))
    .prefault(16)
    .meta({ description: 'modalities that may send at the same time, 1 to 1000' }),
});

const backend = z.strictObject({
  ...orthanc,
  peerUrl: url.optional().meta({
    description:
      "how the fronts reach it, where that is another address than the service's, as across two networks",
    otherwise: '(`url`)',
  }),
  weight: number(z.number().min(0).max(1000)).prefault(1).meta({
    description: 'share of new studies: 0.5 gets half of what 1 gets, 0 gets none; 0 to 1000',
  }),
  lanes: number(z.int().min(1).max(64)).prefault(2).meta({ description: 'transfers at a time, 1 to 64' }),
  disk: size().optional().meta({
    description:
      'space its images may fill, such as `2 TB`: a new study that would leave less than 5 % or 20 GB of it free (20 % of a small one) goes elsewhere. Without it nobody knows how full it is',
  }),
});

/** It is written into the generated configurations, in which Orthanc replaces variables. */
const filePath = z.string().regex(/^\/[^{}$"'\\\n]*$/, {
  error: 'must be the absolute path of a file, with no quote, backslash, "$", "{" or "}" in it',
});

const tls = z.strictObject({
  certificate: filePath.meta({
    description: 'absolute path of its certificate, PEM, followed by those it was signed by',
  }),
  key: filePath.meta({ description: 'absolute path of the key to it, PEM, without a passphrase' }),
  ca: filePath.optional().meta({
    description:
      "absolute path of the certificates by which fronts and `dde` know it (and the fronts every backend with `https://`), where the system's own authorities do not; of one that has signed itself, the same file",
  }),
});

const service = z.strictObject({
  listen: z
    .string()
    .regex(/^[0-9A-Za-z.:_-]{1,253}$/, { error: 'must be an IP address or a host name' })
    .prefault('127.0.0.1')
    .meta({ description: 'address to listen on' }),
  port: number(z.int().min(0).max(65_535))
    .prefault(3000)
    .meta({ description: 'TCP port; 0 takes a free one' }),
  url: url.prefault('http://127.0.0.1:3000').meta({
    description: 'how the fronts reach the service; with `tls`, `https://` for fronts on other machines',
  }),
  tls: tls.optional().meta({
    description:
      'present: the service is served over TLS, on the same port; see [accounts.md](accounts.md#tls)',
  }),
  accessionSearch: z
    .preprocess((value) => (value === 'true' ? true : value === 'false' ? false : value), z.boolean())
    .prefault(false)
    .meta({
      description:
        '`true`: studies may be looked for by accession number. The backends are asked; the service keeps and logs nothing of it',
    }),
});

const admission = z.strictObject({
  maxSize: orNone(size()).prefault('none').meta({
    description: 'above so many waiting bytes a front refuses new images, so that senders keep them',
  }),
  maxInstances: z
    .preprocess((value) => (typeof value === 'number' ? String(value) : value), orNone(instanceLimit))
    .prefault('none')
    .meta({ description: 'the same for the number of waiting instances' }),
  maxAge: orNone(duration(second, 365 * day, 'from 1 s to 365 d'))
    .prefault('none')
    .meta({ description: 'the same for the age of the oldest waiting instance' }),
  minFree: orNone(size()).prefault('1 GB').meta({
    description: 'below so much free space on its own disk a front refuses new images; `none`: no limit',
  }),
  resume: number(z.number().gt(0).lt(1)).prefault(0.8).meta({
    description: 'images are taken again below this share of the limit, above 0 and below 1',
  }),
});

const batch = z.strictObject({
  instances: number(z.int().min(1).max(1000))
    .prefault(50)
    .meta({ description: 'instances in one transfer at most, 1 to 1000' }),
  size: size(1e12, 'from 1 B to 1 TB')
    .prefault('64 MB')
    .meta({ description: 'bytes in one transfer at most; a single larger instance goes alone' }),
  gather: duration(0, 60 * second, 'from 0 s to 60 s')
    .prefault('80 ms')
    .meta({
      description:
        'while images keep coming, transfers to a backend begin at least so far apart, up to two and a half times as far where few come meanwhile, unless they are full; the first after a pause leaves at once',
    }),
});

const transferTimeout = z.strictObject({
  base: duration(second, 3600 * second, 'from 1 s to 1 h')
    .prefault('60 s')
    .meta({ description: 'a transfer may take `base` + its size ÷ `rate`' }),
  rate: rate(1e12, 'from 1 B/s to 1 TB/s')
    .prefault('1 MB/s')
    .meta({ description: 'the slowest rate worth waiting for' }),
});

const routing = z.strictObject({
  policy: z
    .enum(policyNames)
    .prefault('expected-completion')
    .meta({ description: `how a backend is chosen: ${listed(policyNames)}` }),
  order: z.enum(queueOrders).prefault('fifo').meta({
    description:
      'which of the studies that wait for a backend goes first: `fifo` the oldest; `express` the one that is done soonest; `lpt` the one that takes longest, for moving an archive; `critical` the same, but only those that decide when everything is done, and only while there is a backlog',
  }),
  shadow: z
    .enum(['none', ...policyNames])
    .prefault('none')
    .meta({
      description:
        'a second policy that is asked about each study and never acted on, so that the two can be compared: `dde shadow`',
    }),
  settle: duration(0, 7 * day, 'from 0 s to 7 d')
    .prefault('60 s')
    .meta({
      description:
        'a front lets go of a study when everything is proven and nothing new came for so long; up to 7 d',
    }),
  batch: batch.prefault({}).meta({ description: 'what one transfer carries' }),
  conflict: z
    .enum(conflictPolicies)
    .prefault('quarantine')
    .meta({
      description: `same SOPInstanceUID with other content than the backend has: ${listed(conflictPolicies)}`,
    }),
  lookupTimeout: duration(10, 60 * second, 'from 10 ms to 60 s')
    .prefault('2 s')
    .meta({
      description: 'time for the backends to say whether they hold a new study; at most `requestTimeout`',
    }),
  requestTimeout: duration(100, 3600 * second, 'from 100 ms to 1 h')
    .prefault('10 s')
    .meta({ description: 'time limit of a request that moves no images' }),
  transferTimeout: transferTimeout.prefault({}).meta({ description: 'how long a transfer may take' }),
  rebindAfter: orNone(duration(second, 365 * day, 'from 1 s to 365 d'))
    .prefault('30 s')
    .meta({
      description:
        'a backend that has not served for so long loses the studies that are still whole on a front to another; `none`: never',
    }),
  healAfter: orNone(duration(second, 365 * day, 'from 1 s to 365 d'))
    .prefault('10 min')
    .meta({
      description:
        'the same for late images of a study a part of which has left the front already; the study is put together again later; `none`: never',
    }),
  stall: duration(second, 3600 * second, 'from 1 s to 1 h')
    .prefault('15 s')
    .meta({
      description:
        'a transfer in which nothing moves for so long is given up, and its backend counts as stalled',
    }),
  reconcile: z
    .string()
    .refine((text) => text.trim().split(/\s+/).length === 6 && cron.validate(text.trim()), {
      error:
        'must be a cron expression of six fields, seconds first, such as "*/5 * * * * *" for every five seconds',
    })
    .prefault('*/5 * * * * *')
    .meta({ description: 'when fronts are compared with the ledger: cron, six fields, seconds first' }),
  admission: admission.prefault({}).meta({ description: 'when a front refuses new images' }),
});

const kept = () => duration(60 * second, 3650 * day, 'from 1 min to 3650 d');

const history = z
  .strictObject({
    sample: duration(100, 3600 * second, 'from 100 ms to 1 h')
      .prefault('5 s')
      .meta({ description: 'how often the load of every Orthanc is read' }),
    downAfter: number(z.int().min(1).max(100))
      .prefault(2)
      .meta({ description: 'silent polls in a row that mean "down", 1 to 100' }),
    keepRaw: kept().prefault('24 h').meta({ description: 'how long every sample is kept' }),
    keepMinutes: kept()
      .prefault('30 d')
      .meta({ description: 'how long one figure a minute is kept; not shorter than `keepRaw`' }),
    keepHours: kept()
      .prefault('365 d')
      .meta({ description: 'how long one figure an hour is kept; not shorter than `keepMinutes`' }),
  })
  .refine((all) => all.keepRaw <= all.keepMinutes && all.keepMinutes <= all.keepHours, {
    error: 'must keep coarse figures at least as long as fine ones: keepRaw ≤ keepMinutes ≤ keepHours',
  });

export const topologySchema = z.strictObject({
  service: service.prefault({}).meta({ description: 'the service' }),
  fronts: z.array(front).min(1).meta({
    description: 'Orthancs that receive and forward; no two Orthancs have the same name or address',
  }),
  backends: z
    .array(backend)
    .min(1)
    .meta({ description: 'Orthancs that keep studies; no two Orthancs have the same name or address' }),
  routing: routing.prefault({}).meta({ description: 'how studies are spread and sent' }),
  history: history
    .prefault({})
    .meta({ description: 'load and health: how often they are read, how long kept' }),
});

/** The document after zod: units are numbers, defaults are in; passwords are still where to find them. */
export type TopologyDocument = z.output<typeof topologySchema>;
export type PasswordSource = TopologyDocument['fronts'][number]['password'];

/** `a`, `b` or `c`, each as it is typed. */
function listed(names: readonly string[]): string {
  const quoted = names.map((one) => `\`${one}\``);
  return `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1) ?? ''}`;
}
