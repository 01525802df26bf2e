-- What Kong does with a request, for the part of its configuration that declaration.py lets through.
-- The functions at the end are the phases that nginx.conf names.
local cjson = require "cjson.safe"

local gateway = {}
local plan, outside_port
local by_name = {}
local PERIOD_SECONDS = 60
local LATENCIES_MS = {25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10000, 30000, 60000}
-- These keep their percent form in a path: decoded they would mean something else.
local RESERVED = {}
for character in ("!*'();:@&=+$,/?%#[]"):gmatch(".") do
  RESERVED[character] = true
end

-- Paths ---------------------------------------------------------------------------------------------------------------

local function normalised(path)
  path = path:gsub("%%(%x%x)", function(hex)
    local character = string.char(tonumber(hex, 16))
    return RESERVED[character] and "%" .. hex:upper() or character
  end)
  local kept, folder = {}, path:sub(-1) == "/"
  for segment in path:gmatch("[^/]+") do
    if segment == ".." then
      kept[#kept] = nil
    elseif segment ~= "." then
      kept[#kept + 1] = segment
    end
  end
  local last = path:match("[^/]*$")
  folder = folder or last == "." or last == ".."
  local joined = "/" .. table.concat(kept, "/")
  return (folder and joined ~= "/") and joined .. "/" or joined
end

local function escaped(path)
  return (path:gsub("[^!#$&'()*+,/:;=?@%[%]%w%-_.~%%]", function(character)
    return ("%%%02X"):format(character:byte())
  end))
end

local function route_of(path)
  -- declaration.py put single paths first and longer prefixes before shorter ones.
  for _, route in ipairs(plan.routes) do
    if route.exact then
      if path == route.path then
        return route
      end
    elseif path:sub(1, #route.path) == route.path then
      return route
    end
  end
end

local function upstream_path(route, path)
  local rest, base = path:sub(#route.path + 1), route.base
  if rest == "" then
    if base == "/" or (path:sub(-1) == "/") == (base:sub(-1) == "/") then
      return base
    end
    return path:sub(-1) == "/" and base .. "/" or base:sub(1, -2)
  end
  return (base:gsub("/$", "")) .. "/" .. (rest:gsub("^/", ""))
end

-- Plugins -------------------------------------------------------------------------------------------------------------

-- The most specific of a plugin's declarations: route and consumer, consumer, route, everywhere.
local function config_of(name, route, consumer)
  local best, rank = nil, -1
  for _, plugin in ipairs(plan.plugins) do
    if plugin.name == name and (plugin.route == nil or plugin.route == route)
       and (plugin.consumer == nil or plugin.consumer == consumer) then
      local specific = (plugin.consumer and 2 or 0) + (plugin.route and 1 or 0)
      if specific > rank then
        best, rank = plugin.config, specific
      end
    end
  end
  return best
end

local function refuse(status, message, headers)
  for name, value in pairs(headers or {}) do
    ngx.header[name] = value
  end
  ngx.status = status
  ngx.header["Content-Type"] = "application/json; charset=utf-8"
  ngx.print(cjson.encode({message = message, request_id = ngx.var.request_id}))
  return ngx.exit(ngx.HTTP_OK)
end

local function uuid()
  local id = ngx.var.request_id
  return id:sub(1, 8) .. "-" .. id:sub(9, 12) .. "-" .. id:sub(13, 16) .. "-" .. id:sub(17, 20) .. "-" .. id:sub(21)
end

local function correlate(config)
  local given = ngx.req.get_headers()[config.header_name]
  given = type(given) == "table" and given[1] or given
  if not given or given == "" then
    given = uuid()
    ngx.req.set_header(config.header_name, given)
  end
  ngx.var.correlation_id = given
end

local function allow_origin(config)
  local origin = ngx.var.http_origin
  if config.origins[1] == "*" then
    ngx.header["Access-Control-Allow-Origin"] = "*"
    return
  end
  ngx.header["Vary"] = "Origin"
  local allowed
  for _, candidate in ipairs(config.origins) do
    if origin and origin:lower() == candidate then
      allowed = candidate
    end
  end
  -- With a single origin Kong names it whoever asks.
  ngx.header["Access-Control-Allow-Origin"] = allowed or (#config.origins == 1 and config.origins[1] or nil)
end

local function preflight(config)
  local headers = ngx.req.get_headers()
  if ngx.req.get_method() ~= "OPTIONS" or not headers["origin"] or not headers["access-control-request-method"] then
    return
  end
  allow_origin(config)
  ngx.header["Access-Control-Allow-Headers"] = headers["access-control-request-headers"]
  ngx.header["Access-Control-Allow-Methods"] = table.concat(config.methods, ",")
  ngx.header["Access-Control-Max-Age"] = config.max_age
  ngx.ctx.preflight = true
  ngx.status = 200
  ngx.header["Content-Length"] = 0
  return ngx.exit(ngx.HTTP_OK)
end

-- The consumer of the request; refuses where a key is needed and none fits.
local function authenticate(config)
  local key = ngx.req.get_headers()["apikey"]
  local problem
  if type(key) == "table" then
    problem, key = "Duplicate API key found", nil
  elseif not key or key == "" then
    problem, key = "No API key found in request", nil
  end
  local consumer = key and plan.credentials[key]
  if key and config.hide_credentials then
    ngx.req.clear_header("apikey")
  end
  if not consumer then
    if config.anonymous then
      return config.anonymous, false
    end
    return refuse(401, problem or "Unauthorized", {["WWW-Authenticate"] = "Key"})
  end
  return consumer, true
end

local function tell_service(consumer, known)
  ngx.req.set_header("X-Consumer-Username", consumer)
  for _, name in ipairs({"X-Consumer-Custom-ID", "X-Credential-Identifier", "X-Consumer-Groups"}) do
    ngx.req.clear_header(name)
  end
  if known then
    ngx.req.clear_header("X-Anonymous-Consumer")
  else
    ngx.req.set_header("X-Anonymous-Consumer", "true")
  end
end

local function limit_size(config)
  local length = tonumber(ngx.var.http_content_length)
  if not length then
    ngx.req.read_body()
    local body, file = ngx.req.get_body_data(), ngx.req.get_body_file()
    if body then
      length = #body
    elseif file then
      local handle = assert(io.open(file, "rb"))
      length = handle:seek("end")
      handle:close()
    end
  end
  if length and length > config.bytes then
    local waits = (ngx.var.http_expect or ""):lower() == "100-continue"
    return refuse(waits and 417 or 413, "Request size limit exceeded")
  end
end

local function check_group(config, consumer, known)
  local groups = consumer and plan.consumers[consumer].groups or {}
  for _, allowed in ipairs(config.allow) do
    for _, group in ipairs(groups) do
      if group == allowed then
        return
      end
    end
  end
  if known then
    return refuse(403, "You cannot consume this service")
  end
  return refuse(401, "Unauthorized")
end

-- One command of Redis: an error, or its answer.
local function ask(socket, ...)
  local words = {...}
  local line = {"*" .. #words}
  for _, word in ipairs(words) do
    word = tostring(word)
    line[#line + 1] = "$" .. #word
    line[#line + 1] = word
  end
  local _, problem = socket:send(table.concat(line, "\r\n") .. "\r\n")
  if problem then
    return nil, problem
  end
  local answer
  answer, problem = socket:receive("*l")
  if not answer then
    return nil, problem
  end
  if answer:sub(1, 1) == "-" then
    return nil, answer:sub(2)
  end
  return answer:sub(2)
end

local function count_in_redis(config, key, expires)
  local socket = ngx.socket.tcp()
  socket:settimeout(config.timeout)
  local _, problem = socket:connect(config.host, config.port)
  if problem then
    return nil, problem
  end
  if socket:getreusedtimes() == 0 and config.password then
    local words = config.username and {config.username, config.password} or {config.password}
    _, problem = ask(socket, "AUTH", unpack(words))
    if problem then
      socket:close()
      return nil, problem
    end
  end
  local count
  count, problem = ask(socket, "INCRBY", key, 1)
  if count == "1" then
    _, problem = ask(socket, "EXPIREAT", key, expires)
  end
  if problem then
    socket:close()
    return nil, problem
  end
  socket:setkeepalive(10000, 100)
  return tonumber(count)
end

local function limit_rate(config, route, consumer)
  local now = ngx.time()
  local window = now - now % PERIOD_SECONDS
  local who = config.limit_by == "consumer" and consumer or ngx.var.remote_addr
  local key = ("ratelimit:%s:%s:%s:%d:minute"):format(route.name, route.service, who, window * 1000)
  local count, problem
  if config.policy == "redis" then
    count, problem = count_in_redis(config.redis, key, window + PERIOD_SECONDS)
  else
    count, problem = ngx.shared.counters:incr(key, 1, 0, PERIOD_SECONDS)
  end
  if not count then
    ngx.log(ngx.ERR, "failed to get usage: ", problem)
    if not config.fault_tolerant then
      return refuse(500, "An unexpected error occurred")
    end
    return
  end
  local left, reset = math.max(0, config.minute - count), window + PERIOD_SECONDS - now
  local headers = {
    ["X-RateLimit-Limit-Minute"] = config.minute,
    ["X-RateLimit-Remaining-Minute"] = left,
    ["RateLimit-Limit"] = config.minute,
    ["RateLimit-Remaining"] = left,
    ["RateLimit-Reset"] = reset,
  }
  if count > config.minute then
    headers["Retry-After"] = reset
    return refuse(429, "API rate limit exceeded", headers)
  end
  for name, value in pairs(headers) do
    ngx.header[name] = value
  end
end

local function evaluated(entry)
  local run = by_name[entry.expression]
  if not run then
    run = assert(loadstring("return " .. entry.expression))
    by_name[entry.expression] = run
  end
  -- As in Kong's sandbox: the request's headers and nothing else.
  setfenv(run, {headers = ngx.req.get_headers()})
  return run()
end

local function transform(config)
  local headers = ngx.req.get_headers()
  for _, entry in ipairs(config.replace) do
    if headers[entry.name] then
      ngx.req.set_header(entry.name, evaluated(entry))
    end
  end
  for _, entry in ipairs(config.add) do
    if not headers[entry.name] then
      ngx.req.set_header(entry.name, evaluated(entry))
    end
  end
end

local function run_plugins(route)
  local consumer, known
  local function plugin(name, run)
    local config = config_of(name, route.name, consumer)
    if config then
      run(config)
    end
  end
  plugin("correlation-id", correlate)
  plugin("cors", preflight)
  plugin("key-auth", function(config)
    consumer, known = authenticate(config)
    ngx.var.consumer_name = consumer
    tell_service(consumer, known)
  end)
  plugin("request-size-limiting", limit_size)
  plugin("acl", function(config) check_group(config, consumer, known) end)
  plugin("rate-limiting", function(config) limit_rate(config, route, known and consumer or nil) end)
  plugin("request-transformer", transform)
  plugin("request-termination", function(config) refuse(config.status_code, config.message) end)
end

-- What the service is told of the way the request came; only a trusted proxy is believed.
local function forward(route, path)
  local var = ngx.var
  local trusted = var.realip_remote_addr ~= var.remote_addr
  local function told(name, own)
    return trusted and var["http_x_forwarded_" .. name] or own
  end
  local port = var.server_port == outside_port.inside and outside_port.outside or var.server_port
  var.upstream_x_forwarded_for = var.http_x_forwarded_for and var.http_x_forwarded_for .. ", " .. var.realip_remote_addr
                                 or var.remote_addr
  var.upstream_x_forwarded_proto = told("proto", var.scheme)
  var.upstream_x_forwarded_host = told("host", var.host)
  var.upstream_x_forwarded_port = told("port", port)
  var.upstream_x_forwarded_path = told("path", path)
  var.upstream_x_forwarded_prefix = told("prefix", (route.path:gsub("(.)/$", "%1")))
end

-- Phases --------------------------------------------------------------------------------------------------------------

function gateway.load(path, port_maps)
  local file = assert(io.open(path, "r"))
  local text = file:read("*a")
  file:close()
  plan = assert(cjson.decode(text))
  plan.hash = ngx.md5(text)
  plan.named = {}
  for _, route in ipairs(plan.routes) do
    plan.named[route.name] = route
    route.host = route.host ~= cjson.null and route.host or nil
  end
  local outside, inside = port_maps:match("^(%d+):(%d+)$")
  outside_port = {outside = outside, inside = inside}
end

function gateway.route()
  local raw = ngx.var.request_uri:match("^[^?#]*")
  -- The query may hold a key; the log has the path alone.
  ngx.var.log_path = raw
  local path = normalised(raw)
  local route = route_of(path)
  if not route then
    return refuse(404, "no Route matched with those values")
  end
  ngx.var.route_name = route.name
  if not route.host then
    return run_plugins(route)
  end
  ngx.var.upstream_host = route.host .. ":" .. route.port
  ngx.var.upstream_target = route.address .. ":" .. route.port
  ngx.var.upstream_uri = escaped(upstream_path(route, path)) .. ngx.var.is_args .. (ngx.var.args or "")
  forward(route, path)
  return ngx.exec("@" .. route.name)
end

function gateway.access()
  run_plugins(plan.named[ngx.var.route_name])
end

function gateway.answer()
  local route = ngx.var.route_name
  if route == "" then
    return
  end
  local correlation = config_of("correlation-id", route)
  if correlation and correlation.echo_downstream then
    ngx.header[correlation.header_name] = ngx.var.correlation_id
  end
  local cors = config_of("cors", route)
  if cors and not ngx.ctx.preflight then
    allow_origin(cors)
    if cors.exposed_headers then
      ngx.header["Access-Control-Expose-Headers"] = table.concat(cors.exposed_headers, ",")
    end
  end
end

local MESSAGES = {
  [400] = "Bad request", [404] = "Not found", [408] = "Request timeout", [411] = "Length required",
  [412] = "Precondition failed", [413] = "Payload too large", [414] = "URI too long", [417] = "Expectation failed",
  [494] = "Request header or cookie too large", [500] = "An unexpected error occurred",
  [502] = "An invalid response was received from the upstream server",
  [503] = "The upstream server is currently unavailable", [504] = "The upstream server is timing out",
}

function gateway.failed()
  ngx.header["Content-Type"] = "application/json; charset=utf-8"
  ngx.print(cjson.encode({message = MESSAGES[ngx.status] or "Unexpected error", request_id = ngx.var.request_id}))
end

local function add(name, labels, value)
  ngx.shared.metrics:incr(name .. "{" .. labels .. "}", value, 0)
end

local function observe(name, labels, milliseconds)
  for _, bound in ipairs(LATENCIES_MS) do
    if milliseconds <= bound then
      add(name .. "_bucket", labels .. ',le="' .. bound .. '"', 1)
    end
  end
  add(name .. "_bucket", labels .. ',le="+Inf"', 1)
  add(name .. "_count", labels, 1)
  add(name .. "_sum", labels, milliseconds)
end

function gateway.count()
  local route = plan.named[ngx.var.route_name]
  if not route then
    return
  end
  local labels = ('service="%s",route="%s"'):format(route.service or "", route.name)
  local source = ngx.var.upstream_status and "service" or "kong"
  add("kong_http_requests_total", ('%s,code="%d",source="%s"'):format(labels, ngx.status, source), 1)
  add("kong_bandwidth_bytes", labels .. ',direction="egress"', tonumber(ngx.var.bytes_sent) or 0)
  add("kong_bandwidth_bytes", labels .. ',direction="ingress"', tonumber(ngx.var.request_length) or 0)
  observe("kong_request_latency_ms", labels, (tonumber(ngx.var.request_time) or 0) * 1000)
  local upstream = tonumber(ngx.var.upstream_response_time)
  if upstream then
    observe("kong_upstream_latency_ms", labels, upstream * 1000)
  end
end

function gateway.status()
  ngx.print(cjson.encode({
    configuration_hash = plan.hash,
    server = {connections_active = tonumber(ngx.var.connections_active)},
    ["stand-in"] = true,
  }))
end

function gateway.ready()
  ngx.print(cjson.encode({message = "ready"}))
end

function gateway.metrics()
  local keys = ngx.shared.metrics:get_keys(0)
  table.sort(keys)
  for _, key in ipairs(keys) do
    ngx.say(key, " ", ngx.shared.metrics:get(key))
  end
end

return gateway
