"""Networks and addresses: a public network of the sandbox, and one link per VPC."""

import ipaddress
from collections.abc import Collection
from typing import Any

from sandbox.docker import DockerError, docker, exists
from sandbox.errors import SandboxError
from sandbox.home import Home
from sandbox.state import State

# Set aside for tests by RFC 2544: no real host has such an address, and no private network uses it.
POOL = ipaddress.ip_network("198.18.0.0/15")
_SUBNETS = list(POOL.subnets(new_prefix=24))
# The first addresses of the public network belong to the gateway and the sandbox's own services.
SERVICE_ADDRESSES = {"dns": 2, "acme": 3, "spaces": 4, "apt": 5, "mail": 6, "odoo": 7}
APT_PORT = 3142
_FIRST_DROPLET_ADDRESS = 10


def ensure_network(home: Home, name: str, *, internal: bool = False) -> ipaddress.IPv4Network:
    """Create a docker network on a free subnet unless it exists; returns its subnet."""
    # Docker gives the same name twice to two callers at once.
    with State(home).locked("networks"):
        if not exists("network", name):
            _create_network(home, name, ["--internal"] if internal else [])
    return ipaddress.IPv4Network(docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", name))


def _create_network(home: Home, name: str, options: list[str]) -> None:
    start = int(home.id, 16) % len(_SUBNETS)
    for offset in range(len(_SUBNETS)):
        subnet = _SUBNETS[(start + offset) % len(_SUBNETS)]
        try:
            docker("network", "create", "--label", home.label, "--subnet", str(subnet), *options, name)
        except DockerError as error:
            if "overlap" not in str(error).lower():
                raise
        else:
            return
    raise SandboxError(f"no free subnet left in {POOL}; remove unused networks with: docker network prune")


def public_network(home: Home) -> tuple[str, ipaddress.IPv4Network]:
    """Name and subnet of the network that stands for the internet."""
    name = home.name("network", "public")
    return name, ensure_network(home, name)


def service_address(home: Home, service: str) -> str:
    """The fixed address of one of a running sandbox's services."""
    name = home.name("network", "public")
    if not exists("network", name):
        raise SandboxError("the sandbox does not run; bring it up with: make up")
    return str(_subnet(name)[SERVICE_ADDRESSES[service]])


def free_public_address(subnet: ipaddress.IPv4Network, state: dict[str, Any]) -> str:
    """An address of the public network that no droplet and no reserved IP holds."""
    taken = {droplet["public_ip"] for droplet in state.get("droplets", {}).values()} | set(
        state.get("reserved_ips", {})
    )
    return _first_free(subnet, taken, _FIRST_DROPLET_ADDRESS)


def free_private_address(ip_range: str, taken: Collection[str]) -> str:
    """An address of a VPC that no droplet holds; the first one is the VPC's gateway."""
    return _first_free(ipaddress.IPv4Network(ip_range), taken, 2)


def _subnet(name: str) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network(docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", name))


def _first_free(subnet: ipaddress.IPv4Network, taken: Collection[str], first: int) -> str:
    for number in range(first, subnet.num_addresses - 1):
        if str(subnet[number]) not in taken:
            return str(subnet[number])
    raise SandboxError(f"no free address left in {subnet}")
