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

local serviceUrl = environment('DDE_SERVICE_URL', '@SERVICE_URL@'):gsub('/+$', '')

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
