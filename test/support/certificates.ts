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
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-keyout', made.key, '-out', made.certificate, '-days', '30', '-subj', `/CN=${name}`],
    ...(names.length === 0 ? [] : ['-addext', `subjectAltName=${names.join(',')}`]),
    ...(ca === undefined
      ? []
      : ['-CA', ca.certificate, '-CAkey', ca.key, '-addext', 'basicConstraints=CA:FALSE']),
  ]);
  return made;
}
