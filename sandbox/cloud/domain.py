"""Domains and their DNS records."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any, override

from sandbox.cloud import catalog
from sandbox.cloud.account import Account, ApiError, new_number
from sandbox.cloud.kind import UNKNOWN, Failure, Kind, Property, Values, record
from sandbox.services import acme, container, dns
from sandbox.state import Record

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_LONGEST_NAME = 253
_TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "SRV", "TXT")
_NAMES_A_HOST = ("CNAME", "MX", "NS", "SRV")
_CAA_TAGS = ("issue", "issuewild", "iodef")
_DEFAULT_TTL = 1800
_SHORTEST_TTL = 30
_NEEDED = {"MX": ("priority",), "SRV": ("priority", "weight", "port"), "CAA": ("flags", "tag")}


class Domain(Kind):
    """A zone, served by the sandbox's DNS server."""

    resource_type = "digitalocean:index/domain:Domain"
    collection = "domains"
    properties = (
        Property("name", str, required=True, replaces=True),
        Property("ipAddress", str, replaces=True, write_only=True),
    )
    computed = ("domainUrn", "ttl")

    @override
    def check(self, inputs: Values) -> Iterator[Failure]:
        """Validate as the API does."""
        name, address = inputs.get("name"), inputs.get("ipAddress")
        if isinstance(name, str) and (not _is_host_name(name) or "." not in name):
            yield "name", f"expected a domain name such as example.com, got {name!r}"
        if isinstance(address, str) and not _is_address(address, 4):
            yield "ipAddress", f"expected an IPv4 address, got {address!r}"

    @override
    def create(self, account: Account, inputs: Values, urn: str) -> str:
        """Add the zone."""
        name = inputs["name"]
        with account.state.change() as state:
            if name in state.get(self.collection, {}):
                raise ApiError(422, "domain name already exists")
            state.setdefault(self.collection, {})[name] = record(name, urn, name=name, ttl=_DEFAULT_TTL)
            if inputs.get("ipAddress"):
                number = new_number(state)
                state.setdefault("dns_records", {})[str(number)] = record(
                    number, urn, domain=name, name="@", type="A", value=inputs["ipAddress"], ttl=_DEFAULT_TTL
                )
        _serve(account)
        return str(name)

    @override
    def outputs(self, account: Account, record: Record) -> Values:
        """What the API tells about a domain."""
        return {"name": record["name"], "ttl": record["ttl"], "domainUrn": f"do:domain:{record['name']}"}

    @override
    def update(self, account: Account, ident: str, inputs: Values) -> None:
        """Nothing of a domain can change in place."""

    @override
    def delete(self, account: Account, ident: str) -> None:
        """Remove the zone with its records."""
        with account.state.change() as state:
            state.get(self.collection, {}).pop(ident, None)
            records = state.get("dns_records", {})
            for number in [number for number, entry in records.items() if entry["domain"] == ident]:
                del records[number]
        _serve(account)


