"""UFW's rules as derived from the component table."""

import pytest
from ansible.errors import AnsibleFilterError

from plugins.filter.ufw import ufw_lines, ufw_rules
from tests.unit.project import GROUP_VARS, components, read_yaml

BRIDGE = {"interface": "platform0", "subnet": "10.89.0.0/24", "gateway": "10.89.0.1"}
WORLD = ["0.0.0.0/0", "::/0"]
DENIED = read_yaml(GROUP_VARS / "components.yml")["firewall_denied_components"]


def lines(version: int, ssh: list[str] = WORLD) -> list[str]:
    return ufw_lines(ufw_rules(components(), DENIED, BRIDGE, ssh), version).splitlines()


def filters(version: int, ssh: list[str] = WORLD) -> list[str]:
    return [line for line in lines(version, ssh) if line.startswith("-A")]


def test_the_plan_s_rules_hold_for_both_versions() -> None:
    for version, chain in ((4, "ufw-user-input"), (6, "ufw6-user-input")):
        rules = filters(version)
        for port in (22, 80, 443):
            assert f"-A {chain} -p tcp --dport {port} -j ACCEPT" in rules
        for port in (5432, 6379):
            assert f"-A {chain} -p tcp --dport {port} -j DROP" in rules


def test_nothing_else_is_open_to_the_world() -> None:
    for version in (4, 6):
        open_to_all = [rule for rule in filters(version) if "ACCEPT" in rule and " -s " not in rule]
        assert [rule.split("--dport ")[1].split()[0] for rule in open_to_all] == ["22", "80", "443"]


def test_containers_reach_the_database_before_it_is_denied_to_all_others() -> None:
    rules = filters(4)
    allowed = "-A ufw-user-input -i platform0 -p tcp -d 10.89.0.1 --dport 5432 -s 10.89.0.0/24 -j ACCEPT"
    denied = "-A ufw-user-input -p tcp --dport 5432 -j DROP"
    assert rules.index(allowed) < rules.index(denied)


def test_containers_reach_the_outside_but_not_the_cloud_s_metadata() -> None:
    rules = filters(4)
    assert rules.index("-A ufw-user-forward -i platform0 -d 169.254.0.0/16 -j DROP") < rules.index(
        "-A ufw-user-forward -i platform0 -s 10.89.0.0/24 -j ACCEPT"
    )


def test_containers_ask_for_names() -> None:
    for protocol in ("tcp", "udp"):
        assert (
            f"-A ufw-user-input -i platform0 -p {protocol} -d 10.89.0.1 --dport 53 -s 10.89.0.0/24 -j ACCEPT"
            in filters(4)
        )


def test_ssh_opens_to_the_listed_networks_alone() -> None:
    ssh = ["192.0.2.0/24", "203.0.113.7/32", "2001:db8::7/128"]
    assert [rule for rule in filters(4, ssh) if "--dport 22 " in rule] == [
        "-A ufw-user-input -p tcp --dport 22 -s 192.0.2.0/24 -j ACCEPT",
        "-A ufw-user-input -p tcp --dport 22 -s 203.0.113.7 -j ACCEPT",
    ]
    assert [rule for rule in filters(6, ssh) if "--dport 22 " in rule] == [
        "-A ufw6-user-input -p tcp --dport 22 -s 2001:db8::7 -j ACCEPT"
    ]


def test_ssh_open_to_one_version_stays_shut_to_the_other() -> None:
    assert "-A ufw-user-input -p tcp --dport 22 -j ACCEPT" in filters(4, ["0.0.0.0/0"])
    assert not [rule for rule in filters(6, ["0.0.0.0/0"]) if "--dport 22 " in rule]


def test_each_rule_is_described_as_ufw_describes_it() -> None:
    text = lines(4)
    at = text.index("-A ufw-user-input -p tcp --dport 80 -j ACCEPT")
    assert text[at - 1] == f"### tuple ### allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in comment={b'nginx'.hex()}"
    at = text.index("-A ufw-user-forward -i platform0 -s 10.89.0.0/24 -j ACCEPT")
    assert text[at - 1].startswith("### tuple ### route:allow any any 0.0.0.0/0 any 10.89.0.0/24 in_platform0 comment=")


def test_a_denied_component_must_exist() -> None:
    with pytest.raises(AnsibleFilterError, match="reddis"):
        ufw_rules(components(), ["reddis"], BRIDGE, WORLD)
