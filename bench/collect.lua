-- What wrk sends to the collector: requests as tags and servers make them, each event with an id of its own.
-- Environment: SENDS is "divolte", "one", "batch" (20 events of one visitor, as a tag sends them: every fifth is a page
-- view) or "server" (20 page views of 20 visitors); PAUSE_MS is what each connection waits between two requests.

local agents = {}
for line in io.lines(os.getenv("AGENTS")) do
  agents[#agents + 1] = line
end

local sends = os.getenv("SENDS")
local pause = tonumber(os.getenv("PAUSE_MS") or "0")
local batch = (sends == "batch" or sends == "server") and 20 or 1
local count = 0
local run = string.format("%x", os.time())

local function visitor()
  return string.format("%08x%04x", (count * 2654435761) % 4294967296, count % 7919)
end

local page = 0

local function event(name, who)
  count = count + 1
  if name == "pageview" then
    page = (page + 1) % 500
  end
  return string.format(
    '{"id":"%s-%x","event":"%s","url":"https://shop.example/products/%d?utm_source=news&utm_medium=mail&ref=%d",' ..
    '"visitor":"%s","session":"s%s","page":"p%x","referrer":"https://www.google.com/","time":%d,"sent":%d,' ..
    '"stream":"%s","sequence":%d,"source":"tag","language":"de-DE","viewport":[1440,820],"screen":[1920,1080],' ..
    '"properties":{"title":"Desk lamp %d","price":49.5,"inStock":true}}',
    run, count, name, page, page % 97, who, who, page, os.time() * 1000 - 40, os.time() * 1000, who,
    count % 50, page)
end

local function divolte()
  count = count + 1
  return string.format(
    "/csc-event?p=0%%3Aj2k3l4m5%%3A%s&s=0%%3Aj2k3l4m6%%3A%s&v=0%%3A%s%x&e=0%%3A%s%x0&c=j2k3l4m7&n=f&f=f" ..
    "&l=https%%3A%%2F%%2Fshop.example%%2Fproducts%%2F%d%%3Futm_source%%3Dnews&r=https%%3A%%2F%%2Fwww.google.com%%2F" ..
    "&i=1hc&j=u0&k=1&w=140&h=ms&t=pageView&x=1a2b3c",
    visitor(), visitor(), run, count, run, count, count % 500)
end

function request()
  local headers = { ["User-Agent"] = agents[count % #agents + 1] }
  if sends == "divolte" then
    return wrk.format("GET", divolte(), headers)
  end
  headers["Content-Type"] = "text/plain"
  local events = {}
  local who = visitor()
  for number = 1, batch do
    local viewed = sends ~= "batch" or number % 5 == 1
    events[number] = event(viewed and "pageview" or "added", sends == "server" and visitor() or who)
  end
  return wrk.format("POST", "/e", headers, "[" .. table.concat(events, ",") .. "]")
end

if pause > 0 then
  function delay()
    return pause
  end
end

function done(summary, latency, _requests)
  local errors = summary.errors
  io.write(string.format(
    '\n{"seconds": %f, "requests": %d, "p50_ms": %f, "p99_ms": %f, "errors": %d}\n',
    summary.duration / 1e6, summary.requests, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
