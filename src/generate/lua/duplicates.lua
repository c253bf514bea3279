-- An image whose SOPInstanceUID this front still holds. Left to itself, Orthanc acknowledges it and keeps only one of the two.
-- Here, one that looks the same is acknowledged and dropped; one that does not is refused, so that its sender keeps it until
-- the front has let go of the first: then it is taken, and meets the policy for conflicts.
--
-- What Lua is given of an image are its tags up to 256 characters each, private ones and sequences included, but no pixels.
-- So an image with other pixels and every tag the same counts as the same.

-- A front never lets go of an image that is younger than this, in seconds.
local settle = @SETTLE_SECONDS@

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
