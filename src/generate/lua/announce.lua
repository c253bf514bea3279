-- Announcing: OnStoredInstance runs on one thread, one instance after another, while holding what every request to this
-- Orthanc needs.

local announcing = channel('/hook/stored', 'announcements',
                           'Reception goes on; the service finds these instances by itself later.', 1, 10)
-- The figure is for people to look at, so it need not be fresh.
local freeSpaceEvery = 10

local function announcement(instanceId, tags, metadata, origin)
  local freeBytes = freeSpace(freeSpaceEvery)
  return {
    front = frontName,
    instance = instanceId,
    study = text(tags['StudyInstanceUID']),
    series = text(tags['SeriesInstanceUID']),
    sop = text(tags['SOPInstanceUID']),
    modality = short(tags['Modality']),
    station = short(tags['StationName']),
    remoteAet = short(origin['RemoteAet']) or short(metadata['RemoteAET']),
    calledAet = short(origin['CalledAet']) or short(metadata['CalledAET']),
    remoteIp = short(origin['RemoteIp']) or short(metadata['RemoteIP']),
    origin = short(origin['RequestOrigin']),
    transferSyntax = short(metadata['TransferSyntax']),
    rows = short(tags['Rows']),
    columns = short(tags['Columns']),
    bitsAllocated = short(tags['BitsAllocated']),
    samplesPerPixel = short(tags['SamplesPerPixel']),
    frames = short(tags['NumberOfFrames']),
    freeBytes = freeBytes,
    -- Announcements may be late: the service must not take this for newer than what it heard from the filter.
    freeAt = freeBytes and space.readAt
  }
end

-- An instance without these cannot be announced; one that is announced and refused would look like an outage.
local function identified(tags)
  for _, key in ipairs({ 'StudyInstanceUID', 'SeriesInstanceUID', 'SOPInstanceUID' }) do
    local value = text(tags[key])
    if value == nil or #value > 128 then return false end
  end
  return true
end

function OnStoredInstance(instanceId, tags, metadata, origin)
  if not identified(tags or {}) or announcing.pauses() then return end
  announcing.tell(function () return announcement(instanceId, tags, metadata or {}, origin or {}) end, instanceId)
end
