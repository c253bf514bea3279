import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface SendOptions {
  readonly port: number;
  readonly host?: string;
  readonly calledAet?: string;
  readonly callingAet?: string;
  /** Associations at the same time, over which the files are dealt out in turn; default 1. */
  readonly associations?: number;
  /** The sender is killed after this time; files without an answer count as not acknowledged. Default 120,000 ms. */
  readonly timeoutMs?: number;
  /** Called as soon as the answer to a file is known. */
  readonly onAnswer?: (answer: SendAnswer) => void;
}

/** What a modality was told about one file. Only `acknowledged` obliges the receiver to keep it. */
export interface SendAnswer {
  readonly file: string;
  readonly acknowledged: boolean;
  /** DIMSE status such as `0x0000` or `0xa700`; null when there was no answer. */
  readonly status: string | null;
  /** DCMTK's words. */
  readonly detail: string;
}

/**
 * C-STOREs the files with DCMTK's dcmsend, which proposes the transfer syntaxes the files have, and resolves with one answer
 * per file in the order given. A refused file does not stop the others; a broken connection is not an error but
 * files that were not acknowledged.
 */
export async function sendDicom(files: readonly string[], options: SendOptions): Promise<SendAnswer[]> {
  const share = Math.max(1, Math.min(options.associations ?? 1, files.length));
  const parts = Array.from({ length: share }, (_, part) =>
    files.filter((_file, index) => index % share === part),
  );
  const answers = new Map<string, SendAnswer>();
  await Promise.all(parts.map((part) => sendPart(part, options, answers)));
  return files.map(
    (file) => answers.get(file) ?? { file, acknowledged: false, status: null, detail: 'no answer' },
  );
}

/** All files acknowledged, or an error that names the first that was not. */
export async function sendAllDicom(files: readonly string[], options: SendOptions): Promise<void> {
  const failed = (await sendDicom(files, options)).find((answer) => !answer.acknowledged);
  if (failed !== undefined)
    throw new Error(`${failed.file} was not acknowledged: ${failed.status} ${failed.detail}`);
}

async function sendPart(
  files: readonly string[],
  {
    host = '127.0.0.1',
    port,
    calledAet = 'ANY',
    callingAet = 'MODALITY',
    timeoutMs = 120_000,
    onAnswer,
  }: SendOptions,
  answers: Map<string, SendAnswer>,
): Promise<void> {
  if (files.length === 0) return;
  const child = spawn(
    'dcmsend',
    // Debug, because only then the file names stand between the answers; the report at the end would not survive a time-out.
    [
      '-ll',
      'debug',
      '--no-halt',
      '-to',
      '10',
      '-aet',
      callingAet,
      '-aec',
      calledAet,
      host,
      String(port),
      ...files,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TCP_NODELAY: '1' } },
  );
  const exited = once(child, 'exit');
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  const dieWithUs = () => child.kill('SIGKILL');
  process.once('exit', dieWithUs);
  let file: string | null = null;
  const answer = (status: string | null, detail: string) => {
    if (file === null) return;
    const told: SendAnswer = { file, acknowledged: status !== null && isStored(status), status, detail };
    answers.set(file, told);
    file = null;
    onAnswer?.(told);
  };
  const read = (line: string) => {
    const sending = /^D: sending SOP instance from file: (.*)$/.exec(line)?.[1];
    if (sending !== undefined) {
      answer(null, 'no answer');
      file = sending;
      return;
    }
    const bad = /^W: bad DICOM file: (.*?): (.*)$/.exec(line);
    if (bad?.[1] !== undefined && bad[2] !== undefined) {
      answers.set(bad[1], { file: bad[1], acknowledged: false, status: null, detail: bad[2] });
      return;
    }
    const status = /^D: DIMSE Status +: (0x[0-9a-f]{4})(.*)$/.exec(line);
    if (status?.[1] !== undefined) answer(status[1], (status[2] ?? '').replace(/^: /, ''));
    else if (line.startsWith('E: ')) answer(null, line.slice(3));
  };
  try {
    await Promise.all([
      exited,
      ...[child.stdout, child.stderr].map(async (stream) => {
        for await (const line of createInterface({ input: stream })) read(line);
      }),
    ]);
  } finally {
    clearTimeout(timer);
    process.off('exit', dieWithUs);
  }
}

/** Success, or one of the warnings after which the receiver has the instance as well. */
function isStored(status: string): boolean {
  return status === '0x0000' || status.startsWith('0xb');
}
