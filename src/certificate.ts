import { realTimers, type Timers } from './backends/timers.ts';
import type { Logger } from './log.ts';
import { type Certificate, readCertificate } from './topology/certificate.ts';
import type { TlsConfig } from './topology/topology.ts';
import { stampOf } from './topology/watch.ts';

const everyMs = 1_000;
const dayMs = 86_400_000;
/** From so many days before its end on a day's log has a warning of it. */
const warnDays = 14;

/**
 * Hands over the certificate, and each one that takes its place in the files; what is wrong with a new one is said, and the former
 * stays. Whoever renews it need not tell the service. Returns the way to end it.
 *
 * The files are looked at every second, as the topology is. The two of them are never replaced at the same moment, so that a pair that
 * does not fit is nothing to complain of until it is the same at two looks.
 *
 * @throws Error when there is nothing that can be served to begin with
 */
export function followCertificate(
  tls: TlsConfig,
  use: (context: { readonly cert: string; readonly key: string }, expiresAt: Date) => void,
  log: Logger,
  timers: Timers = realTimers,
): () => void {
  const stamp = (): string => `${stampOf(tls.certificate)} ${stampOf(tls.key)}`;
  let known = stamp();
  let seen = known;
  const first = readCertificate(tls, new Date());
  if (!first.ok) {
    throw new Error(`TLS cannot be served: ${first.problems.map(({ message }) => message).join('; ')}`);
  }
  let current = first.certificate;
  take(current);
  warnOfEnd();

  function take(certificate: Certificate): void {
    use({ cert: certificate.pem, key: certificate.key }, certificate.expiresAt);
    current = certificate;
  }

  function look(): void {
    const now = stamp();
    const isSteady = now === seen;
    seen = now;
    if (!isSteady || now === known) return;
    known = now;
    const read = readCertificate(tls, new Date());
    if (read.ok) {
      take(read.certificate);
      log.info('renewed certificate taken over', { expires: current.expiresAt.toISOString() });
      warnOfEnd();
      return;
    }
    for (const { message } of read.problems) log.error(`${message}; the former certificate stays`);
  }

  function warnOfEnd(): void {
    const days = Math.floor((current.expiresAt.getTime() - Date.now()) / dayMs);
    if (days >= warnDays) return;
    log.warn('the certificate ends soon: renew it', { days, expires: current.expiresAt.toISOString() });
  }

  const stops = [timers.every(everyMs, look), timers.every(dayMs, warnOfEnd)];
  return () => {
    for (const stop of stops) stop();
  };
}
