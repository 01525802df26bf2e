"""Cloud firewalls."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any, override

from sandbox import machine
from sandbox.cloud import catalog
from sandbox.cloud.account import Account, ApiError, new_uuid, refuse_duplicate
from sandbox.cloud.kind import UNKNOWN, Failure, Kind, Property, Values, record
from sandbox.state import Record

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}")
_PROTOCOLS = ("tcp", "udp", "icmp")
_LAST_PORT = 65535


class Firewall(Kind):
    """Packet filter in front of droplets; what it does not allow, it drops."""

    resource_type = "digitalocean:index/firewall:Firewall"
    collection = "firewalls"
    properties = (
        Property("name", str, autoname=True),
        Property("dropletIds", list),
        Property("tags", list),
        Property("inboundRules", list),
        Property("outboundRules", list),
    )
    computed = ("createdAt", "pendingChanges", "status")

    @override
    def check(self, inputs: Values) -> Iterator[Failure]:
        """Validate as the API does."""
        name = inputs.get("name")
        if isinstance(name, str) and not _NAME.fullmatch(name):
            yield (
                "name",
                f"name must only contain alphanumeric characters, periods, dashes and underscores, got {name!r}",
            )
        yield from catalog.tags(inputs.get("tags"))
        if not inputs.get("inboundRules") and not inputs.get("outboundRules"):
            yield "inboundRules", "At least one rule must be specified"
        for property_name, side in (("inboundRules", "source"), ("outboundRules", "destination")):
            rules = inputs.get(property_name)
            for number, rule in enumerate(rules if isinstance(rules, list) else []):
                if isinstance(rule, dict):
                    yield from ((f"{property_name}[{number}]", reason) for reason in _check_rule(rule, side))

    @override
    def create(self, account: Account, inputs: Values, urn: str) -> str:
        """Put the filter in place."""
        with account.state.change() as state:
            refuse_duplicate(state, self.collection, "name", inputs["name"], "duplicate name")
            ident = new_uuid()
            state.setdefault(self.collection, {})[ident] = record(ident, urn, **_fields(state, inputs))
        machine.refresh_all(account.home, account.state)
        return ident

    @override
    def outputs(self, account: Account, record: Record) -> Values:
        """What the API tells about a firewall."""
        return {
            "name": record["name"],
            "dropletIds": record["droplet_ids"],
            "tags": record["tags"],
            "inboundRules": record["inbound_rules"],
            "outboundRules": record["outbound_rules"],
            "createdAt": record["created_at"],
            "pendingChanges": [],
            "status": "succeeded",
        }

    @override
    def update(self, account: Account, ident: str, inputs: Values) -> None:
        """Change the filter; connections that are open and still allowed go on."""
        account.get(self.collection, ident)
        with account.state.change() as state:
            state[self.collection][ident].update(_fields(state, inputs))
        machine.refresh_all(account.home, account.state)

    @override
    def delete(self, account: Account, ident: str) -> None:
        """Take the filter away."""
        with account.state.change() as state:
            state.get(self.collection, {}).pop(ident, None)
        machine.refresh_all(account.home, account.state)


def _fields(state: dict[str, Any], inputs: Values) -> Values:
    for droplet_id in inputs.get("dropletIds") or []:
        if str(droplet_id) not in state.get("droplets", {}):
            raise ApiError(422, f"droplet {droplet_id} does not exist")
    return {
        "name": inputs["name"],
        "droplet_ids": inputs.get("dropletIds") or [],
        "tags": inputs.get("tags") or [],
        "inbound_rules": inputs.get("inboundRules") or [],
        "outbound_rules": inputs.get("outboundRules") or [],
    }


def _check_rule(rule: Values, side: str) -> Iterator[str]:
    protocol, ports = rule.get("protocol"), rule.get("portRange")
    if protocol is not UNKNOWN and protocol not in _PROTOCOLS:
        yield f"expected protocol to be one of {', '.join(_PROTOCOLS)}, got {protocol!r}"
    if protocol in ("tcp", "udp") and not ports:
        yield f"portRange is required for protocol {protocol}"
    if protocol == "icmp" and ports:
        yield "portRange has no meaning for protocol icmp"
    if isinstance(ports, str) and not _is_port_range(ports):
        yield f"portRange must be a port, a range such as 8000-9000, or all, got {ports!r}"
    for unsupported in ("LoadBalancerUids", "KubernetesIds"):
        if rule.get(side + unsupported):
            yield f"the sandbox does not offer {side}{unsupported}"
    if not any(rule.get(side + word) for word in ("Addresses", "DropletIds", "Tags")):
        yield f"a rule needs at least one of {side}Addresses, {side}DropletIds, {side}Tags"
    addresses = rule.get(f"{side}Addresses")
    for address in addresses if isinstance(addresses, list) else []:
        try:
            if address is not UNKNOWN:
                ipaddress.ip_network(address)
        except ValueError as error:
            yield f"{side}Addresses: {error}"


def _is_port_range(text: str) -> bool:
    if text == "all":
        return True
    if not re.fullmatch(r"\d{1,5}(-\d{1,5})?", text):
        return False
    ports = [int(port) for port in text.split("-")]
    return ports == sorted(ports) and ports[-1] <= _LAST_PORT
