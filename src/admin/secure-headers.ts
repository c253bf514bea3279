import type { RequestHandler } from 'express';
import helmet from 'helmet';
import type { Topology } from '../topology/topology.ts';
import { hostnameOf } from './guard.ts';

/**
 * Nothing from elsewhere, nothing inline, no framing; over TLS, that browsers come by TLS from now on. That last one a browser holds
 * against every port of the host, so it is left out where an Orthanc's own pages are reached there without TLS.
 */
export function secureHeaders({ fronts, backends }: Topology): RequestHandler {
  const plainHosts = new Set(
    [...fronts, ...backends]
      .map(({ publicUrl }) => new URL(publicUrl))
      .filter(({ protocol }) => protocol === 'http:')
      .map(({ host }) => hostnameOf(host)),
  );
  const common = {
    referrerPolicy: { policy: 'no-referrer' },
    xFrameOptions: { action: 'deny' },
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        fontSrc: ["'self'"],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
  } as const;
  const plain = helmet({ ...common, strictTransportSecurity: false });
  const strict = helmet({
    ...common,
    strictTransportSecurity: { maxAge: 180 * 86_400, includeSubDomains: false },
  });
  return (request, response, next) => {
    const host = hostnameOf(request.headers.host ?? '');
    const headers = request.secure && !plainHosts.has(host) ? strict : plain;
    headers(request, response, next);
  };
}