class DnsRecord(Kind):
    """A record of a zone."""

    resource_type = "digitalocean:index/dnsRecord:DnsRecord"
    collection = "dns_records"
    properties = (
        Property("domain", str, required=True, replaces=True),
        Property("type", str, required=True, replaces=True),
        Property("name", str, autoname=True),
        Property("value", str, required=True),
        Property("ttl", int, computed=True),
        Property("priority", int),
        Property("weight", int),
        Property("port", int),
        Property("flags", int),
        Property("tag", str),
    )
    computed = ("fqdn", "ttl")

    @override
    def check(self, inputs: Values) -> Iterator[Failure]:
        """Validate as the API does."""
        kind, name, value, ttl = (inputs.get(key) for key in ("type", "name", "value", "ttl"))
        yield from catalog.one_of("type", kind, _TYPES)
        if isinstance(name, str) and name not in ("@", "*") and not _is_host_name(name.removeprefix("*.")):
            yield "name", f"expected @, *, or a name below the domain, got {name!r}"
        if isinstance(ttl, int) and ttl < _SHORTEST_TTL:
            yield "ttl", f"expected ttl to be at least {_SHORTEST_TTL}, got {ttl}"
        for needed in _NEEDED.get(str(kind), ()):
            if inputs.get(needed) is None:
                yield needed, f"{needed} is required for type {kind}"
        if isinstance(value, str):
            yield from _check_value(str(kind), value)
        if inputs.get("tag") not in (None, UNKNOWN, *_CAA_TAGS):
            yield "tag", f"expected tag to be one of {', '.join(_CAA_TAGS)}, got {inputs['tag']!r}"

    @override
    def create(self, account: Account, inputs: Values, urn: str) -> str:
        """Add the record; the DNS server answers with it at once."""
        with account.state.change() as state:
            _refuse_conflicts(state, inputs, None)
            number = new_number(state)
            state.setdefault(self.collection, {})[str(number)] = record(number, urn, **_fields(inputs))
        _serve(account)
        return str(number)

    @override
    def outputs(self, account: Account, record: Record) -> Values:
        """What the API tells about a record."""
        name, domain = record["name"], record["domain"]
        told = {
            key: record.get(key)
            for key in ("domain", "type", "name", "value", "ttl", "priority", "weight", "port", "flags", "tag")
        }
        return told | {"fqdn": domain if name == "@" else f"{name}.{domain}"}

    @override
    def update(self, account: Account, ident: str, inputs: Values) -> None:
        """Change the record."""
        account.get(self.collection, ident)
        with account.state.change() as state:
            _refuse_conflicts(state, inputs, ident)
            state[self.collection][ident].update(_fields(inputs))
        _serve(account)

    @override
    def delete(self, account: Account, ident: str) -> None:
        """Remove the record."""
        with account.state.change() as state:
            state.get(self.collection, {}).pop(ident, None)
        _serve(account)


def _serve(account: Account) -> None:
    """Bring the change to the DNS server; certificates can be had for as long as there are names."""
    dns.serve(account.home, account.state)
    if account.state.read().get("domains"):
        acme.ensure(account.home)
    else:
        container.remove(account.home, "acme")


def _fields(inputs: Values) -> Values:
    fields = {
        key: inputs.get(key)
        for key in ("domain", "type", "name", "value", "priority", "weight", "port", "flags", "tag")
    }
    return fields | {"ttl": inputs.get("ttl") or _DEFAULT_TTL}


def _refuse_conflicts(state: dict[str, Any], inputs: Values, own: str | None) -> None:
    """Rules between the records of one name."""
    new = _fields(inputs)
    if new["domain"] not in state.get("domains", {}):
        raise ApiError(404, f"domain {new['domain']} could not be found")
    for ident, other in state.get("dns_records", {}).items():
        if ident == own or (other["domain"], other["name"]) != (new["domain"], new["name"]):
            continue
        if "CNAME" in (new["type"], other["type"]):
            raise ApiError(422, "CNAME records cannot share a name with other records")
        if other["type"] == new["type"] and other["value"] == new["value"]:
            raise ApiError(422, f"a {new['type']} record of {new['name']} with this value already exists")
        if other["type"] == new["type"] and other["ttl"] != new["ttl"]:
            raise ApiError(
                422, f"records with the same name and type must have the same TTL ({other['ttl']}), got {new['ttl']}"
            )


def _check_value(kind: str, value: str) -> Iterator[Failure]:
    if kind == "A" and not _is_address(value, 4):
        yield "value", f"Data needs to be a valid IPv4 address, got {value!r}"
    if kind == "AAAA" and not _is_address(value, 6):
        yield "value", f"Data needs to be a valid IPv6 address, got {value!r}"
    if kind in _NAMES_A_HOST and value != "@":
        if not value.endswith("."):
            yield "value", f"Data needs to end with a dot (.), got {value!r}"
        elif not _is_host_name(value.removesuffix(".")):
            yield "value", f"Data needs to be a valid hostname, got {value!r}"


def _is_host_name(name: str) -> bool:
    return len(name) <= _LONGEST_NAME and all(_LABEL.fullmatch(label) for label in name.lower().split("."))


def _is_address(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False
