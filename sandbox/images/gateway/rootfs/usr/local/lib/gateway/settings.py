"""Turns Kong's settings (KONG_*) and a plan into nginx.conf, or refuses settings that the stand-in would not honour."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LIBRARY = "/usr/local/lib/gateway"
LISTEN = re.compile(r"[0-9.]+:[0-9]+( reuseport)?( backlog=[0-9]+)?")
BUNDLED = (
    "acl,correlation-id,cors,key-auth,prometheus,rate-limiting,request-size-limiting,request-termination,"
    "request-transformer"
)
# Where the stand-in does the one thing Kong would, or nothing is there to be done.
FIXED = {
    "database": {"off"},
    "admin_listen": {"off"},
    "admin_gui_listen": {"off"},
    "anonymous_reports": {"off"},
    "headers": {"off"},
    "router_flavor": {"traditional_compatible"},
    "untrusted_lua": {"sandbox"},
    "upstream_keepalive_pool_size": {"0"},
}
DEFAULTS = {
    "declarative_config": "",
    "prefix": "/run/kong",
    "plugins": BUNDLED,
    "proxy_listen": "0.0.0.0:8000 reuseport backlog=16384",
    "status_listen": "127.0.0.1:8007",
    "trusted_ips": "",
    "real_ip_header": "X-Real-IP",
    "port_maps": "",
    "nginx_worker_processes": "auto",
    "nginx_proxy_proxy_buffer_size": "4k",
    "nginx_proxy_proxy_buffers": "8 4k",
    "nginx_http_client_max_body_size": "0",
    "proxy_access_log": "/dev/stdout",
    "status_access_log": "off",
    "proxy_error_log": "/dev/stderr",
    "log_level": "notice",
    "dns_order": "LAST,A,CNAME",
    "dns_valid_ttl": "5",
    "dns_not_found_ttl": "1",
    "mem_cache_size": "128m",
}
# Read and of no consequence here.
WITHOUT_MEANING = {"dns_order", "dns_not_found_ttl", "mem_cache_size"}


class SettingsError(Exception):
    """A setting is missing, unknown or not honoured."""


@dataclass(frozen=True)
class Settings:
    """Kong's settings by their lower-case name without KONG_."""

    values: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    @property
    def plugins(self) -> set[str]:
        """The plugins that a declaration may use."""
        return set(self["plugins"].replace("bundled", BUNDLED).replace(" ", "").split(","))


def read(environment: Mapping[str, str]) -> Settings:
    """The settings of an environment."""
    given = {name[5:].lower(): value for name, value in environment.items() if name.startswith("KONG_")}
    problems = [f"KONG_{name.upper()} is unknown to the stand-in" for name in sorted(given.keys() - _known())]
    problems += [
        f"KONG_{name.upper()} is {given.get(name, 'not set')!r}; the stand-in takes {' or '.join(sorted(allowed))}"
        for name, allowed in FIXED.items()
        if given.get(name) not in allowed and (name in given or name in {"database", "upstream_keepalive_pool_size"})
    ]
    values = {**DEFAULTS, **given}
    if not values["declarative_config"]:
        problems.append("KONG_DECLARATIVE_CONFIG is not set")
    problems += [
        f"KONG_{name.upper()} is {values[name]!r}; the stand-in takes one address:port"
        for name in ("proxy_listen", "status_listen")
        if not LISTEN.fullmatch(values[name])
    ]
    problems += [
        f"KONG_{name.upper()} holds a character that has no place in it"
        for name, value in values.items()
        if re.search(r"[;{}\n\"']", value)
    ]
    if problems:
        raise SettingsError("\n".join(problems))
    return Settings(values)


def _known() -> set[str]:
    return {*DEFAULTS, *FIXED}


