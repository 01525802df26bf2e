"""How the audit reads what programs print."""

import json

import pytest

from plugins.modules.platform_audit import containers, extension_state, firewall, fixed_version, listeners, unit_facts

CHANGELOG = """\
pooler (1.24.1-1+deb13u2) trixie; urgency=medium

  * Fix CVE-2026-6664: a crash.

 -- Somebody <s@example.test>  Sun, 10 May 2026 11:44:27 +0200

pooler (1.24.1-1) unstable; urgency=medium

  * New upstream version. Fix CVE-2025-2291; see also CVE-2026-66.

 -- Somebody <s@example.test>  Thu, 17 Apr 2025 10:21:09 +0200
"""


@pytest.mark.parametrize(
    ("cve", "version"),
    [
        ("CVE-2026-6664", "1.24.1-1+deb13u2"),
        ("CVE-2025-2291", "1.24.1-1"),
        ("CVE-2026-6", None),
        ("CVE-2026-6667", None),
    ],
)
def test_the_changelog_tells_which_version_fixed_what(cve: str, version: str | None) -> None:
    assert fixed_version(cve, CHANGELOG) == version


def test_rules_and_policies_come_from_the_kernel() -> None:
    saved = (
        "# Generated on a date\n*filter\n:INPUT DROP [5:300]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [9:1]\n"
        ":ufw-user-input - [0:0]\n-A INPUT -j ufw-user-input\n-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT\n"
        "-A f2b-sshd -s 192.0.2.1/32 -j REJECT\nCOMMIT\n"
    )
    assert firewall({"v4": saved, "v6": ""}) == {
        "active": True,
        "defaults": {"v4 input": "deny", "v4 forward": "deny", "v4 output": "allow"},
        "rules": ["v4 ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT"],
    }


def test_a_firewall_without_rules_is_not_active() -> None:
    assert firewall({"v4": "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n", "v6": ""})["active"] is False


def test_listeners_are_those_of_processes_of_this_machine() -> None:
    printed = (
        'tcp LISTEN 0 128 192.0.2.1:22 0.0.0.0:* users:(("sshd",pid=163,fd=6))\n'
        'tcp LISTEN 0 128 [::]:22 [::]:* users:(("sshd",pid=163,fd=7))\n'
        'tcp LISTEN 0 128 [fe80::1]%eth0:546 *:* users:(("dhcp",pid=9,fd=7))\n'
        "tcp LISTEN 0 4096 127.0.0.11:41307 0.0.0.0:*\n"
        'udp UNCONN 0 0 0.0.0.0:40123 0.0.0.0:* users:(("timesyncd",pid=9,fd=7))\n'
    )
    assert [(row["address"], row["port"], row["process"]) for row in listeners(printed, range(32768, 61000))] == [
        ("192.0.2.1", 22, "sshd"),
        ("::", 22, "sshd"),
        ("fe80::1", 546, "dhcp"),
    ]


def test_units_are_told_apart() -> None:
    printed = "Id=a.service\nLoadState=loaded\n\nId=b.service\nLoadState=not-found\n"
    assert {name: facts["LoadState"] for name, facts in unit_facts(printed).items()} == {
        "a.service": "loaded",
        "b.service": "not-found",
    }


def test_containers_belong_to_units() -> None:
    row = {"Image": "registry.test/x:1", "ImageID": "abc", "Labels": {"PODMAN_SYSTEMD_UNIT": "x.service"}}
    assert containers(json.dumps([row, {"Image": "y", "ImageID": "d", "Labels": None}])) == {
        "x.service": {"image": "registry.test/x:1", "id": "abc", "version": "1", "stand_in": None}
    }
    assert containers("") == {}


def test_a_stand_in_has_not_the_version_of_what_it_stands_in_for() -> None:
    labels = {"PODMAN_SYSTEMD_UNIT": "x.service", "stand-in": "X: a shell script"}
    (found,) = containers(json.dumps([{"Image": "registry.test/x:1", "ImageID": "abc", "Labels": labels}])).values()
    assert (found["version"], found["stand_in"]) == (None, "X: a shell script")


@pytest.mark.parametrize(
    ("installed", "available", "state"), [("1.0", "1.0", "present"), (None, "1.0", "available"), (None, None, "absent")]
)
def test_an_extension_is_present_available_or_absent(installed: str | None, available: str | None, state: str) -> None:
    assert extension_state("x", installed, available)["state"] == state
