-- Whether new images are taken at all: not while the service says that too much waits, and not while the disk is nearly full.

local minFree = @MIN_FREE_BYTES@ -- nil: no limit
local resume = @RESUME@

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
