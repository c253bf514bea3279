import { signal } from '@preact/signals';
import { ApiProblem, api, asProblem } from '../lib/api.ts';
import { type FoundFile, studyOf } from './files.ts';

export interface Refused {
  readonly name: string;
  readonly why: string;
}

export interface Sending {
  readonly running: boolean;
  readonly files: number;
  readonly bytes: number;
  readonly sentFiles: number;
  readonly sentBytes: number;
  /** Of the sent ones: the front had them already. */
  readonly already: number;
  readonly refused: readonly Refused[];
  /** StudyInstanceUID → images sent now. */
  readonly studies: ReadonlyMap<string, number>;
}

const nothing: Sending = {
  running: false,
  files: 0,
  bytes: 0,
  sentFiles: 0,
  sentBytes: 0,
  already: 0,
  refused: [],
  studies: new Map(),
};

/** It goes on while one looks at other screens. */
export const sending = signal<Sending>(nothing);

/** As a modality with a few associations would. */
const atOnce = 4;
const queue: FoundFile[] = [];
let workers = 0;
let stopped = false;

export function addFiles(files: readonly FoundFile[]): void {
  if (files.length === 0) return;
  stopped = false;
  const before = sending.value.running ? sending.value : nothing;
  queue.push(...files);
  sending.value = {
    ...before,
    running: true,
    files: before.files + files.length,
    bytes: before.bytes + files.reduce((sum, { file }) => sum + file.size, 0),
  };
  while (workers < Math.min(atOnce, queue.length)) {
    workers++;
    void work();
  }
}

/** What is under way is finished; the rest is not sent. */
export function stopSending(): void {
  stopped = true;
  const left = queue.splice(0);
  for (const { path } of left) refuse(path, 'not sent: you stopped it');
}

async function work(): Promise<void> {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) await send(next);
  workers--;
  if (workers === 0) sending.value = { ...sending.value, running: false };
}

async function send({ file, path }: FoundFile): Promise<void> {
  try {
    const study = await studyOf(file);
    const status = await upload(file);
    const { value } = sending;
    const studies = new Map(value.studies);
    if (study !== null) studies.set(study, (studies.get(study) ?? 0) + 1);
    sending.value = {
      ...value,
      sentFiles: value.sentFiles + 1,
      sentBytes: value.sentBytes + file.size,
      already: value.already + (status === 'AlreadyStored' ? 1 : 0),
      studies,
    };
  } catch (error) {
    const { title, message } = asProblem(error);
    refuse(path, message === '' ? title : `${title}: ${message}`);
  }
}

/** A front that cannot take it just now is asked again, as a modality would. */
async function upload(file: File): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      const body = new Blob([file], { type: 'application/dicom' });
      return (await api<{ status: string }>('POST', '/instances', body, { timeoutMs: 600_000 })).status;
    } catch (error) {
      const isPassing = error instanceof ApiProblem && (error.status === 503 || error.status === 0);
      if (!isPassing || stopped || attempt >= 5) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000 * attempt));
    }
  }
}

function refuse(name: string, why: string): void {
  const { value } = sending;
  sending.value = { ...value, refused: [...value.refused, { name, why }] };
}
