"""Reads a declarative configuration of Kong (format 3.0) and refuses whatever the stand-in would not enforce."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import yaml

Check = Callable[[Any], bool]
Fields = Mapping[str, Check]

NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
PREFIX = re.compile(r"(/[A-Za-z0-9._-]+)+/?|/")
# The only expressions of a path that are understood: one path alone.
EXACT = re.compile(r"~((/(?:[A-Za-z0-9_-]|\\\.)+)+/?)\$")
ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?")
EXPRESSION = re.compile(r"([A-Za-z][A-Za-z0-9-]*):\$\((.+)\)")
UNIT_BYTES = {"bytes": 1, "kilobytes": 1024, "megabytes": 1024 * 1024}


class DeclarationError(Exception):
    """What is wrong with the file, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def one_of(*values: object) -> Check:
    """Exactly one of these values, of the same type."""
    return lambda given: any(given == value and type(given) is type(value) for value in values)


def on(given: Any) -> bool:
    """Switched on, in so many words."""
    return given is True


def off(given: Any) -> bool:
    """Switched off, in so many words."""
    return given is False


def positive(given: Any) -> bool:
    """A whole number above zero."""
    return type(given) is int and given > 0


def text(given: Any) -> bool:
    """A text that is not empty."""
    return isinstance(given, str) and given != ""


def texts(given: Any) -> bool:
    """A list of texts."""
    return isinstance(given, list) and all(text(entry) for entry in given)


def truth(given: Any) -> bool:
    """True or false."""
    return isinstance(given, bool)


def origins(given: Any) -> bool:
    """Plain origins, or the star alone."""
    return texts(given) and (given == ["*"] or all(ORIGIN.fullmatch(entry) for entry in given))


def headers(given: Any) -> bool:
    """What request-transformer does to headers: one expression each."""
    return (
        isinstance(given, dict)
        and set(given) == {"headers"}
        and texts(given["headers"])
        and all(EXPRESSION.fullmatch(entry) for entry in given["headers"])
    )


def counters(given: Any) -> bool:
    """Where rate limits are counted."""
    return (
        isinstance(given, dict)
        and set(given) <= {"host", "port", "username", "password", "timeout"}
        and text(given.get("host"))
        and positive(given.get("port"))
        and positive(given.get("timeout"))
        and all(text(given[name]) for name in ("username", "password") if name in given)
    )


PLUGINS: Mapping[str, Fields] = {
    "acl": {"allow": texts, "hide_groups_header": on},
    "correlation-id": {"header_name": text, "generator": one_of("uuid"), "echo_downstream": truth},
    "cors": {
        "origins": origins,
        "methods": texts,
        "exposed_headers": texts,
        "max_age": positive,
        "credentials": off,
    },
    "key-auth": {
        "key_names": one_of(["apikey"]),
        "key_in_header": on,
        "key_in_query": off,
        "key_in_body": off,
        "hide_credentials": truth,
        "anonymous": text,
    },
    "prometheus": {"status_code_metrics": truth, "latency_metrics": truth, "bandwidth_metrics": truth},
    "rate-limiting": {
        "minute": positive,
        "limit_by": one_of("ip", "consumer"),
        "policy": one_of("redis", "local"),
        "fault_tolerant": truth,
        "redis": counters,
    },
    "request-size-limiting": {
        "allowed_payload_size": positive,
        "size_unit": one_of(*UNIT_BYTES),
        "require_content_length": off,
    },
    "request-termination": {"status_code": positive, "message": text},
    "request-transformer": {"add": headers, "replace": headers},
}
# What Kong would fill in with something else than what happens here must be said in the file.
REQUIRED: Mapping[str, set[str]] = {
    "acl": {"allow", "hide_groups_header"},
    "correlation-id": {"header_name", "generator", "echo_downstream"},
    "cors": {"origins", "methods", "credentials"},
    "key-auth": {"key_names", "key_in_header", "key_in_query", "key_in_body", "hide_credentials"},
    "rate-limiting": {"minute", "limit_by", "policy", "fault_tolerant"},
    "request-size-limiting": {"allowed_payload_size", "size_unit", "require_content_length"},
    "request-termination": {"status_code", "message"},
}
NO_CONSUMER = {"cors", "key-auth"}
ROUTE: Fields = {
    "name": text,
    "paths": lambda given: texts(given) and len(given) == 1,
    "strip_path": on,
    "preserve_host": off,
    "request_buffering": truth,
    "response_buffering": truth,
}
SERVICE: Fields = {
    "name": text,
    "url": text,
    "retries": one_of(0),
    "connect_timeout": positive,
    "read_timeout": positive,
    "write_timeout": positive,
    "routes": lambda given: isinstance(given, list) and bool(given),
}
CONSUMER: Fields = {
    "username": text,
    "keyauth_credentials": lambda given: isinstance(given, list),
    "acls": lambda given: isinstance(given, list),
}
DOCUMENT: Fields = {
    "_format_version": one_of("3.0"),
    **dict.fromkeys(("services", "routes", "consumers", "plugins"), lambda given: isinstance(given, list)),
}


