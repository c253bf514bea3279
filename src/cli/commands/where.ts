import type { Command } from 'commander';
import type { FormerCopyAnswer } from '../../admin/failover-schemas.ts';
import { type StudyAnswer, studyAnswer } from '../../admin/schemas.ts';
import { connectService, type ServiceClient, type ServiceOptions, withServiceOptions } from '../client.ts';
import { age, counted, folded, localTime, size } from '../format.ts';
import type { CliContext } from '../program.ts';
import { ServiceError } from '../service-error.ts';

/** The study, or null when the service has never seen it. */
export async function findStudy(service: ServiceClient, uid: string): Promise<StudyAnswer | null> {
  try {
    return await service.get(`/api/v1/studies/${encodeURIComponent(uid)}`, studyAnswer);
  } catch (error) {
    if (error instanceof ServiceError && error.status === 404) return null;
    throw error;
  }
}

/** Says that a study is unknown, and makes the command end with 1. */
export function unknownStudy(context: CliContext, uid: string): void {
  context.out.note(`No front has received a study ${uid}. "dde studies" lists those that were.`);
  context.exitWith(1);
}

export function registerWhere(program: Command, context: CliContext): void {
  withServiceOptions(program.command('where <study>'))
    .summary('where a study is')
    .description('where a study is, by its StudyInstanceUID; exit code 1 when it is unknown')
    .addHelpText(
      'after',
      '\nExamples:\n  dde where 1.2.840.113619.2.1\n  dde where 1.2.840.113619.2.1 --json',
    )
    .action(async (uid: string, options: ServiceOptions) => {
      const study = await findStudy(connectService(context, options), uid);
      if (study === null) {
        unknownStudy(context, uid);
        return;
      }
      if (options.json === true) context.out.json(study);
      else for (const [name, value] of facts(study)) context.out.line(fact(name, value, context.out.width));
    });
}

const nameWidth = 10;

/** What does not fit beside its name goes on below its own beginning; an address stays whole, to be clicked on. */
function fact(name: string, value: string, width: number): string {
  const lines = folded(value, width - nameWidth).split('\n');
  return lines.map((line, index) => (index === 0 ? name : '').padEnd(nameWidth) + line.trim()).join('\n');
}

function facts(study: StudyAnswer): (readonly [string, string])[] {
  const { received, verified, removed, quarantined, vanished, discarded } = study.instances;
  const counts = [
    `${counted(received, 'image')} received`,
    `${verified} verified`,
    `${removed} removed from the front`,
    quarantined > 0 ? `${quarantined} in quarantine` : null,
    vanished > 0 ? `${vanished} deleted on the front by somebody` : null,
    discarded > 0 ? `${discarded} given up by a person` : null,
  ].filter((part) => part !== null);
  return [
    ['study', study.studyInstanceUID],
    ['state', study.state],
    ...(study.waiting === null ? [] : [['waiting', study.waiting] as const]),
    ['backend', study.backend === null ? 'not placed yet' : `${study.backend} (epoch ${study.epoch})`],
    ...study.formerCopies.map((former) => ['left on', formerOf(former)] as const),
    ['images', `${counts.join(', ')}; ${size(study.bytes)}`],
    [
      'from',
      [study.modality, study.station, study.remoteAet].filter((part) => part !== null).join(', ') ||
        'unknown',
    ],
    ['received', `${localTime(study.firstSeenAt)}, last news ${localTime(study.lastNewsAt)}`],
    ...(study.explorer === null ? [] : [['explorer', study.explorer] as const]),
  ];
}

/** `orthanc1 for 3 min: moving`; the reason where it waits. */
export function formerOf({ backend, since, state, reason }: FormerCopyAnswer): string {
  return `${backend} for ${age(since, Date.now())}: ${state}${reason === null ? '' : `, ${reason}`}`;
}
