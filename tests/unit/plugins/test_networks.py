"""Networks and addresses told from what is none."""

import pytest

from plugins.filter.networks import in_network, not_networks


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
