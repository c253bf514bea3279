import { z } from 'zod';
import { madeByKey } from '../topology/peer.ts';
import { uploadStatuses } from './orthanc.ts';

/**
 * What an Orthanc answers, as far as it is used here. Everything else in an answer is let through: newer versions say more.
 * Checked against 1.10.1, 1.12.7 and 1.13.0.
 */
export const systemAnswer = z.object({
  Name: z.string(),
  Version: z.string(),
  DicomAet: z.string(),
  DicomPort: z.number(),
  // From 1.11 or 1.12 on.
  OverwriteInstances: z.boolean().optional(),
  IngestTranscoding: z.string().optional(),
  StorageCompression: z.boolean().optional(),
  DatabaseServerIdentifier: z.string().optional(),
});

export const statisticsAnswer = z.object({
  CountInstances: z.number().int().nonnegative(),
  // A string, since it may be larger than what JSON's readers take as an integer.
  TotalDiskSize: z.string().regex(/^\d+$/),
});

export const studyStatisticsAnswer = z.object({ CountInstances: z.number().int().nonnegative() });

export const idsAnswer = z.array(z.string());

const metadata = z.object({
  Origin: z.string().optional(),
  RemoteAET: z.string().optional(),
  CalledAET: z.string().optional(),
  RemoteIP: z.string().optional(),
  TransferSyntax: z.string().optional(),
});

export const instancesAnswer = z.array(
  z.object({
    ID: z.string(),
    ParentSeries: z.string(),
    FileSize: z.number().nonnegative(),
    MainDicomTags: z.object({ SOPInstanceUID: z.string() }),
    Metadata: metadata.optional(),
  }),
);

export const seriesAnswer = z.array(
  z.object({
    ID: z.string(),
    ParentStudy: z.string(),
    MainDicomTags: z.object({
      SeriesInstanceUID: z.string(),
      Modality: z.string().optional(),
      StationName: z.string().optional(),
    }),
  }),
);

export const studiesAnswer = z.array(
  z.object({
    ID: z.string(),
    MainDicomTags: z.object({ StudyInstanceUID: z.string() }),
    Series: z.array(z.string()),
  }),
);

/** Their children only. */
export const seriesChildrenAnswer = z.array(z.object({ ID: z.string(), Instances: z.array(z.string()) }));

export const lookupAnswer = z.array(z.object({ ID: z.string(), Type: z.string() }));

/** A synchronous peer-store job that ended well says how many failed; it is never permissive, so that is 0. */
export const storeAnswer = z.object({ FailedInstancesCount: z.literal(0) });

export const jobsAnswer = z.array(
  z.object({
    ID: z.string(),
    Type: z.string(),
    State: z.string(),
    Progress: z.number().optional(),
    Content: z
      .object({
        ParentResources: z.array(z.string()).optional(),
        // The peer's name is not kept with a job, only its address: the first of a list, or a field where the peer has more settings.
        Peer: z
          .union([
            z.tuple([z.string()], z.string()).transform(([url]) => url),
            z.object({ Url: z.string() }).transform(({ Url }) => Url),
          ])
          .optional()
          .catch(undefined),
      })
      .optional(),
  }),
);

/** Peers by name, from 1.9.3 on with their addresses. */
export const peersAnswer = z.record(z.string(), z.object({ Url: z.string() }));

/** Peers by name with all that is shown of them; passwords are not. */
export const peerSettingsAnswer = z.record(
  z.string(),
  z.object({
    Url: z.string(),
    Username: z.string().nullish(),
    [madeByKey]: z.string().optional().catch(undefined),
  }),
);

/** Of another Orthanc, as its front hears it. */
export const peerSystemAnswer = z.object({ Version: z.string() });

export const uploadAnswer = z.object({ ID: z.string(), Status: z.enum(uploadStatuses) });

/** Of an attachment; empty MD5s where `StoreMD5ForAttachments` is off. The same from 1.10.1 to 1.13.0. */
export const attachmentAnswer = z.object({
  Uuid: z.string().min(1).optional(),
  UncompressedSize: z.int().nonnegative(),
  UncompressedMD5: z.union([
    z.literal(''),
    z
      .string()
      .toLowerCase()
      .regex(/^[0-9a-f]{32}$/),
  ]),
});

/** Of `/tools/find` with attachments. */
export const filesAnswer = z.array(
  z.object({ ID: z.string(), Attachments: z.array(attachmentAnswer.extend({ ContentType: z.int() })) }),
);

/** Orthanc's own words about an error (unless `HttpDescribeErrors` is off, when there is no body at all). */
export const errorAnswer = z.object({
  OrthancStatus: z.number(),
  Message: z.string().optional(),
  Details: z.string().optional(),
});

/** Prometheus' text format, as Orthanc writes it: `name value timestamp`, without labels. */
export function parseMetrics(text: string): ReadonlyMap<string, number> {
  const metrics = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [name, value] = line.split(' ', 2);
    if (name === undefined || value === undefined || name.startsWith('#')) continue;
    const number = Number(value);
    if (Number.isFinite(number)) metrics.set(name, number);
  }
  return metrics;
}
