-- Tells the decision service about each instance this front has stored, and refuses new ones while the service says so.
--
-- The announcement is a courtesy, not the truth: what was not announced is found on the front by the service itself. So
-- nothing in here may fail, wait for long, or keep an image from being received.
--
-- Environment: DDE_SERVICE_URL, DDE_HOOK_TOKEN, DDE_ADMISSION (a file; see ReceivedInstanceFilter).

-- A variable that is empty counts as not set: that is how compose files hand over what nobody gave them.
local function environment(name, default)
  local value = os.getenv(name)
  if value == nil or value == '' then return default end
  return value
end

local serviceUrl = environment('DDE_SERVICE_URL', '@SERVICE_URL@'):gsub('/+$', '')
local admissionFile = environment('DDE_ADMISSION', nil)

-- Orthanc loads this script into two Lua contexts that share nothing: one for ReceivedInstanceFilter, one for the rest.

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

-- While the service is away every call may cost HttpTimeout, on the one thread that works off the stored instances, and
-- while holding what every request to this Orthanc needs. So after a failure nothing is announced for a while, twice as
-- long each time: 1 s to 10 s.
local outage = nil -- { reason, pause, retryAt, skipped }
local shortestPause = 1
local longestPause = 10

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

local function announcement(instanceId, tags, metadata, origin)
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
    frames = short(tags['NumberOfFrames'])
  }
end

-- An instance without these cannot be announced; one that is announced and refused would look like an outage.
local function identified(content)
  for _, key in ipairs({ 'study', 'series', 'sop' }) do
    if content[key] == nil or #content[key] > 128 then return false end
  end
  return true
end

-- Nil when the service has taken the announcement, otherwise what happened instead. Neither the status nor an empty body
-- tells success on every version of Orthanc: only the service repeating the identifier does.
local function announce(instanceId, tags, metadata, origin)
  local content = announcement(instanceId, tags, metadata, origin)
  if not identified(content) then return nil end
  -- `true` keeps text that looks like a number text.
  local body = DumpJson(content, true)
  local answer = HttpPost(serviceUrl .. '/hook/stored', body, headers)
  if answer == nil then return 'no answer' end
  if answer == '' then return 'an empty answer or an error' end
  local parsed, reply = pcall(ParseJson, answer)
  if not parsed or type(reply) ~= 'table' then return 'an answer that is not JSON' end
  if reply['received'] == instanceId then return nil end
  local said = reply['reason'] or reply['detail'] or reply['title']
  return 'an answer without the mark of success' .. (type(said) == 'string' and ' (' .. said:sub(1, 200) .. ')' or '')
end

local function failed(reason)
  local pause = outage and math.min(outage.pause * 2, longestPause) or shortestPause
  if outage == nil or outage.reason ~= reason then
    print('dde: ' .. serviceUrl .. ' does not take announcements: ' .. reason ..
          '. Reception goes on; the service finds these instances by itself later.')
  end
  outage = { reason = reason, pause = pause, retryAt = os.time() + pause, skipped = (outage and outage.skipped or 0) + 1 }
end

local function succeeded()
  if outage == nil then return end
  print('dde: ' .. serviceUrl .. ' takes announcements again; ' .. outage.skipped .. ' were left out.')
  outage = nil
end

function OnStoredInstance(instanceId, tags, metadata, origin)
  -- A clock that was set back must not silence the front: more than the longest pause ahead counts as over.
  if outage ~= nil then
    local left = outage.retryAt - os.time()
    if left > 0 and left <= longestPause then
      outage.skipped = outage.skipped + 1
      return
    end
  end
  local ran, reason = pcall(announce, instanceId, tags or {}, metadata or {}, origin or {})
  if not ran then reason = 'error in this script: ' .. tostring(reason) end
  if reason == nil then succeeded() else failed(reason) end
end

-- While too much waits, the service writes "closed <seconds since 1970 until which it holds> <reason>" into the file, anew
-- each second. A service that dies leaves a sign that runs out. No file, or one that says anything else: open. A sign that
-- holds for more than an hour is none: its writer or a clock is wrong.
local function closedBecause()
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

-- Returning false would throw the instance away and still acknowledge it. An error is the one way to refuse on every
-- version: the sender is told 0xA700 (out of resources) and keeps its image; a REST client gets status 500.
function ReceivedInstanceFilter()
  local ran, reason = pcall(closedBecause)
  if ran and reason ~= nil then error('not taken now: ' .. reason, 0) end
  return true
end
