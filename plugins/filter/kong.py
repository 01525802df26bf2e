"""The gateway's declarative configuration, from the component table and the keys.

Deny by default: only a row of the table's `routes` makes a path reachable, and only `access: public` or `optional`
makes it reachable without a key. What is Kong's own format is here, what is the platform's is in the table.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible.errors import AnsibleFilterError

Components = Mapping[str, Mapping[str, Any]]
Plugin = dict[str, Any]

ACCESS = ("public", "optional", "key", "service", "closed")
ROUTE_FIELDS = {"exact", "below", "access", "to", "seconds", "body_mb", "streams", "per_minute", "secret"}
# Nothing in a path means more than itself, neither to Kong nor in an expression.
PATH = re.compile(r"(/[A-Za-z0-9._-]+)+/?")
# A consumer is what a key stands for: the API role whose token the services get. Its group has the same name.
CONSUMERS: Mapping[str, tuple[str, ...]] = {
    "anon": ("anon_key", "publishable_key"),
    "service_role": ("service_role_key", "secret_key"),
}
# Who comes without a key, or with a wrong one, where a key is optional.
NOBODY = "nobody"
GROUPS_OF: Mapping[str, Sequence[str]] = {"key": tuple(CONSUMERS), "service": ("service_role",)}
PLUGINS = (
    "acl",
    "correlation-id",
    "cors",
    "key-auth",
    "prometheus",
    "rate-limiting",
    "request-size-limiting",
    "request-termination",
    "request-transformer",
)
DEFAULT_SECONDS = 60
DEFAULT_BODY_MB = 8
REQUEST_ID = "X-Request-Id"
# What browsers may read of an answer besides what they always may.
EXPOSED = (
    "Content-Location",
    "Content-Range",
    "Location",
    "Preference-Applied",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    REQUEST_ID,
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True)
class Route:
    """One row of a component's `routes`, its defaults filled in."""

    component: str
    port: int
    path: str
    exact: bool
    access: str
    to: str
    seconds: int
    body_mb: int
    streams: bool
    per_minute: int | None
    secret: bool

    @property
    def name(self) -> str:
        """A name that stays the same while the path does: Kong derives its identifiers and counters from it."""
        words = [word for word in self.path.replace(".", "").split("/") if word]
        return "-".join([*words, "exact"] if self.exact else words)

    @property
    def pattern(self) -> str:
        """The path as Kong reads it: a prefix, or an expression for the path alone."""
        return "~" + self.path.replace(".", r"\.") + "$" if self.exact else self.path


