import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { type OrthancProcess, startOrthanc } from '../../../test/support/orthanc-process.ts';

const committed = resolve(import.meta.dirname, '../../../orthanc-config');
/**
 * As this project's own farm has it, whoever sends: tests switch syncing off, and it is a good part of what storing costs. Long PDUs are a
 * setting of this project's fronts: who sends straight to a backend has them as well, so that they do not make the difference.
 */
export const durable = { SyncStorageArea: true, StableAge: 60, MaximumPduLength: 131_072 };
const password = 'orthanc';

/** A backend with the configuration this project makes for one. */
export async function startBackend(name: string): Promise<OrthancProcess> {
  return await startOrthanc({
    name,
    configFiles: [`${committed}/orthanc1.json`],
    config: { ...durable, Name: name },
  });
}

/** A front with the settings of this project's own, and another script. */
export async function startFront(
  backends: readonly OrthancProcess[],
  luaScript: string,
): Promise<OrthancProcess> {
  const { LuaScripts: _, ...ours } = z
    .record(z.string(), z.unknown())
    .parse(JSON.parse(readFileSync(`${committed}/front.json`, 'utf8')));
  return await startOrthanc({
    name: 'front',
    config: {
      ...ours,
      ...durable,
      OrthancPeers: Object.fromEntries(
        backends.map(({ name, url, username, password: secret }) => [
          name,
          { Url: url, Username: username, Password: secret, Timeout: 1060 },
        ]),
      ),
    },
    luaScript,
    env: { DDE_FRONT_PASSWORD: password },
  });
}

/** Stops them all, the last one first, whatever becomes of one of them. */
export async function stopAll(orthancs: readonly OrthancProcess[]): Promise<void> {
  await Promise.all(orthancs.map((orthanc) => orthanc.stop()));
}
