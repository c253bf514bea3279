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
