import type { RequestHandler } from 'express';
import { LedgerError } from '../ledger/ledger.ts';
import { OrthancError } from '../orthanc/orthanc.ts';
import type { AdminDeps } from './deps.ts';

/** A probe that takes longer than this is as good as none: orchestrators give up after a few seconds. */
const askMs = 1_500;
/** Anybody may ask for readiness; the fronts are asked at most this often for it. */
const rememberMs = 1_000;

/** The process lives and its event loop turns. Nothing else: a restart mends nothing that is wrong elsewhere. */
export function livez(deps: Pick<AdminDeps, 'version' | 'startedAt' | 'clock'>): RequestHandler {
  return (_request, response) => {
    response.set('Cache-Control', 'no-store').json({
      alive: true,
      version: deps.version,
      uptimeSeconds: Math.max(0, Math.round((deps.clock() - deps.startedAt) / 1000)),
    });
  };
}

/** What a person should know although images are routed; null: nothing. */
export function noticeOf({
  ledgerNotice,
  twinsNotice,
}: Pick<AdminDeps, 'ledgerNotice' | 'twinsNotice'>): string | null {
  const sentences = [ledgerNotice ?? null, twinsNotice?.() ?? null].filter((one) => one !== null);
  return sentences.length === 0 ? null : sentences.join(' ');
}

/** Images can be routed: the ledger answers, and at least one front does. Says what is missing. */
export function readyz(
  deps: Pick<AdminDeps, 'ledger' | 'fronts' | 'frontHealth' | 'version' | 'ledgerNotice' | 'twinsNotice'>,
): RequestHandler {
  let asked: { readonly at: number; readonly silent: Promise<readonly string[]> } | null = null;

  function silentFronts(): Promise<readonly string[]> {
    const known = deps.frontHealth?.();
    if (known !== undefined) {
      return Promise.resolve(
        [...deps.fronts.keys()]
          .filter((name) => known.get(name)?.health !== 'up')
          .map((name) => `${name}: ${known.get(name)?.reason ?? 'no answer yet'}`),
      );
    }
    // Real time on purpose: it limits requests, and says nothing about studies.
    if (asked === null || performance.now() - asked.at > rememberMs) {
      asked = { at: performance.now(), silent: askFronts(deps.fronts) };
    }
    return asked.silent;
  }

  return async (_request, response) => {
    const missing = [...ledgerMissing(deps)];
    const silent = await silentFronts();
    if (silent.length === deps.fronts.size) missing.push(`no front answers (${silent.join('; ')})`);
    const ready = missing.length === 0;
    response
      .status(ready ? 200 : 503)
      .set('Cache-Control', 'no-store')
      .json({ ready, missing, notice: noticeOf(deps), version: deps.version });
  };
}

function ledgerMissing({ ledger }: Pick<AdminDeps, 'ledger'>): readonly string[] {
  try {
    ledger.backendSettings();
    return [];
  } catch (error) {
    if (error instanceof LedgerError) return [`the ledger does not answer (${error.code})`];
    throw error;
  }
}

async function askFronts(fronts: AdminDeps['fronts']): Promise<readonly string[]> {
  const answers = await Promise.all(
    [...fronts.values()].map(async (front) => {
      try {
        await front.system({ timeoutMs: askMs });
        return null;
      } catch (error) {
        return `${front.name}: ${error instanceof OrthancError ? error.code : 'asking it failed'}`;
      }
    }),
  );
  return answers.filter((answer) => answer !== null);
}
