"""Types, names, differences and replacements."""

from typing import Any

import pytest

from sandbox.cloud.account import ApiError
from sandbox.cloud.kind import UNKNOWN, Kind
from sandbox.cloud.kinds import COLLECTIONS
from sandbox.provider import rules

DROPLET = COLLECTIONS["droplets"]
GOOD = {"name": "web", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}


def problems(collection: str, **inputs: Any) -> list[str]:
    return [name for name, _ in rules.check(COLLECTIONS[collection], inputs)]


def changes(kind: Kind, old: dict[str, Any], new: dict[str, Any]) -> dict[str, bool]:
    return {prop.name: prop.replaces for prop in rules.changed(kind, old, new)}


def test_good_inputs_pass() -> None:
    assert problems("droplets", **GOOD) == []


def test_unknown_values_pass() -> None:
    assert problems("droplets", **dict.fromkeys(GOOD, UNKNOWN)) == []
    assert problems("spaces_keys", name="k", grants=UNKNOWN) == []
    assert problems("volume_attachments", dropletId=UNKNOWN, volumeId=UNKNOWN) == []
    assert problems("dns_records", domain=UNKNOWN, type="A", name="@", value=UNKNOWN, ttl=300) == []
    assert (
        problems(
            "firewalls", name="f", inboundRules=[{"protocol": "tcp", "portRange": "22", "sourceAddresses": [UNKNOWN]}]
        )
        == []
    )


@pytest.mark.parametrize(
    ("inputs", "wrong"),
    [
        ({"size": "s-3vcpu-5gb"}, "size"),
        ({"region": "mars1"}, "region"),
        ({"image": "windows"}, "image"),
        ({"name": "no_underscores"}, "name"),
        ({"tags": ["white space"]}, "tags"),
        ({"monitoring": "yes"}, "monitoring"),
        ({"colour": "red"}, "colour"),
        ({"userData": "x" * 70_000}, "userData"),
    ],
)
def test_bad_droplet_inputs_are_named(inputs: dict[str, Any], wrong: str) -> None:
    assert problems("droplets", **GOOD | inputs) == [wrong]


def test_missing_required_inputs_are_named() -> None:
    assert problems("droplets", name="web") == ["image", "size"]


@pytest.mark.parametrize("size", [0, 16385, -1])
def test_volume_size_has_limits(size: int) -> None:
    assert problems("volumes", name="data", region="fra1", size=size) == ["size"]


@pytest.mark.parametrize("name", ["Data", "1data", "da_ta", "d" * 65, "data!"])
def test_volume_name_is_checked(name: str) -> None:
    assert problems("volumes", name=name, region="fra1", size=1) == ["name"]


@pytest.mark.parametrize(
    ("ip_range", "valid"),
    [
        ("10.10.10.0/24", True), ("192.168.0.0/16", True), ("10.0.0.0/15", False), ("10.0.0.0/29", False),
        ("8.8.8.0/24", False), ("10.10.10.5/24", False), ("10.244.0.0/20", False), ("x", False),
    ],
)  # fmt: skip
def test_vpc_range_is_checked(ip_range: str, valid: bool) -> None:
    assert problems("vpcs", name="net", region="fra1", ipRange=ip_range) == ([] if valid else ["ipRange"])


@pytest.mark.parametrize(
    ("record", "wrong"),
    [
        ({"type": "A", "value": "192.0.2.1"}, []),
        ({"type": "A", "value": "2001:db8::1"}, ["value"]),
        ({"type": "AAAA", "value": "2001:db8::1"}, []),
        ({"type": "CNAME", "value": "example.test."}, []),
        ({"type": "CNAME", "value": "example.test"}, ["value"]),
        ({"type": "CNAME", "value": "exa mple.test."}, ["value"]),
        ({"type": "MX", "value": "mail.example.test."}, ["priority"]),
        ({"type": "SPF", "value": "x"}, ["type"]),
        ({"type": "TXT", "value": "anything", "ttl": 10}, ["ttl"]),
        ({"type": "A", "value": "192.0.2.1", "name": "bad name"}, ["name"]),
        ({"type": "CAA", "value": "letsencrypt.org.", "flags": 0, "tag": "nonsense"}, ["tag"]),
    ],
)
def test_dns_record_is_checked(record: dict[str, Any], wrong: list[str]) -> None:
    assert problems("dns_records", **{"domain": "example.test", "name": "www", **record}) == wrong


@pytest.mark.parametrize(
    ("rule", "valid"),
    [
        ({"protocol": "tcp", "portRange": "22", "sourceAddresses": ["0.0.0.0/0"]}, True),
        ({"protocol": "tcp", "portRange": "8000-9000", "sourceTags": ["web"]}, True),
        ({"protocol": "udp", "portRange": "all", "sourceDropletIds": [1]}, True),
        ({"protocol": "icmp", "sourceAddresses": ["::/0"]}, True),
        ({"protocol": "icmp", "portRange": "1", "sourceAddresses": ["::/0"]}, False),
        ({"protocol": "gre", "sourceAddresses": ["::/0"]}, False),
        ({"protocol": "tcp", "sourceAddresses": ["::/0"]}, False),
        ({"protocol": "tcp", "portRange": "70000", "sourceAddresses": ["::/0"]}, False),
        ({"protocol": "tcp", "portRange": "90-80", "sourceAddresses": ["::/0"]}, False),
        ({"protocol": "tcp", "portRange": "22", "sourceAddresses": ["10.0.0.1/8"]}, False),
        ({"protocol": "tcp", "portRange": "22"}, False),
    ],
)
def test_firewall_rule_is_checked(rule: dict[str, Any], valid: bool) -> None:
    assert problems("firewalls", name="f", inboundRules=[rule]) == ([] if valid else ["inboundRules[0]"])


