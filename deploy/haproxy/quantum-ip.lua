-- Asks forward authentication about a request, in HAProxy 2.6 and later. Nothing to install: HAProxy's own HTTP client.
--
--   global
--     lua-load /etc/haproxy/quantum-ip.lua
--   frontend
--     http-request lua.quantum_ip http://127.0.0.1:8460/original
--
-- Sets txn.quantum_ip to `allow`, `quarantine` or `refuse`. `refuse` is what it says where there is no answer.

local asked = { "quantum-ip", "quantum-ip-head", "workload-proof-token", "traceparent", "tracestate" }
local set = { "quantum-ip-status", "traceparent", "tracestate" }
local ends = { ["quantum-ip"] = true, ["quantum-ip-head"] = true, ["quantum-ip-status"] = true,
  ["workload-proof-token"] = true, ["traceparent"] = true, ["tracestate"] = true }

-- Whether a service might read the field as one of ours: CGI, WSGI and others make `_` and `-` one, in any place.
local function ends_here(name)
  return ends[(name:lower():gsub("[^%w]", "-"))]
end

local function first(values)
  return values and values[0]
end

-- What `sf` fetches are strings: a number is compared as one, and truth is "1".
local function proto(txn)
  return txn.sf:ssl_fc() == "1" and "https" or "http"
end

-- The client's certificate (RFC 9440), where this frontend asks for one and found it to hold; never what a client says it is.
local function certificate(txn)
  local sf = txn.sf
  local holds = sf:ssl_c_verify() == "0" and sf:ssl_c_err() == "0" and sf:ssl_c_ca_err() == "0"
  if sf:ssl_c_used() ~= "1" or not holds then return nil end
  return { ":" .. txn.sc:base64(txn.f:ssl_c_der()) .. ":" }
end

local function ask(txn, url)
  local sent = txn.http:req_get_headers()
  local headers = {
    ["x-original-method"] = { txn.sf:method() },
    ["x-original-uri"] = { txn.sf:pathq() },
    ["x-original-host"] = { first(sent["host"]) },
    ["x-original-proto"] = { proto(txn) },
    ["client-cert"] = certificate(txn),
  }
  for _, name in ipairs(asked) do
    if sent[name] then
      local values = {}
      for i = 0, #sent[name] do table.insert(values, sent[name][i]) end
      headers[name] = values
    end
  end
  return core.httpclient():get({ url = url, headers = headers, timeout = 1000 })
end

core.register_action("quantum_ip", { "http-req" }, function(txn, url)
  txn:set_var("txn.quantum_ip", "refuse")
  txn:set_var("txn.quantum_ip_status", 403)
  local answer = ask(txn, url)
  local told = answer.headers or {}
  txn:set_var("txn.quantum_ip_decision", first(told["quantum-ip-decision"]) or "")
  txn:set_var("txn.quantum_ip_challenge", first(told["www-authenticate"]) or "")
  if answer.status == 401 then txn:set_var("txn.quantum_ip_status", 401) end
  if answer.status ~= 200 then return end
  for name in pairs(txn.http:req_get_headers()) do
    if ends_here(name) then txn.http:req_del_header(name) end
  end
  for _, name in ipairs(set) do
    local value = first(told[name])
    if value then txn.http:req_set_header(name, value) end
  end
  txn:set_var("txn.quantum_ip", first(told["quantum-ip-action"]) or "refuse")
end, 1)
