-- What wrk sends: random rows, random windows, random bodies. Arguments: operation, number of rows, token.
-- The ids and times are those of bench/dataset.py.

local operation, rows, headers
local START, STEP, WINDOW = 1525132800, 10, 3600
local FIRST = { "Grace", "Ada", "Mary", "Alan", "Katherine", "Edsger", "Barbara", "Donald" }
local LAST = { "Hopper", "Lovelace", "Jackson", "Turing", "Johnson", "Dijkstra", "Liskov", "Knuth" }
local BODY = '{"phase": "intake", "timezone": "US/Pacific", "first_name": "%s", "last_name": "%s", '
  .. '"birthday": "19%02d-%02d-%02d", "street": "%d 17th St", "street_line_two": "#%d", "city": "San Francisco", '
  .. '"county": "San Francisco County", "zip_code": "94110", "state": "CA", "country": "USA"}'

local random = math.random

local function moment(seconds)
  return os.date("!%Y-%m-%dT%H:%M:%S", START + seconds)
end

local requests = {}

function requests.get()
  local n = random(rows)
  return wrk.format("GET", string.format("/v1/patients/%08x-0000-4000-8000-%012d", n * 2654435761 % 4294967296, n), headers)
end

function requests.find()
  local from = random(rows * STEP - WINDOW)
  local path = "/v1/patients?page[from]=" .. moment(from) .. "&page[to]=" .. moment(from + WINDOW) .. "&page[size]=50"
  return wrk.format("GET", path, headers)
end

function requests.create()
  local body = string.format(BODY, FIRST[random(#FIRST)], LAST[random(#LAST)], random(20, 99), random(12), random(28),
    random(9999), random(500))
  return wrk.format("POST", "/v1/patients", headers, body)
end

function init(arguments)
  operation, rows = arguments[1], tonumber(arguments[2])
  headers = { Authorization = "Bearer " .. arguments[3], ["Content-Type"] = "application/json" }
  math.randomseed(os.time())
  request = requests[operation]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50_ms": %.3f, "p99_ms": %.3f}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
