-- Made by "dde generate" from orthanc-config/topology.yaml and src/generate/lua: edit those, not this one.

-- Tells the decision service about each instance this front has stored, and keeps the front from acknowledging what it may
-- not be able to keep.
--
-- What is told is a courtesy, not the truth: what was not announced is found on the front by the service itself. So nothing
-- in here may fail, or hold up reception for long. An error in this script lets the image in.
--
-- Environment: DDE_SERVICE_URL, DDE_HOOK_TOKEN, DDE_ADMISSION (a file the service writes; see below).
--
-- Orthanc loads this script into two Lua contexts that share nothing: one for ReceivedInstanceFilter, one for the rest.

-- A variable that is empty counts as not set: that is how compose files hand over what nobody gave them.
local function environment(name, default)
  local value = os.getenv(name)
  if value == nil or value == '' then return default end
  return value
end

local serviceUrl = environment('DDE_SERVICE_URL', 'http://127.0.0.1:3000'):gsub('/+$', '')

local configuration = GetOrthancConfiguration()
local frontName = configuration['Name']

-- A password whose variable is not set is empty, and Orthanc would let everybody in. An error here keeps it from starting.
for user, password in pairs(configuration['RegisteredUsers'] or {}) do
  if password == '' then error('the password of "' .. user .. '" is empty: its environment variable is not set', 0) end
end

local headers = {
  ['Authorization'] = 'Bearer ' .. environment('DDE_HOOK_TOKEN', ''),
  ['Content-Type'] = 'application/json',
  -- Without it libcurl asks for "100 Continue" first and waits a second where nobody says it.
  ['Expect'] = ''
}

-- Text that exists and is not empty, or nil, which leaves the key out. UIDs are never cut: they are identities.
local function text(value)
  if type(value) == 'number' then value = tostring(value) end
  if type(value) ~= 'string' or value == '' then return nil end
  return value
end

-- The same for what is only shown or counted. A value against the standard may be megabytes; not through here.
local function short(value)
  value = text(value)
  if value == nil or #value <= 256 then return value end
  -- Not through the middle of a UTF-8 character.
  return (value:sub(1, 256):gsub('[\192-\255][\128-\191]*$', ''))
end

-- Nil when the service has taken the content, otherwise what happened instead. Neither the status nor an empty body tells
-- success on every version of Orthanc: only the service repeating the mark does.
local function post(path, content, mark)
  -- `true` keeps text that looks like a number text.
  local answer = HttpPost(serviceUrl .. path, DumpJson(content, true), headers)
  if answer == nil then return 'no answer' end
  if answer == '' then return 'an empty answer or an error' end
  local parsed, reply = pcall(ParseJson, answer)
  if not parsed or type(reply) ~= 'table' then return 'an answer that is not JSON' end
  if reply['received'] == mark then return nil end
  local said = reply['reason'] or reply['detail'] or reply['title']
  return 'an answer without the mark of success' .. (type(said) == 'string' and ' (' .. said:sub(1, 200) .. ')' or '')
end

-- A way to tell the service things. While the service is away every call may cost HttpTimeout, on a thread that others wait
-- for. So after a failure nothing is told for a while, twice as long each time, in seconds from `shortestPause` to
-- `longestPause`. `things` and `meanwhile` are for the log.
local function channel(path, things, meanwhile, shortestPause, longestPause)
  local outage = nil -- { reason, pause, retryAt, skipped }
  local self = {}

  -- Counts what is left out.
  function self.pauses()
    if outage == nil then return false end
    -- A clock that was set back must not silence the front: more than the longest pause ahead counts as over.
    local left = outage.retryAt - os.time()
    if left <= 0 or left > longestPause then return false end
    outage.skipped = outage.skipped + 1
    return true
  end

  -- `content` is a function, so that an error in it is handled like any other failure. Whether it was taken.
  function self.tell(content, mark)
    local ran, reason = pcall(function () return post(path, content(), mark) end)
    if not ran then reason = 'error in this script: ' .. tostring(reason) end
    if reason == nil then
      if outage ~= nil then
        print('dde: ' .. serviceUrl .. ' takes ' .. things .. ' again; ' .. outage.skipped .. ' were left out.')
      end
      outage = nil
      return true
    end
    if outage == nil or outage.reason ~= reason then
      print('dde: ' .. serviceUrl .. ' does not take ' .. things .. ': ' .. reason .. '. ' .. meanwhile)
    end
    local pause = outage and math.min(outage.pause * 2, longestPause) or shortestPause
    outage = { reason = reason, pause = pause, retryAt = os.time() + pause, skipped = (outage and outage.skipped or 0) + 1 }
    return false
  end

  return self
