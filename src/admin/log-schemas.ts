import { z } from 'zod';
import { logLevels } from '../log-levels.ts';

const level = z.enum(logLevels).meta({
  description:
    'error: what failed; warn: also what may need a person; info: also what happens to each study; debug: also each transfer and removal',
});

export const logLevelBody = z.strictObject({ level });
export const logLevelAnswer = z.object({ level });
