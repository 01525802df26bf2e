"""Which addresses droplets, reserved IPs and VPC members get."""

import ipaddress

import pytest

from sandbox.errors import SandboxError
from sandbox.network import SERVICE_ADDRESSES, free_private_address, free_public_address

SUBNET = ipaddress.IPv4Network("198.18.7.0/24")


def test_public_addresses_are_unique_across_droplets_and_reserved_ips() -> None:
    state = {"droplets": {"1": {"public_ip": "198.18.7.10"}}, "reserved_ips": {"198.18.7.11": {}}}
    assert free_public_address(SUBNET, state) == "198.18.7.12"


def test_public_addresses_never_meet_the_services() -> None:
    services = {str(SUBNET[number]) for number in SERVICE_ADDRESSES.values()}
    state: dict[str, dict[str, dict[str, str]]] = {"reserved_ips": {}}
    while True:
        try:
            address = free_public_address(SUBNET, state)
        except SandboxError:
            break
        assert address not in services
        state["reserved_ips"][address] = {}
    assert str(SUBNET.broadcast_address) not in state["reserved_ips"]


def test_private_addresses_spare_the_gateway() -> None:
    assert free_private_address("10.0.0.0/28", []) == "10.0.0.2"
    assert free_private_address("10.0.0.0/28", ["10.0.0.2"]) == "10.0.0.3"


def test_full_vpc_is_an_error() -> None:
    taken = [f"10.0.0.{number}" for number in range(2, 15)]
    with pytest.raises(SandboxError, match=r"no free address left in 10\.0\.0\.0/28"):
        free_private_address("10.0.0.0/28", taken)
