import type { Contender, Rig } from './contender.ts';
import { startBackend, startFront, stopAll } from './orthancs.ts';

/** The autorouting idiom of Orthanc's manual, taking turns. It deletes an image whose sending has failed as well. */
const manual = `
local peers = { 'orthanc1', 'orthanc2' }
local count = 0
function OnStoredInstance(instanceId, tags, metadata, origin)
  count = count + 1
  Delete(SendToPeer(instanceId, peers[count % 2 + 1]))
end
`;

/** What a careful administrator writes instead: a job for each image that Lua does not wait for, and deletes the image when it has succeeded. */
const jobs = `
local peers = { 'orthanc1', 'orthanc2' }
local count = 0
local sending = {}
function OnStoredInstance(instanceId, tags, metadata, origin)
  count = count + 1
  local answer = RestApiPost('/peers/' .. peers[count % 2 + 1] .. '/store',
                             DumpJson({ Resources = { instanceId }, Asynchronous = true }, true))
  sending[ParseJson(answer)['ID']] = instanceId
end
function OnJobSuccess(jobId)
  if sending[jobId] ~= nil then
    RestApiDelete('/instances/' .. sending[jobId])
    sending[jobId] = nil
  end
end
`;

export const stockLua: Contender = {
  name: 'stock-lua',
  letter: 'c',
  title: 'Lua of the manual: Delete(SendToPeer())',
  share: 1 / 4,
  warmUps: 1,
  keepsStudiesWhole: false,
  start: () => start(manual),
};

export const luaJobs: Contender = {
  name: 'lua-jobs',
  letter: 'd',
  title: 'Lua, one job an image, deleted on success',
  share: 1,
  warmUps: 1,
  keepsStudiesWhole: false,
  start: () => start(jobs),
};

async function start(script: string): Promise<Rig> {
  const backends = await Promise.all([startBackend('orthanc1'), startBackend('orthanc2')]);
  try {
    const front = await startFront(backends, script);
    return {
      dicomPort: front.dicomPort,
      backends,
      front,
      pids: { front: [front.pid], service: [], backends: backends.map(({ pid }) => pid) },
      provenAt: () => Promise.resolve(null),
      [Symbol.asyncDispose]: () => stopAll([front, ...backends]),
    };
  } catch (error) {
    await stopAll(backends);
    throw error;
  }
}
