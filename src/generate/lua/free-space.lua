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