def gateway_routes(components: Components, phase: int) -> list[Route]:
    """Every route of the components that a platform of this phase has; planned ones have none yet."""
    found: list[Route] = []
    for component, row in components.items():
        if int(row["phase"]) <= phase and not row.get("planned"):
            found += [_route(component, row, entry) for entry in row.get("routes", ())]
    names = [route.name for route in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise AnsibleFilterError(f"two routes of the component table lead to the same path: {', '.join(twice)}")
    return found


def _route(component: str, row: Mapping[str, Any], entry: Mapping[str, Any]) -> Route:
    def refuse(why: str) -> AnsibleFilterError:
        return AnsibleFilterError(f"component {component}, route {dict(entry)}: {why}")

    unknown = sorted(set(entry) - ROUTE_FIELDS)
    if unknown:
        raise refuse(f"unknown {', '.join(unknown)}; allowed: {', '.join(sorted(ROUTE_FIELDS))}")
    if ("exact" in entry) == ("below" in entry):
        raise refuse("it needs either exact or below")
    if entry.get("access") not in ACCESS:
        raise refuse(f"access is {entry.get('access')!r}; allowed: {', '.join(ACCESS)}")
    exact, closed = "exact" in entry, entry["access"] == "closed"
    path = str(entry["exact" if exact else "below"])
    if not PATH.fullmatch(path):
        raise refuse(f"a path has letters, digits, dots, dashes and underscores between slashes, not {path!r}")
    if entry.get("secret") and exact:
        raise refuse("an exact path is no secret; below one a secret may follow")
    if not exact and not closed and not path.endswith("/"):
        raise refuse("below must end with a slash, or it would let through paths that only begin alike")
    prefix = next((p for p in row.get("paths", ()) if path.startswith(f"{p}/")), None)
    if prefix is None:
        raise refuse(f"it is not below the component's paths, {', '.join(row.get('paths', ())) or 'none'}")
    ports = {str(port["name"]): int(port["port"]) for port in row["ports"]}
    if "http" not in ports:
        raise refuse("the component has no port called http")
    return Route(
        component=component,
        port=ports["http"],
        path=path,
        exact=exact,
        access=str(entry["access"]),
        to=str(entry.get("to", path.removeprefix(prefix))),
        seconds=int(entry.get("seconds", DEFAULT_SECONDS)),
        body_mb=int(entry.get("body_mb", DEFAULT_BODY_MB)),
        streams=bool(entry.get("streams", False)),
        per_minute=entry.get("per_minute"),
        secret=bool(entry.get("secret", False)),
    )


def api_routes(components: Components, phase: int) -> list[dict[str, Any]]:
    """The same as plain data, for whoever tells people about them."""
    return [asdict(route) for route in gateway_routes(components, phase)]


def kong_configuration(
    components: Components,
    phase: int,
    *,
    secrets: Mapping[str, str],
    limits: Mapping[str, int],
    origins: Sequence[str],
    redis: Mapping[str, Any],
    connect_seconds: int,
) -> dict[str, Any]:
    """The whole declarative file as data.

    `secrets` are the platform's: the keys by name, and those still accepted as `<name>_previous`. `limits` are requests
    a minute: `client` for one address, `service` for the service role, per route. `redis` has host, port, username and
    password of the counters. `connect_seconds` is how long a request waits for a service that restarts.
    """
    routes = gateway_routes(components, phase)
    opened = [route for route in routes if route.access != "closed"]
    return {
        "_format_version": "3.0",
        "services": [_service(route, connect_seconds) for route in opened],
        "routes": [_kong_route(route) for route in routes if route.access == "closed"],
        "consumers": [*(_consumer(name, names, secrets) for name, names in CONSUMERS.items()), {"username": NOBODY}],
        "plugins": [
            *_plugins_of_every_request(origins),
            *(plugin for route in opened for plugin in _plugins(route, secrets, limits, redis)),
            *(_closed(route) for route in routes if route.access == "closed"),
        ],
    }


def _service(route: Route, connect_seconds: int) -> dict[str, Any]:
    # One for each route, because Kong keeps timeouts with the service.
    return {
        "name": route.name,
        "url": f"http://{route.component}:{route.port}{route.to}",
        # A request waits while it connects, and is sent once: whatever failed after that may have been done.
        "retries": 0,
        "connect_timeout": connect_seconds * 1000,
        "read_timeout": route.seconds * 1000,
        "write_timeout": route.seconds * 1000,
        "routes": [_kong_route(route)],
    }


def _kong_route(route: Route) -> dict[str, Any]:
    return {
        "name": route.name,
        "paths": [route.pattern],
        "strip_path": True,
        "preserve_host": False,
        "request_buffering": not route.streams,
        "response_buffering": not route.streams,
    }


def _consumer(name: str, names: Sequence[str], secrets: Mapping[str, str]) -> dict[str, Any]:
    present = [secrets.get(key, "") for key in names]
    missing = [key for key, value in zip(names, present, strict=True) if not value]
    if missing:
        # Kong would make up a random key in its place and refuse everybody without a word.
        raise AnsibleFilterError(f"no gateway without keys: {', '.join(missing)} is missing or empty")
    previous = [secrets[f"{key}_previous"] for key in names if secrets.get(f"{key}_previous")]
    return {
        "username": name,
        "keyauth_credentials": [{"key": key} for key in dict.fromkeys([*present, *previous])],
        "acls": [{"group": name}],
    }


def _plugins_of_every_request(origins: Sequence[str]) -> list[Plugin]:
    return [
        {
            "name": "correlation-id",
            "config": {"header_name": REQUEST_ID, "generator": "uuid", "echo_downstream": True},
        },
        {
            "name": "cors",
            "config": {
                "origins": list(origins),
                "methods": list(METHODS),
                "exposed_headers": list(EXPOSED),
                "max_age": 3600,
                "credentials": False,
            },
        },
        {
            "name": "prometheus",
            "config": {"status_code_metrics": True, "latency_metrics": True, "bandwidth_metrics": True},
        },
    ]


def _plugins(
    route: Route, secrets: Mapping[str, str], limits: Mapping[str, int], redis: Mapping[str, Any]
) -> list[Plugin]:
    made = [_rate(route, route.per_minute or limits["client"], "ip", redis)]
    if not route.streams:
        made.append(
            _on(
                route,
                "request-size-limiting",
                {"allowed_payload_size": route.body_mb, "size_unit": "megabytes", "require_content_length": False},
            )
        )
    if route.access == "public":
        return made
    made.append(_on(route, "key-auth", _key_auth(optional=route.access == "optional")))
    if route.access in GROUPS_OF:
        made.append(_on(route, "acl", {"allow": list(GROUPS_OF[route.access]), "hide_groups_header": True}))
    if route.access != "service":
        made.append(_translation(route, "anon", secrets["anon_key"]))
    made.append(_translation(route, "service_role", secrets["service_role_key"]))
    # The service role is one client with many users behind it; its counter is its own.
    made.append(_rate(route, limits["service"], "consumer", redis) | {"consumer": "service_role"})
    return made


def _on(route: Route, name: str, config: Mapping[str, Any]) -> Plugin:
    return {"name": name, "route": route.name, "config": dict(config)}


def _key_auth(*, optional: bool) -> dict[str, Any]:
    config: dict[str, Any] = {
        "key_names": ["apikey"],
        "key_in_header": True,
        "key_in_query": False,
        "key_in_body": False,
        # No service needs the key: each gets a token.
        "hide_credentials": True,
    }
    return config | ({"anonymous": NOBODY} if optional else {})


def _translation(route: Route, consumer: str, token: str) -> Plugin:
    """A user's own token stays; without one, or with an opaque key in its place, services get the role's token."""
    given = "headers.authorization"
    own = f"({given} or '') ~= '' and {given}:lower():sub(1, 10) ~= 'bearer sb_'"
    header = f"Authorization:$({own} and {given} or 'Bearer {token}')"
    config = {"add": {"headers": [header]}, "replace": {"headers": [header]}}
    return _on(route, "request-transformer", config) | {"consumer": consumer}


def _rate(route: Route, per_minute: int, limit_by: str, redis: Mapping[str, Any]) -> Plugin:
    return _on(
        route,
        "rate-limiting",
        {
            "minute": per_minute,
            "limit_by": limit_by,
            "policy": "redis",
            # Without its counters the gateway lets requests through rather than nobody in.
            "fault_tolerant": True,
            "redis": {**redis, "timeout": 1000},
        },
    )


def _closed(route: Route) -> Plugin:
    return _on(route, "request-termination", {"status_code": 403, "message": "This endpoint is not public"})


def kong_peers(components: Components, phase: int) -> list[str]:
    """The components that requests are led to."""
    return list(_by_component([route for route in gateway_routes(components, phase) if route.access != "closed"]))


def kong_passing(components: Components, phase: int) -> dict[str, dict[str, Any]]:
    """What the edge must let through for a component's routes: its largest body, whether unbuffered, how long at most.

    Planned components count: their names answer before they do.
    """
    there = {name: {**row, "planned": False} for name, row in components.items()}
    opened = [route for route in gateway_routes(there, phase) if route.access != "closed"]
    return {
        component: {
            "body": "0" if any(r.streams for r in own) else f"{max(r.body_mb for r in own)}m",
            "streams": any(r.streams for r in own),
            "seconds": max(r.seconds for r in own),
        }
        for component, own in _by_component(opened).items()
    }


def _by_component(routes: Sequence[Route]) -> dict[str, list[Route]]:
    found: dict[str, list[Route]] = {}
    for route in routes:
        found.setdefault(route.component, []).append(route)
    return found


def secret_paths(components: Components, phase: int) -> list[str]:
    """The paths below which a secret follows, which no log may spell out."""
    return [route.path for route in gateway_routes(components, phase) if route.secret]


def kong_plugins(_components: Components) -> str:
    """The plugins that the configuration uses, as KONG_PLUGINS takes them: the list replaces Kong's own."""
    return ",".join(PLUGINS)


def kong_largest_body(components: Components, phase: int) -> str:
    """The largest body that any route takes, as nginx says it; 0, no limit, where a route's component has its own."""
    opened = [route for route in gateway_routes(components, phase) if route.access != "closed"]
    return "0" if any(route.streams for route in opened) else f"{max((r.body_mb for r in opened), default=1)}m"


def kong_probe(components: Components, phase: int) -> str:
    """A path that only the service role may ask for: it tells every kind of key apart. Empty where there is none."""
    return next((route.path for route in gateway_routes(components, phase) if route.access == "service"), "")


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {
            "api_routes": api_routes,
            "kong_configuration": kong_configuration,
            "kong_largest_body": kong_largest_body,
            "kong_passing": kong_passing,
            "kong_peers": kong_peers,
            "kong_plugins": kong_plugins,
            "kong_probe": kong_probe,
            "secret_paths": secret_paths,
        }