def test_firewall_needs_a_rule() -> None:
    assert problems("firewalls", name="f") == ["inboundRules"]


@pytest.mark.parametrize(
    ("bucket", "permission", "valid"),
    [
        ("backups", "read", True),
        ("backups", "readwrite", True),
        ("", "fullaccess", True),
        (UNKNOWN, "readwrite", True),
        ("backups", "fullaccess", False),
        ("", "readwrite", False),
        ("backups", "write", False),
    ],
)
def test_a_grant_of_a_spaces_key_is_checked(bucket: Any, permission: str, valid: bool) -> None:
    grants = [{"bucket": bucket, "permission": permission}]
    assert problems("spaces_keys", name="k", grants=grants) == ([] if valid else ["grants"])


def test_a_limited_spaces_key_stays_limited() -> None:
    key = COLLECTIONS["spaces_keys"]
    limited = {"grants": [{"bucket": "backups", "permission": "readwrite"}]}
    key.check_change(limited, {"grants": [{"bucket": "backups", "permission": "read"}]})
    with pytest.raises(ApiError, match="make a new key"):
        key.check_change(limited, {"grants": [{"bucket": "", "permission": "fullaccess"}]})


@pytest.mark.parametrize("key", ["", "ssh-ed25519", "ssh-ed25519 ???", "ssh-ed25519 AAAA", "ssh-dss AAAAB3NzaC1kc3M="])
def test_ssh_key_is_checked(key: str) -> None:
    assert problems("ssh_keys", name="k", publicKey=key) == ["publicKey"]


@pytest.mark.parametrize("changed", ["image", "region", "userData", "sshKeys", "vpcUuid"])
def test_changes_that_replace_a_droplet(changed: str) -> None:
    old = GOOD | {"userData": "a", "sshKeys": ["1"], "vpcUuid": "a"}
    new = old | {changed: ["2"] if changed == "sshKeys" else "other"}
    assert changes(DROPLET, old, new) == {changed: True}


@pytest.mark.parametrize(("changed", "value"), [("size", "s-2vcpu-4gb"), ("name", "other"), ("tags", ["a"])])
def test_changes_that_keep_a_droplet(changed: str, value: Any) -> None:
    assert changes(DROPLET, GOOD, GOOD | {changed: value}) == {changed: False}


def test_order_emptiness_and_defaults_are_no_change() -> None:
    assert changes(DROPLET, GOOD | {"tags": ["a", "b"]}, GOOD | {"tags": ["b", "a"]}) == {}
    assert changes(DROPLET, GOOD, GOOD | {"tags": [], "ipv6": False, "resizeDisk": True}) == {}
    assert changes(DROPLET, GOOD | {"vpcUuid": "filled in by the cloud"}, GOOD) == {}
    assert (
        changes(COLLECTIONS["uptime_checks"], {"target": "x"}, {"target": "x", "enabled": True, "type": "https"}) == {}
    )


def test_switching_off_a_default_is_a_change() -> None:
    assert changes(COLLECTIONS["uptime_checks"], {"target": "x"}, {"target": "x", "enabled": False}) == {
        "enabled": False
    }


def test_replacement_of_the_same_name_deletes_first() -> None:
    assert rules.deletes_first(DROPLET, GOOD, GOOD | {"image": "other"})
    assert not rules.deletes_first(DROPLET, GOOD, GOOD | {"name": "other"})


def test_generated_names_stay() -> None:
    urn = "urn:pulumi:test::project::digitalocean:index/volume:Volume::Data"
    volume = COLLECTIONS["volumes"]
    first = rules.fill_names(volume, urn, b"seed", {}, {"size": 1})
    assert first["name"].startswith("data-")
    assert rules.fill_names(volume, urn, b"other seed", first, {"size": 1}) == first
    assert rules.fill_names(volume, urn, b"other seed", {}, {"size": 1}) != first


def test_the_order_of_an_object_s_keys_is_no_difference() -> None:
    rule = {"id": "expire", "noncurrentVersionExpiration": {"days": 30}}
    same = {"noncurrentVersionExpiration": {"days": 30}, "id": "expire"}
    other = {**rule, "id": "keep"}
    bucket = COLLECTIONS["buckets"]
    assert changes(bucket, {"lifecycleRules": [rule]}, {"lifecycleRules": [same]}) == {}
    assert changes(bucket, {"lifecycleRules": [rule]}, {"lifecycleRules": [other]}) == {"lifecycleRules": False}
