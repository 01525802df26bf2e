"""Tells networks and addresses from what is none."""

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any


def not_networks(values: Iterable[object]) -> list[str]:
    """Those of the values that are no network written as a CIDR."""
    return [str(value) for value in values if not _is_network(str(value))]


def in_network(address: str, network: str) -> bool:
    """Whether an address is one of a network; False when either is malformed."""
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network)
    except ValueError:
        return False


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return "/" in text


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"in_network": in_network, "not_networks": not_networks}
