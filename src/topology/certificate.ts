import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { cannotRead } from './problems.ts';
import type { TlsConfig } from './topology.ts';

/** A certificate that can be served: read, and checked against its key and the time. */
export interface Certificate {
  /** As they stand in the files, PEM; the certificate with those it was signed by, if they are there. */
  readonly pem: string;
  readonly key: string;
  readonly expiresAt: Date;
}

/** What is wrong with which of the files, as the end of a sentence that begins with its key in the topology. */
export interface CertificateProblem {
  readonly key: keyof TlsConfig;
  readonly message: string;
}

/** Reads the files. Never throws: everything that is wrong with them is in `problems`. */
export function readCertificate(
  tls: TlsConfig,
  now: Date,
):
  | { readonly ok: true; readonly certificate: Certificate }
  | { readonly ok: false; readonly problems: readonly CertificateProblem[] } {
  const problems: CertificateProblem[] = [];
  const attempt = <T>(key: keyof TlsConfig, what: string, step: () => T): T | null => {
    try {
      return step();
    } catch (error) {
      problems.push({ key, message: `the file ${tls[key]} ${what === '' ? cannotRead(error) : what}` });
      return null;
    }
  };
  const text = (key: keyof TlsConfig, file: string) => attempt(key, '', () => readFileSync(file, 'utf8'));

  const pem = text('certificate', tls.certificate);
  const keyPem = text('key', tls.key);
  const ca = tls.ca === undefined ? null : text('ca', tls.ca);
  const noCertificate = 'holds no certificate: it must be PEM, beginning with -----BEGIN CERTIFICATE-----';
  const leaf = pem === null ? null : attempt('certificate', noCertificate, () => new X509Certificate(pem));
  if (ca !== null) attempt('ca', noCertificate, () => new X509Certificate(ca));
  const key =
    keyPem === null
      ? null
      : attempt('key', 'holds no private key: it must be PEM, without a passphrase', () =>
          createPrivateKey(keyPem),
        );
  if (leaf !== null) {
    const complain = (message: string) =>
      problems.push({ key: 'certificate', message: `the certificate in ${tls.certificate} ${message}` });
    if (leaf.validToDate <= now) complain(`expired on ${day(leaf.validToDate)}: put a renewed one there`);
    if (leaf.validFromDate > now) complain(`is not valid before ${day(leaf.validFromDate)}`);
    if (key !== null && !leaf.checkPrivateKey(key)) {
      problems.push({
        key: 'key',
        message: `the key in ${tls.key} does not fit the certificate in ${tls.certificate}: they must have been made together`,
      });
    }
  }
  if (pem === null || keyPem === null || leaf === null || problems.length > 0) return { ok: false, problems };
  return { ok: true, certificate: { pem, key: keyPem, expiresAt: leaf.validToDate } };
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}