def nginx_conf(settings: Settings, plan: Mapping[str, Any], resolver: str) -> str:
    """The whole nginx.conf; `resolver` is the address of the name server that knows the services."""
    prefix = settings["prefix"]
    trusted = "".join(f"  set_real_ip_from {cidr.strip()};\n" for cidr in settings["trusted_ips"].split(",") if cidr)
    locations = "".join(_location(route) for route in plan["routes"] if route["host"])
    return f"""\
# Written by the stand-in for Kong at each start and reload.
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
worker_processes {settings["nginx_worker_processes"]};
daemon off;
pid {prefix}/pids/nginx.pid;
error_log {settings["proxy_error_log"]} {settings["log_level"]};
events {{ worker_connections 16384; }}
http {{
  default_type application/json;
  server_tokens off;
  client_body_temp_path {prefix}/client_body_temp;
  proxy_temp_path {prefix}/proxy_temp;
  fastcgi_temp_path {prefix}/fastcgi_temp;
  uwsgi_temp_path {prefix}/uwsgi_temp;
  scgi_temp_path {prefix}/scgi_temp;
  client_max_body_size {settings["nginx_http_client_max_body_size"]};
  client_body_buffer_size 1m;
  large_client_header_buffers 4 16k;
  keepalive_timeout 75s;
  keepalive_requests 10000;
  resolver {resolver} valid={settings["dns_valid_ttl"]}s ipv6=off;
  lua_package_path "{LIBRARY}/?.lua;;";
  lua_shared_dict metrics 5m;
  lua_shared_dict counters 5m;
  log_format gateway '$remote_addr - [$time_iso8601] "$request_method $log_path $server_protocol" $status '
                     '$body_bytes_sent $request_time route=$route_name consumer=$consumer_name id=$correlation_id';
  init_by_lua_block {{ require("gateway").load("{prefix}/plan.json", "{settings["port_maps"]}") }}
  map $http_upgrade $upstream_connection {{ default ""; ~. upgrade; }}
  real_ip_header {settings["real_ip_header"]};
{trusted}
  server {{
    listen {settings["proxy_listen"]};
    access_log {settings["proxy_access_log"]}{"" if settings["proxy_access_log"] == "off" else " gateway"};
    merge_slashes off;
    set $route_name "";
    set $consumer_name "";
    set $correlation_id "";
    set $log_path "";
    set $upstream_uri "";
    set $upstream_target "";
    set $upstream_host "";
    set $upstream_x_forwarded_for "";
    set $upstream_x_forwarded_proto "";
    set $upstream_x_forwarded_host "";
    set $upstream_x_forwarded_port "";
    set $upstream_x_forwarded_path "";
    set $upstream_x_forwarded_prefix "";
    error_page 400 404 408 411 412 413 414 417 494 500 502 503 504 /kong_error_handler;
    header_filter_by_lua_block {{ require("gateway").answer() }}
    log_by_lua_block {{ require("gateway").count() }}
    location / {{
      rewrite_by_lua_block {{ require("gateway").route() }}
      content_by_lua_block {{ ngx.exit(404) }}
    }}
    location = /kong_error_handler {{
      internal;
      content_by_lua_block {{ require("gateway").failed() }}
    }}
{locations}  }}
  server {{
    listen {settings["status_listen"]};
    access_log {settings["status_access_log"]};
    location = /status {{ content_by_lua_block {{ require("gateway").status() }} }}
    location = /status/ready {{ content_by_lua_block {{ require("gateway").ready() }} }}
    location = /metrics {{
      default_type text/plain;
      content_by_lua_block {{ require("gateway").metrics() }}
    }}
  }}
  proxy_buffer_size {settings["nginx_proxy_proxy_buffer_size"]};
  proxy_buffers {settings["nginx_proxy_proxy_buffers"]};
}}
"""


def _location(route: Mapping[str, Any]) -> str:
    def switch(name: str) -> str:
        return "on" if route[name] else "off"

    return f"""\
    location @{route["name"]} {{
      access_by_lua_block {{ require("gateway").access() }}
      proxy_http_version 1.1;
      proxy_connect_timeout {route["connect_ms"]}ms;
      proxy_read_timeout {route["read_ms"]}ms;
      proxy_send_timeout {route["write_ms"]}ms;
      proxy_request_buffering {switch("request_buffering")};
      proxy_buffering {switch("response_buffering")};
      proxy_set_header Host $upstream_host;
      proxy_set_header Connection $upstream_connection;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header TE "";
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $upstream_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $upstream_x_forwarded_proto;
      proxy_set_header X-Forwarded-Host $upstream_x_forwarded_host;
      proxy_set_header X-Forwarded-Port $upstream_x_forwarded_port;
      proxy_set_header X-Forwarded-Path $upstream_x_forwarded_path;
      proxy_set_header X-Forwarded-Prefix $upstream_x_forwarded_prefix;
      proxy_pass http://$upstream_target$upstream_uri;
    }}
"""
