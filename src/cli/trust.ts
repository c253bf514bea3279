import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { checkServerIdentity, getCACertificates } from 'node:tls';
import type { TlsConfig } from '../topology/topology.ts';
import { systemCode } from '../user-error.ts';

/**
 * By what the service's certificate is known: by the authorities of Node and NODE_EXTRA_CA_CERTS, by that of the topology, and by being
 * the very one that the topology names. The last makes `dde` work on the service's own machine, which it asks by a loopback address
 * that stands in no certificate.
 *
 * Undefined: without TLS in the topology Node's own way is the right one.
 */
export function agentFor(tls: TlsConfig | undefined): Agent | undefined {
  if (tls === undefined) return undefined;
  const own = textOf(tls.certificate);
  const authority = tls.ca === undefined ? null : textOf(tls.ca);
  const print = own === null ? null : fingerprint(own);
  return new Agent({
    ca: [...getCACertificates('default'), ...[own, authority].filter((pem) => pem !== null)],
    // Otherwise only a certificate that has signed itself could be trusted by itself.
    allowPartialTrustChain: true,
    checkServerIdentity: (host, certificate) =>
      print !== null && certificate.fingerprint256 === print
        ? undefined
        : checkServerIdentity(host, certificate),
  });
}

/** Null: it is not there or not for this user, as on a machine that only asks. */
function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (systemCode(error) === null) throw error;
    return null;
  }
}

function fingerprint(pem: string): string | null {
  try {
    return new X509Certificate(pem).fingerprint256;
  } catch {
    // What is wrong with the file the service says when it is started with it.
    return null;
  }
}

/** What Node says of a certificate that it does not trust. */
export function isUntrusted(code: string | undefined): boolean {
  return code !== undefined && /CERT|SELF_SIGNED|LEAF_SIGNATURE/.test(code);
}
