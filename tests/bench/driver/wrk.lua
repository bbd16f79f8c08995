-- Prints what wrk measured as one line of JSON, behind a mark. With two arguments its requests show session ids:
-- those of the back end's first sessions, as many as the first argument says, in turn, from the second's on.

-- Threads start apart from each other.
local APART = 500009
local threads = 0

setup = function(thread)
  thread:set("start", threads * APART)
  threads = threads + 1
end

local band, bxor, rshift, tobit, tohex = bit.band, bit.bxor, bit.rshift, bit.tobit, bit.tohex

-- As in the back end. The factors are so small that the products are exact.
local function mixed(word)
  word = tobit(word)
  word = bxor(word, rshift(word, 16))
  word = tobit(word * 0x2C1B3)
  word = bxor(word, rshift(word, 15))
  word = tobit(word * 0x297A5)
  return tohex(bxor(word, rshift(word, 16)), -8)
end

-- The cookie's value of a session, by its number.
local function session_id(number)
  local word = 4 * number
  local route = band(number, 1) == 0 and "-n1.jvm1" or "-n1.jvm2"
  return mixed(word) .. mixed(word + 1) .. mixed(word + 2) .. mixed(word + 3) .. route
end

init = function(arguments)
  local sessions = tonumber(arguments[1])
  if not sessions then
    return
  end
  local number = (tonumber(arguments[2]) + start) % sessions
  local head = "GET " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\nCookie: JSESSIONID="
  request = function()
    number = (number + 1) % sessions
    return head .. session_id(number) .. "\r\n\r\n"
  end
end

done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,' ..
    '"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
