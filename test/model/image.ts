import { createHash } from 'node:crypto';

/** One instance as it stands on a simulated Orthanc. Its content says whose it is, as a DICOM file does. */
export interface Image {
  readonly id: string;
  readonly studyUid: string;
  readonly sopUid: string;
  readonly content: string;
  readonly md5: string;
}

export function studyUidOf(study: number): string {
  return `1.2.${study + 1}`;
}

/** Instance `number` of study `study`; another `version` is other content under the same identifiers. */
export function image(study: number, number: number, version: number): Image {
  const studyUid = studyUidOf(study);
  return ofContent(`${studyUid}|${studyUid}.1.${number + 1}|v${version}`);
}

export function ofContent(content: string): Image {
  const [studyUid = '', sopUid = ''] = content.split('|');
  const hash = createHash('sha1').update(`${studyUid}|${sopUid}`).digest('hex');
  return {
    id: hash.replace(/(.{8})(?=.)/g, '$1-'),
    studyUid,
    sopUid,
    content,
    md5: createHash('md5').update(content).digest('hex'),
  };
}

/** As it arrives when a bit of its pixels was flipped on the way: the same identifiers, other content. */
export function damaged(one: Image): Image {
  return ofContent(`${one.content}#`);
}

/** As a full disk keeps it: recorded as it was received, and without its end. */
export function cutOff(one: Image): Image {
  return { ...one, content: one.content.slice(0, -1) };
}

/** Whether what is on the disk is what was recorded. */
export function isWhole({ content, md5 }: Image): boolean {
  return createHash('md5').update(content).digest('hex') === md5;
}
