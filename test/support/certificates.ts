import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface MadeCertificate {
  /** PEM files. */
  readonly certificate: string;
  readonly key: string;
}

/** For these names, such as `DNS:dde.example` or `IP:127.0.0.1`; signed by `ca`, or by itself. */
export async function makeCertificate(
  folder: string,
  name: string,
  names: readonly string[],
  ca?: MadeCertificate,
): Promise<MadeCertificate> {
  const made = { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  const what = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=${name}`;
  const extensions = [
    ...(names.length === 0 ? [] : [`subjectAltName=${names.join(',')}`]),
    ...(ca === undefined ? [] : ['basicConstraints=CA:FALSE']),
  ];
  await run('openssl', [
    ...what.split(' '),
    '-keyout',
    made.key,
    '-out',
    made.certificate,
    ...extensions.flatMap((extension) => ['-addext', extension]),
    ...(ca === undefined ? [] : ['-CA', ca.certificate, '-CAkey', ca.key]),
  ]);
  return made;
}