def read(document: str, enabled: set[str]) -> dict[str, Any]:
    """The plan for gateway.lua, or everything that is wrong; `enabled` are the plugins of KONG_PLUGINS."""
    try:
        declared = yaml.safe_load(document)
    except yaml.YAMLError as error:
        raise DeclarationError([f"failed parsing declarative configuration: {error}"]) from None
    reader = _Reader(enabled)
    plan = reader.read(declared)
    if reader.problems:
        raise DeclarationError(reader.problems)
    return plan


class _Reader:
    """Collects what is wrong while it reads, so that all of it is said at once."""

    def __init__(self, enabled: set[str]) -> None:
        self.enabled = enabled
        self.problems: list[str] = []
        self.routes: dict[str, dict[str, Any]] = {}
        self.consumers: dict[str, dict[str, Any]] = {}
        self.credentials: dict[str, str] = {}

    def read(self, declared: Any) -> dict[str, Any]:
        if not self._fields("the file", declared, DOCUMENT, {"_format_version"}):
            return {}
        for service in declared.get("services", []):
            self._service(service)
        for route in declared.get("routes", []):
            self._route(route, None)
        for consumer in declared.get("consumers", []):
            self._consumer(consumer)
        plugins = [self._plugin(plugin) for plugin in declared.get("plugins", [])]
        scopes = [(plugin.get("name"), plugin.get("route"), plugin.get("consumer")) for plugin in plugins]
        for scope in {scope for scope in scopes if scopes.count(scope) > 1}:
            self.problems.append(f"uniqueness violation: 'plugins' entity with {scope} already declared")
        paths = [(route["exact"], route["path"]) for route in self.routes.values()]
        for _, path in {path for path in paths if paths.count(path) > 1}:
            self.problems.append(f"two routes lead to {path}")
        self._closed_routes_are_closed(plugins)
        ordered = sorted(self.routes.values(), key=lambda route: (not route["exact"], -len(route["path"])))
        return {
            "routes": ordered,
            "consumers": self.consumers,
            "credentials": self.credentials,
            "plugins": plugins,
        }

    def _closed_routes_are_closed(self, plugins: list[dict[str, Any]]) -> None:
        terminated = {plugin.get("route") for plugin in plugins if plugin.get("name") == "request-termination"}
        for name, route in self.routes.items():
            if route["host"] is None and name not in terminated:
                self.problems.append(f"route {name} has neither a service nor request-termination")

    def _fields(self, where: str, given: Any, fields: Fields, required: set[str]) -> bool:
        """Whether something has known fields with understood values; says what is wrong otherwise."""
        before = len(self.problems)
        if not isinstance(given, dict):
            self.problems.append(f"{where}: expected a record")
            return False
        for name in sorted(set(given) - set(fields)):
            self.problems.append(f"{where}: in '{name}': unknown field (to the stand-in, maybe not to Kong)")
        for name in sorted(required - set(given)):
            self.problems.append(f"{where}: in '{name}': required field missing")
        for name in fields:
            if name in given and not fields[name](given[name]):
                self.problems.append(f"{where}: in '{name}': the stand-in does not understand this value")
        return len(self.problems) == before

    def _service(self, service: Any) -> None:
        required = {"name", "url", "routes", "retries", "connect_timeout", "read_timeout", "write_timeout"}
        if not self._fields(f"service {_name(service)}", service, SERVICE, required):
            return
        for route in service["routes"]:
            self._route(route, service)

    def _route(self, route: Any, service: dict[str, Any] | None) -> None:
        where = f"route {_name(route)}"
        if not self._fields(where, route, ROUTE, set(ROUTE)):
            return
        if route["name"] in self.routes:
            self.problems.append(f"uniqueness violation: 'routes' entity with name '{route['name']}' already declared")
        if not NAME.fullmatch(route["name"]):
            self.problems.append(f"{where}: in 'name': the stand-in takes lower-case letters, digits, - and _")
        (path,) = route["paths"]
        exact = EXACT.fullmatch(path)
        if not exact and not PREFIX.fullmatch(path):
            self.problems.append(f"{where}: in 'paths': should be a fixed path, or ~/path$ for one path alone")
        found = {
            "name": route["name"],
            "exact": bool(exact),
            "path": exact[1].replace("\\.", ".") if exact else path,
            "request_buffering": route["request_buffering"],
            "response_buffering": route["response_buffering"],
            "host": None,
        }
        self.routes[route["name"]] = found
        if service is None:
            return
        target = urlsplit(service["url"])
        if target.scheme != "http" or not target.hostname or target.query or target.username:
            self.problems.append(f"service {service['name']}: in 'url': the stand-in takes http://host:port/path")
            return
        found |= {
            "service": service["name"],
            "host": target.hostname,
            "port": target.port or 80,
            "base": target.path or "/",
            **{f"{what}_ms": service[f"{what}_timeout"] for what in ("connect", "read", "write")},
        }

    def _consumer(self, consumer: Any) -> None:
        where = f"consumer {_name(consumer, 'username')}"
        if not self._fields(where, consumer, CONSUMER, {"username"}):
            return
        name = consumer["username"]
        if name in self.consumers:
            self.problems.append(f"uniqueness violation: 'consumers' entity with username '{name}' already declared")
        acls = [acl for acl in consumer.get("acls", []) if self._fields(where, acl, {"group": text}, {"group"})]
        self.consumers[name] = {"groups": [acl["group"] for acl in acls]}
        for credential in consumer.get("keyauth_credentials", []):
            # Kong makes up a random key for an empty one; nobody wants that.
            if not self._fields(where, credential, {"key": text}, {"key"}):
                continue
            if credential["key"] in self.credentials:
                self.problems.append(f"{where}: uniqueness violation: 'keyauth_credentials' entity already declared")
            self.credentials[credential["key"]] = name

    def _plugin(self, plugin: Any) -> dict[str, Any]:
        name = plugin.get("name") if isinstance(plugin, dict) else None
        if name not in PLUGINS or name not in self.enabled:
            self.problems.append(f"plugin '{name}' not enabled; add it to the 'plugins' configuration property")
            return {}
        where = f"plugin {name} of {plugin.get('route', 'every route')}"
        shape: Fields = {
            "name": text,
            "route": lambda given: given in self.routes,
            "consumer": lambda given: given in self.consumers,
            "config": lambda given: isinstance(given, dict),
        }
        if not self._fields(where, plugin, shape, {"name", "config"}):
            return {}
        config = plugin["config"]
        self._fields(where, config, PLUGINS[name], REQUIRED.get(name, set()))
        if "consumer" in plugin and name in NO_CONSUMER:
            self.problems.append(f"{where}: in 'consumer': value must be null")
        if name == "rate-limiting" and config.get("policy") == "redis" and "redis" not in config:
            self.problems.append(f"{where}: in 'redis': required field missing")
        if name == "key-auth" and config.get("anonymous", next(iter(self.consumers), None)) not in self.consumers:
            self.problems.append(f"{where}: in 'anonymous': no such consumer")
        understood = dict(config)
        if name == "request-size-limiting" and config.get("size_unit") in UNIT_BYTES:
            understood["bytes"] = config["allowed_payload_size"] * UNIT_BYTES[config["size_unit"]]
        if name == "request-transformer":
            understood = {
                verb: [dict(zip(("name", "expression"), m.groups(), strict=True)) for m in _expressions(config, verb)]
                for verb in ("replace", "add")
            }
        return {**plugin, "config": understood}


def _expressions(config: Mapping[str, Any], verb: str) -> list[re.Match[str]]:
    entries = config.get(verb, {}).get("headers", []) if headers(config.get(verb)) else []
    return [match for entry in entries if (match := EXPRESSION.fullmatch(entry))]


def _name(entity: Any, field: str = "name") -> str:
    return str(entity.get(field, "without a name")) if isinstance(entity, dict) else "that is none"
