import { open } from 'node:fs/promises';
import dcmjs from 'dcmjs';

// dcmjs reports on the console what it finds odd; the table at the end is the place for that.
dcmjs.log.setLevel('silent');
dcmjs.log.getLogger('validation.dcmjs').setLevel('silent');

/** The study's UID stands near the beginning; a file whose first part is longer than this is sent without knowing its study. */
const headerBytes = 256 * 1024;
/** Named in the file's first hundreds of bytes. */
const deflated = '1.2.840.10008.1.2.1.99';
const dicomdir = '1.2.840.10008.1.3.10';

export interface Header {
  /** Null: the header cannot be read, or names no study. */
  readonly studyUid: string | null;
  readonly dicomdir: boolean;
}

/**
 * What the command has to know of a file before it is sent. A header that cannot be parsed is no mistake here: the front
 * decides what it takes, and its words are shown.
 *
 * @throws a Node system error when the file cannot be read
 */
export async function readHeader(path: string): Promise<Header> {
  const file = await open(path);
  try {
    const buffer = new ArrayBuffer(headerBytes);
    const { bytesRead } = await file.read(new Uint8Array(buffer), 0, headerBytes, 0);
    return parse(buffer.slice(0, bytesRead));
  } finally {
    await file.close();
  }
}

function parse(buffer: ArrayBuffer): Header {
  // dcmjs inflates such a file whole, and a small one may hold gigabytes of zeros. It is sent without knowing its study.
  if (Buffer.from(buffer, 0, Math.min(buffer.byteLength, 1024)).includes(deflated)) {
    return { studyUid: null, dicomdir: false };
  }
  try {
    const { meta, dict } = dcmjs.data.DicomMessage.readFile(buffer, {
      untilTag: '0020000E',
      stopOnGreaterTag: true,
    });
    return {
      studyUid: text(dict['0020000D']?.Value?.[0]),
      dicomdir: text(meta['00020002']?.Value?.[0]) === dicomdir,
    };
  } catch {
    // Whatever dcmjs throws at garbage: the front has the last word on it.
    return { studyUid: null, dicomdir: false };
  }
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value.replaceAll('\0', '').trim() : null;
}
