-- An image whose SOPInstanceUID this front still holds. Left to itself, Orthanc acknowledges it and keeps only one of the two.
-- Here, one that looks the same is acknowledged and dropped; one that does not is refused, so that its sender keeps it until
-- the front has let go of the first: then it is taken, and meets the policy for conflicts.
--
-- What Lua is given of an image are its tags up to 256 characters each, private ones and sequences included, but no pixels.
-- So an image with other pixels and every tag the same counts as the same.

-- A front never lets go of an image that is younger than this, in seconds.
local settle = @SETTLE_SECONDS@

local function trimmed(value)
  return (tostring(value or ''):gsub('^[%s%z]+', ''):gsub('[%s%z]+$', ''))
end

-- What Orthanc forms its own identifier from.
local function identity(tags)
  return trimmed(tags['PatientID']) .. '|' .. trimmed(tags['StudyInstanceUID']) .. '|' ..
         trimmed(tags['SeriesInstanceUID']) .. '|' .. trimmed(tags['SOPInstanceUID'])
end

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
  young[key] = os.time() + math.max(1, math.min(settle, 5 + math.ceil(bytes / 1e7), generation))
end

local differs = 'this front still holds other content under this SOPInstanceUID; send again later'

-- 'new', 'same', or 'refused' and why.
local function compare(tags, info)
  local sop = trimmed(tags['SOPInstanceUID'])
  if sop == '' then return 'new' end
  local found = RestApiPost('/tools/lookup', sop)
  -- Without its index this front could not keep the image either.
  if found == nil then return 'refused', 'this front cannot tell what it holds' end
  local key = identity(tags)
  for _, hit in ipairs(ParseJson(found)) do
    if hit['Type'] == 'Instance' then
      local held = RestApiGet('/instances/' .. hit['ID'] .. '/simplified-tags')
      -- Let go of at this moment, or damaged: sent again, it will be one or the other.
      if held == nil then return 'refused', 'this front cannot read what it holds under this SOPInstanceUID' end
      held = ParseJson(held)
      -- The same SOPInstanceUID in another study or of another patient is another instance to Orthanc.
      if identity(held) == key then
        local syntax = text(RestApiGet('/instances/' .. hit['ID'] .. '/metadata/TransferSyntax'))
        local coming = text(info['TransferSyntaxUID'])
        if syntax ~= nil and coming ~= nil and trimmed(syntax) ~= trimmed(coming) then return 'refused', differs end
        if DumpJson(held, true) ~= DumpJson(tags, true) then return 'refused', differs end
        return 'same'
      end
    end
  end
  -- Two at the same moment cannot be compared: of the first one nothing is there to read yet.
  if isArriving(key) then return 'refused', 'an image with this SOPInstanceUID is being stored at this moment' end
  return 'new'
end
