"""Virtual private clouds."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any, override

from sandbox import machine
from sandbox.cloud import catalog
from sandbox.cloud.account import Account, ApiError, new_uuid, refuse_duplicate
from sandbox.cloud.kind import Failure, Kind, Property, Values, record
from sandbox.docker import docker, exists
from sandbox.state import Record

_NAME = re.compile(r"[A-Za-z0-9.-]{1,255}")
_PREFIXES = range(16, 29)
_PRIVATE = [ipaddress.IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
# DigitalOcean's own networks.
_RESERVED = [
    ipaddress.IPv4Network(block) for block in ("10.244.0.0/16", "10.245.0.0/16", "10.246.0.0/24", "10.229.0.0/16")
]
_AUTOMATIC = list(ipaddress.IPv4Network("10.100.0.0/14").subnets(new_prefix=20))


class Vpc(Kind):
    """A private network of droplets."""

    resource_type = "digitalocean:index/vpc:Vpc"
    collection = "vpcs"
    properties = (
        Property("name", str, autoname=True),
        Property("region", str, required=True, replaces=True),
        Property("description", str),
        Property("ipRange", str, replaces=True, computed=True),
    )
    computed = ("createdAt", "default", "vpcUrn", "ipRange")

    @override
    def check(self, inputs: Values) -> Iterator[Failure]:
        """Validate as the API does."""
        yield from catalog.one_of("region", inputs.get("region"), catalog.REGIONS)
        name, ip_range = inputs.get("name"), inputs.get("ipRange")
        if isinstance(name, str) and not _NAME.fullmatch(name):
            yield "name", f"name may only contain alphanumeric characters, dashes, and periods, got {name!r}"
        if isinstance(ip_range, str):
            yield from _check_range(ip_range)

    @override
    def create(self, account: Account, inputs: Values, urn: str) -> str:
        """Make the network; its link appears with its first droplet."""
        with account.state.change() as state:
            refuse_duplicate(state, self.collection, "name", inputs["name"], "a VPC with this name already exists")
            ip_range = inputs.get("ipRange") or _free_range(state)
            for other in state.get(self.collection, {}).values():
                if ipaddress.IPv4Network(other["ip_range"]).overlaps(ipaddress.IPv4Network(ip_range)):
                    raise ApiError(
                        422, f"This range/size overlaps with another VPC network in your account: {other['ip_range']}"
                    )
            ident = new_uuid()
            state.setdefault(self.collection, {})[ident] = record(
                ident,
                urn,
                name=inputs["name"],
                region=inputs["region"],
                description=inputs.get("description") or "",
                ip_range=ip_range,
            )
        return ident

    @override
    def outputs(self, account: Account, record: Record) -> Values:
        """What the API tells about a VPC."""
        return {
            "name": record["name"],
            "region": record["region"],
            "description": record["description"],
            "ipRange": record["ip_range"],
            "createdAt": record["created_at"],
            "default": False,
            "vpcUrn": f"do:vpc:{record['id']}",
        }

    @override
    def update(self, account: Account, ident: str, inputs: Values) -> None:
        """Rename or describe the network."""
        account.get(self.collection, ident)
        with account.state.change() as state:
            state[self.collection][ident].update(name=inputs["name"], description=inputs.get("description") or "")

    @override
    def delete(self, account: Account, ident: str) -> None:
        """Remove the network once it is empty."""
        with account.state.change() as state:
            if any(droplet["vpc_uuid"] == ident for droplet in state.get("droplets", {}).values()):
                raise ApiError(409, "Can not delete VPC with members")
            state.get(self.collection, {}).pop(ident, None)
            link = machine.vpc_network(account.home, ident)
            if exists("network", link):
                docker("network", "rm", link)


def _check_range(ip_range: str) -> Iterator[Failure]:
    try:
        network = ipaddress.IPv4Network(ip_range)
    except ValueError as error:
        yield "ipRange", f"expected a network in CIDR notation such as 10.10.10.0/24: {error}"
        return
    if network.prefixlen not in _PREFIXES:
        yield "ipRange", f"the range must be between /28 and /16 in size, got {ip_range}"
    elif not any(network.subnet_of(block) for block in _PRIVATE):
        yield "ipRange", f"the range must lie in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16, got {ip_range}"
    elif any(network.overlaps(block) for block in _RESERVED):
        yield "ipRange", f"the range {ip_range} overlaps with a network reserved by DigitalOcean"


def _free_range(state: dict[str, Any]) -> str:
    taken = [ipaddress.IPv4Network(vpc["ip_range"]) for vpc in state.get("vpcs", {}).values()]
    for network in _AUTOMATIC:
        if not any(network.overlaps(other) for other in taken):
            return str(network)
    raise ApiError(422, "no free IP range left for a VPC")