end

-- Free space of the disks this front writes to. Lua cannot ask for it itself, and Orthanc does not say, so `df` is run: 3 ms,
-- at most once a second.

local function quoted(path)
  return "'" .. path:gsub("'", "'\\''") .. "'"
end

-- A `df` that hangs on a dead network disk is ended after a second; then nothing could be stored there either.
local function freeSpaceCommand()
  local paths = {}
  for _, key in ipairs({ 'StorageDirectory', 'IndexDirectory' }) do
    if text(configuration[key]) ~= nil then paths[#paths + 1] = quoted(configuration[key]) end
  end
  return 'LC_ALL=C timeout 1 df -Pk ' .. table.concat(paths, ' ') .. ' 2>/dev/null'
end

-- The least of what the lines of `df -Pk` say is available, in bytes; nil when none says anything. The same form from
-- coreutils and busybox: device, blocks of 1024 bytes, used, available, used percent, where.
local function readFreeSpace(output)
  local least = nil
  for line in output:gmatch('[^\r\n]+') do
    local blocks = tonumber(line:match('%s%d+%s+%d+%s+(%-?%d+)%s+%d+%%%s'))
    if blocks ~= nil and (least == nil or blocks < least) then least = blocks end
  end
  return least ~= nil and math.max(0, least) * 1024 or nil
end

local space = { bytes = nil, readAt = 0, nextAt = 0, told = false }
-- After a failure: so long is the last figure still believed, and so long is nothing asked.
local figureHolds = 60
local retryAfter = 10

-- Bytes; nil when the figure cannot be had. Read anew when the last one is `every` seconds old; the second answer is whether
-- it was.
local function freeSpace(every)
  local now = os.time()
  if now < space.nextAt and space.nextAt - now <= figureHolds then
    return (space.bytes ~= nil and now - space.readAt <= figureHolds) and space.bytes or nil, false
  end
  local pipe = io.popen(freeSpaceCommand(), 'r')
  local bytes = nil
  if pipe ~= nil then
    bytes = readFreeSpace(pipe:read('*a') or '')
    pipe:close()
  end
  if bytes ~= nil then
    space = { bytes = bytes, readAt = now, nextAt = now + every, told = false }
    return bytes, true
  end
  if not space.told then
    print('dde: the free space of ' .. tostring(configuration['StorageDirectory']) ..
          ' cannot be read; images are taken as if there were enough.')
  end
  space.told = true
  space.nextAt = now + retryAfter
  return (space.bytes ~= nil and now - space.readAt <= figureHolds) and space.bytes or nil, false
end

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

-- Whether new images are taken at all: not while the service says that too much waits, and not while the disk is nearly full.

local minFree = 1000000000 -- nil: no limit
local resume = 0.8

local admissionFile = environment('DDE_ADMISSION', nil)

-- While too much waits, the service writes "closed <seconds since 1970 until which it holds> <reason>" into the file, anew
-- each second. A service that dies leaves a sign that runs out. No file, or one that says anything else: open. A sign that
-- holds for more than an hour is none: its writer or a clock is wrong.
local function closedByService()
  if admissionFile == nil then return nil end
  local file = io.open(admissionFile, 'r')
  if file == nil then return nil end
  local content = file:read(512)
  file:close()
  local untilText, reason = string.match(content or '', '^closed (%d+) ([^\r\n]*)')
  local left = (tonumber(untilText) or 0) - os.time()
  if left > 0 and left <= 3600 then return reason end
  return nil
end

local function whole(value, otherwise)
  if type(value) ~= 'string' or not value:match('^%s*%d+%s*$') or #value > 9 then return otherwise end
  return tonumber(value)
end

-- Bytes this image may need on the disk, from what it says of itself: never less than its pixels, more when compressed.
local function neededBytes(tags)
  local pixels = whole(tags['Rows'], 0) * whole(tags['Columns'], 0) * math.ceil(whole(tags['BitsAllocated'], 16) / 8) *
                 whole(tags['SamplesPerPixel'], 1) * whole(tags['NumberOfFrames'], 1)
  return 65536 + math.min(pixels, 1e12)
end

-- What was let in and may not be on the disk yet, so that it is not in the figure of `df`: { till, bytes }. A large image is
-- longer on its way. Without this, as many large images as there are associations could pass at the same moment.
local onTheWay = {}
local onTheWayBytes = 0

local function letIn(bytes)
  if minFree == nil then return end
  onTheWay[#onTheWay + 1] = { till = os.time() + 2 + math.ceil(bytes / 2e7), bytes = bytes }
  onTheWayBytes = onTheWayBytes + bytes
end

local function forgetArrived()
  local now = os.time()
  local still = {}
  onTheWayBytes = 0
  for _, image in ipairs(onTheWay) do
    -- More than an hour ahead: the clock was set back.
    if image.till > now and image.till - now < 3600 then
      still[#still + 1] = image
      onTheWayBytes = onTheWayBytes + image.bytes
    end
  end
  onTheWay = still
end

local diskFull = nil -- why the disk takes no more; nil: it does

local function megabytes(bytes)
  return string.format('%.0f MB', math.max(0, bytes) / 1e6)
end

-- Why the disk cannot take this image, or nil. Below the limit nothing is taken until there is distinctly more: without that
-- distance it would change with every image. What cannot be known keeps nobody out.
local function closedByDisk(bytes)
  if minFree == nil then return nil end
  local free, anew = freeSpace(1)
  if anew then forgetArrived() end
  if free == nil then
    diskFull = nil
    return nil
  end
  local room = free - onTheWayBytes
  if room < (diskFull and minFree / resume or minFree) then
    diskFull = megabytes(room) .. ' free on the disk of this front; the limit is ' .. megabytes(minFree) ..
               ', and images are taken again from ' .. megabytes(minFree / resume)
    return diskFull
  end
  diskFull = nil
  -- The other half of the limit stays for what nobody can foresee: the index, and images that say nothing of their size.
  if room - bytes < minFree / 2 then
    return 'this image may need ' .. megabytes(bytes) .. ', and the disk of this front has ' .. megabytes(room) .. ' free'
  end
  return nil
end

-- Telling the service, from the thread of a sender: so seldom, and with long pauses when nobody answers.
local reporting = channel('/hook/admission', 'reports of refused images',
                          'Whether images are taken does not depend on it.', 10, 60)
local reportEvery = 10
local startedAt = os.time()
local refused = 0
local reported = { refused = 0, full = false, at = 0 }
local logged = false

-- The service is told at once when the disk becomes full or has space again, and else now and then what was refused.
local function report(reason)
  local full = diskFull ~= nil
  local now = os.time()
  if full ~= logged then
    print('dde: ' .. (full and 'new images are refused: ' .. diskFull or 'new images are taken again.'))
    logged = full
  end
  local lately = now >= reported.at and now - reported.at < reportEvery
  if full == reported.full and (refused == reported.refused or lately) then return end
  if reporting.pauses() then return end
  local content = {
    front = frontName,
    open = not full,
    reason = short(reason),
    freeBytes = space.bytes,
    freeAt = space.bytes and space.readAt,
    refused = refused,
    startedAt = startedAt
  }
  if reporting.tell(function () return content end, frontName) then
    reported = { refused = content.refused, full = full, at = now }
  end
end

-- The identifier Orthanc gives an instance: the SHA-1 of what identifies it. Orthanc offers Lua no hash. Reckoned here, it makes
-- asking for one instance cost 30 µs; searching by SOPInstanceUID costs 150 to 200 µs on older versions.

local function sha1(message)
  local length = #message
  message = message .. '\128' .. ('\0'):rep((55 - length) % 64) .. string.pack('>I8', length * 8)
  local h0, h1, h2, h3, h4 = 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0
  local w = {}
  for at = 1, #message, 64 do
    w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], w[9], w[10], w[11], w[12], w[13], w[14], w[15], w[16] =
      string.unpack('>I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4', message, at)
    for i = 17, 80 do
      local x = w[i - 3] ~ w[i - 8] ~ w[i - 14] ~ w[i - 16]
      w[i] = ((x << 1) | (x >> 31)) & 0xffffffff
    end
    local a, b, c, d, e = h0, h1, h2, h3, h4
    for i = 1, 80 do
      local f
      if i <= 20 then f = (d ~ (b & (c ~ d))) + 0x5A827999
      elseif i <= 40 then f = (b ~ c ~ d) + 0x6ED9EBA1
      elseif i <= 60 then f = ((b & c) | (d & (b | c))) + 0x8F1BBCDC
      else f = (b ~ c ~ d) + 0xCA62C1D6 end
      a, b, c, d, e = (((a << 5) | (a >> 27)) + f + e + w[i]) & 0xffffffff, a, ((b << 30) | (b >> 2)) & 0xffffffff, c, d
    end
    h0, h1, h2, h3, h4 = (h0 + a) & 0xffffffff, (h1 + b) & 0xffffffff, (h2 + c) & 0xffffffff, (h3 + d) & 0xffffffff,
                         (h4 + e) & 0xffffffff
  end
  return string.format('%08x-%08x-%08x-%08x-%08x', h0, h1, h2, h3, h4)
end

local function trimmed(value)
  return (tostring(value or ''):gsub('^[%s%z]+', ''):gsub('[%s%z]+$', ''))
end

-- What the identifier is made of.
local function identity(tags)
  return trimmed(tags['PatientID']) .. '|' .. trimmed(tags['StudyInstanceUID']) .. '|' ..
         trimmed(tags['SeriesInstanceUID']) .. '|' .. trimmed(tags['SOPInstanceUID'])
end

-- The identifier, where it is certain: nil when a value is missing (it may only be too long for Lua) or holds anything that
-- Orthanc might read in another way than it stands here.
local function identifierOf(tags)
  local patient = tags['PatientID']
  if type(patient) ~= 'string' or not patient:match('^[%w._/-]+$') then return nil end
  for _, key in ipairs({ 'StudyInstanceUID', 'SeriesInstanceUID', 'SOPInstanceUID' }) do
    local uid = tags[key]
    if type(uid) ~= 'string' or not uid:match('^[%d.]+$') then return nil end
  end
  return sha1(identity(tags))
end

-- An image whose SOPInstanceUID this front still holds. Left to itself, Orthanc acknowledges it and keeps only one of the two.
-- Here, one that looks the same is acknowledged and dropped; one that does not is refused, so that its sender keeps it until
-- the front has let go of the first: then it is taken, and meets the policy for conflicts.
--
-- What Lua is given of an image are its tags up to 256 characters each, private ones and sequences included, but no pixels.
-- So an image with other pixels and every tag the same counts as the same.

-- A front never lets go of an image that is younger than this, in seconds.
local settle = 5

-- Images that were let in and may not be held yet: identity → until when, in two generations, of which the older is dropped.
local young, old, turnedAt = {}, {}, os.time()
local generation = 60

local function isArriving(key)
  local now = os.time()
  if now - turnedAt >= generation or now < turnedAt then young, old, turnedAt = {}, young, now end
  local till = young[key] or old[key]
  return till ~= nil and till > now and till - now <= generation
end

local function arrives(key, bytes)
  young[key] = os.time() + math.max(1, math.min(settle, 15 + math.ceil(bytes / 1e7), generation))
end

local differs = 'this front still holds other content under this SOPInstanceUID; send again later'

-- Identifiers of what is held under these tags: one at most, when it is certain whom to ask for; nil when nobody answers.
local function heldUnder(tags)
  local identifier = identifierOf(tags)
  if identifier ~= nil then
    -- Unlike a GET, it leaves no error in the log for an identifier that is not held.
    local found = RestApiPost('/tools/bulk-content', '{"Resources":["' .. identifier .. '"],"Level":"Instance","Metadata":false}')
    if found ~= nil then return #ParseJson(found) > 0 and { identifier } or {} end
  end
  local found = RestApiPost('/tools/lookup', trimmed(tags['SOPInstanceUID']))
  if found == nil then return nil end
  local identifiers = {}
  for _, hit in ipairs(ParseJson(found)) do
    if hit['Type'] == 'Instance' then identifiers[#identifiers + 1] = hit['ID'] end
  end
  return identifiers
end

-- 'new', 'same', or 'refused' and why.
local function compare(tags, info)
  if trimmed(tags['SOPInstanceUID']) == '' then return 'new' end
  local identifiers = heldUnder(tags)
  -- Without its index this front could not keep the image either.
  if identifiers == nil then return 'refused', 'this front cannot tell what it holds' end
  local key = identity(tags)
  for _, identifier in ipairs(identifiers) do
    local held = RestApiGet('/instances/' .. identifier .. '/simplified-tags')
    -- Let go of at this moment, or damaged: sent again, it will be one or the other.
    if held == nil then return 'refused', 'this front cannot read what it holds under this SOPInstanceUID' end
    held = ParseJson(held)
    -- The same SOPInstanceUID in another study or of another patient is another instance to Orthanc.
    if identity(held) == key then
      local syntax = RestApiGet('/instances/' .. identifier .. '/metadata/TransferSyntax')
      local coming = info['TransferSyntaxUID']
      if text(syntax) ~= nil and text(coming) ~= nil and trimmed(syntax) ~= trimmed(coming) then return 'refused', differs end
      if DumpJson(held, true) ~= DumpJson(tags, true) then return 'refused', differs end
      return 'same'
    end
  end
  -- Two at the same moment cannot be compared: of the first one nothing is there to read yet.
  if isArriving(key) then return 'refused', 'an image with this SOPInstanceUID is being stored at this moment' end
  return 'new'
end

-- Why this image is refused, or nil; the second answer is whether it is to be kept.
local function decide(tags, info)
  local bytes = neededBytes(tags)
  local reason = closedByDisk(bytes) or closedByService()
  if reason ~= nil then return reason end
  local verdict, why = compare(tags, info)
  if verdict == 'refused' then return why end
  if verdict == 'same' then return nil, false end
  arrives(identity(tags), bytes)
  letIn(bytes)
  return nil, true
end

-- Runs before the acknowledgement, for one image at a time. An error is the one way to refuse on every version: the sender is
-- told 0xA700 (out of resources) and keeps its image; a REST client gets status 500. Returning false drops the image and
-- acknowledges it: for one that is held already.
function ReceivedInstanceFilter(tags, origin, info)
  local ran, reason, keep = pcall(decide, tags or {}, info or {})
  if not ran then
    print('dde: error in this script, the image is taken: ' .. tostring(reason))
    return true
  end
  if reason ~= nil then refused = refused + 1 end
  local told, problem = pcall(report, reason)
  if not told then print('dde: error in this script: ' .. tostring(problem)) end
  if reason ~= nil then error('not taken now: ' .. reason, 0) end
  return keep
end
