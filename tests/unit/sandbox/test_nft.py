"""Firewall resources as nftables rules."""

from typing import Any

from sandbox import nft

DROPLET = {"id": 1, "tags": ["web"], "public_ip": "198.18.0.10", "private_ip": "10.0.0.2"}


def firewall(*inbound: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"droplet_ids": [1], "tags": [], "inbound_rules": list(inbound), "outbound_rules": [], **fields}


def rules(*firewalls: dict[str, Any], **state: Any) -> str:
    return nft.ruleset(DROPLET, {"firewalls": dict(enumerate(firewalls)), "droplets": {"1": DROPLET}, **state})


def test_droplet_without_firewall_is_open() -> None:
    assert "chain" not in rules()
    assert "chain" not in rules(firewall(droplet_ids=[2]))


def test_tag_brings_a_droplet_under_a_firewall() -> None:
    assert "drop" in rules(firewall(droplet_ids=[], tags=["web"]))


def test_rules_allow_and_the_rest_drops() -> None:
    script = rules(firewall({"protocol": "tcp", "portRange": "8000-9000", "sourceAddresses": ["192.0.2.0/24", "::/0"]}))
    assert "ip saddr { 192.0.2.0/24 } tcp dport 8000-9000 accept" in script
    assert "ip6 saddr { ::/0 } tcp dport 8000-9000 accept" in script
    assert script.index("accept") < script.index("    drop")


def test_overlapping_sources_are_merged() -> None:
    script = rules(firewall({"protocol": "udp", "portRange": "all", "sourceAddresses": ["10.0.0.0/8", "10.1.0.0/16"]}))
    assert "ip saddr { 10.0.0.0/8 } meta l4proto udp accept" in script


def test_droplets_are_sources_by_id_and_tag() -> None:
    for source in ({"sourceDropletIds": [1]}, {"sourceTags": ["web"]}):
        assert "{ 10.0.0.2/32, 198.18.0.10/32 }" in rules(firewall({"protocol": "icmp", **source}))


def test_source_that_names_nobody_allows_nobody() -> None:
    assert "saddr" not in rules(firewall({"protocol": "icmp", "sourceTags": ["nobody"]}))


def test_two_firewalls_add_up() -> None:
    ssh = {"protocol": "tcp", "portRange": "22", "sourceAddresses": ["192.0.2.1"]}
    web = {"protocol": "tcp", "portRange": "80", "sourceAddresses": ["0.0.0.0/0"]}
    script = rules(firewall(ssh), firewall(web))
    assert "tcp dport 22 accept" in script
    assert "tcp dport 80 accept" in script
    assert script.count("chain inbound") == 1
