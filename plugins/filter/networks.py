"""Networks and addresses: what is one, and which belongs to whom."""

import ipaddress
from collections.abc import Callable, Iterable, Mapping
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


def component_address(components: Mapping[str, Mapping[str, Any]], component: str, subnet: str) -> str:
    """The address of a component's container on the bridge; empty where the table gives it none."""
    number = components.get(component, {}).get("address")
    return str(ipaddress.ip_network(subnet)[int(number)]) if number else ""


def link_address(address: str) -> str:
    """The hardware address that goes with an address: others know it by heart, and it outlives a restart."""
    return ":".join(["02", "00", *(f"{octet:02x}" for octet in ipaddress.IPv4Address(address).packed)])


def lower_half(subnet: str) -> str:
    """The first half of a network: addresses for whoever asks. The second one's are given by name."""
    return str(next(ipaddress.ip_network(subnet).subnets()))


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
        return {
            "component_address": component_address,
            "in_network": in_network,
            "link_address": link_address,
            "lower_half": lower_half,
            "not_networks": not_networks,
        }
