"""Networks and addresses told from what is none."""

import pytest

from plugins.filter.networks import component_address, in_network, link_address, lower_half, not_networks


def test_what_is_no_network_is_returned() -> None:
    good = ["0.0.0.0/0", "::/0", "203.0.113.7/32", "2001:db8::/48"]
    bad = ["203.0.113.7", "203.0.113.7/24", "300.0.0.0/8", "", "example.org/24"]
    assert not_networks(good + bad) == bad


@pytest.mark.parametrize(
    ("address", "network", "inside"),
    [
        ("10.89.0.1", "10.89.0.0/24", True),
        ("10.90.0.1", "10.89.0.0/24", False),
        ("10.89.0.1", "10.89.0.7/24", False),
        ("gateway", "10.89.0.0/24", False),
    ],
)
def test_in_network(address: str, network: str, inside: bool) -> None:
    assert in_network(address, network) is inside


def test_a_container_s_address_follows_from_the_table() -> None:
    table = {"auth": {"address": 200}, "nginx": {}}
    assert component_address(table, "auth", "10.89.0.0/24") == "10.89.0.200"
    assert component_address(table, "nginx", "10.89.0.0/24") == component_address(table, "meta", "10.89.0.0/24") == ""


def test_hardware_addresses_differ_as_addresses_do() -> None:
    assert link_address("10.89.0.200") == "02:00:0a:59:00:c8"


def test_addresses_of_the_table_are_given_to_nobody_who_asks() -> None:
    assert lower_half("10.89.0.0/24") == "10.89.0.0/25"
