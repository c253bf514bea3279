import { z } from 'zod';

/** What one modality is told to do over one association. */
export const jobSchema = z.object({
  port: z.number(),
  files: z.array(z.string()).min(1),
  callingAet: z.string(),
  noDelay: z.boolean(),
  /** Milliseconds from the beginning of one image to that of the next; null: each as soon as the one before is acknowledged. */
  paceMs: z.number().nullable(),
  /** Milliseconds before the first image. */
  offsetMs: z.number(),
});
export type Job = z.infer<typeof jobSchema>;

/** What that modality saw, milliseconds. */
export const seenSchema = z.object({
  /** From the beginning of the connection to the acceptance of the association. */
  associateMs: z.number(),
  /** Of each image, from its first byte to its acknowledgement. */
  storeMs: z.array(z.number()),
  releaseMs: z.number(),
  /** From the first byte of the first image to the acknowledgement of the last. */
  seconds: z.number(),
});
export type Seen = z.infer<typeof seenSchema>;
