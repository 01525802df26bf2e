"""Compares the sockets a server listens on with the component table."""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_DNS_PORT = 53


def unexpected_listeners(
    sockets: Sequence[Mapping[str, Any]], public: Sequence[int], bridge: Sequence[int], gateway: str
) -> list[str]:
    """A sentence for each TCP socket that others than this machine reach and no port of the table explains.

    sockets are rows of community.general.listen_ports_facts; public and bridge are the ports the table opens to the
    world and to the containers; gateway is this machine's address on the container bridge, where DNS for containers
    listens too.
    """
    return sorted(
        f"{socket['name'] or 'a process'} (pid {socket['pid']}) listens on {socket['address']} port {socket['port']}"
        for socket in sockets
        if not _is_expected(_address(socket["address"]), int(socket["port"]), public, bridge, gateway)
    )


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address as ss prints it: a bare star is every address, and an interface may follow a percent sign."""
    return ipaddress.ip_address("::" if text == "*" else text.strip("[]").split("%")[0])


def _is_expected(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    port: int,
    public: Sequence[int],
    bridge: Sequence[int],
    gateway: str,
) -> bool:
    if address.is_loopback or port in public:
        return True
    return address == ipaddress.ip_address(gateway) and (port in bridge or port == _DNS_PORT)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"unexpected_listeners": unexpected_listeners}
