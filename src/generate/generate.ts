import { readFileSync } from 'node:fs';
import type { Topology } from '../topology/topology.ts';
import { composeEnv } from './compose-env.ts';
import { backendJson, frontJson, type OrthancJson } from './orthanc-json.ts';
import type { GeneratedFiles } from './write.ts';

export { type GeneratedFiles, staleFiles, writeGenerated } from './write.ts';

export const hookScript = 'lua/on-stored-instance.lua';
export const composeEnvFile = 'orthanc-config/compose.env';

/** The configuration of an Orthanc the farm runs. */
export function orthancConfigFile(name: string): string {
  return `orthanc-config/${name}.json`;
}

/** In this order they make one script: what is local in one is seen by those after it. */
const luaParts = ['common', 'free-space', 'announce', 'admission', 'identifier', 'duplicates', 'filter'].map(
  (part) => readFileSync(new URL(`./lua/${part}.lua`, import.meta.url), 'utf8'),
);

/**
 * Everything that follows from the topology: a configuration for each Orthanc with `run`, the Lua script that all fronts
 * share, the environment of compose. The same topology gives the same bytes, and no password is in them (of a password's
 * default in the topology file, which is no secret, they make the same default).
 *
 * Give it a topology that was loaded with the purpose `generate`, or the environment of this moment ends up in the files.
 */
export function generateFiles(topology: Topology): GeneratedFiles {
  const files = new Map<string, string>();
  for (const front of topology.fronts) {
    if (front.run !== null)
      files.set(orthancConfigFile(front.name), json(frontJson(topology, front, front.run)));
  }
  for (const backend of topology.backends) {
    if (backend.run !== null)
      files.set(orthancConfigFile(backend.name), json(backendJson(backend, backend.run)));
  }
  files.set(hookScript, hook(topology));
  files.set(composeEnvFile, composeEnv(topology));
  return files;
}

function json(content: OrthancJson): string {
  return `${JSON.stringify(content, null, 2)}\n`;
}

function hook({ service, routing }: Topology): string {
  const { minFreeBytes, resume } = routing.admission;
  const values: Readonly<Record<string, string>> = {
    SERVICE_URL: service.url.replace(/[\\']/g, (character) => `\\${character}`),
    MIN_FREE_BYTES: minFreeBytes === null ? 'nil' : String(minFreeBytes),
    RESUME: String(resume),
    SETTLE_SECONDS: String(Math.ceil(routing.settleMs / 1000)),
  };
  return [
    '-- Made by "dde generate" from orthanc-config/topology.yaml and src/generate/lua: edit those, not this one.',
    '',
    luaParts
      .join('\n')
      .replaceAll(/@([A-Z_]+)@/g, (placeholder, name: string) => values[name] ?? placeholder),
  ].join('\n');
}
