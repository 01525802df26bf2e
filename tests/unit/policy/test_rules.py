"""Each rule accepts what it should and names what it should not."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.components import load
from policy import rules
from policy.rules import ADVISORY, MANDATORY, Resource, Rule

NOW = datetime(2026, 6, 1, tzinfo=UTC)
EVERYWHERE = ["0.0.0.0/0", "::/0"]
OFFICE = ["203.0.113.0/24"]


def server(environment: str = "production", phase: int = 3) -> Resource:
    return Resource("Configure", "server", {"declared": {"environment": environment, "phase": phase}})


def rule(ports: str, sources: list[str], protocol: str = "tcp") -> dict[str, Any]:
    return {"protocol": protocol, "portRange": ports, "sourceAddresses": sources}


def firewall(*inbound: dict[str, Any]) -> Resource:
    return Resource("Firewall", "firewall", {"inboundRules": list(inbound)})


def secret(days: int, **props: Any) -> Resource:
    made_at = (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    given = {"made_at": made_at, "interval_days": 90, "generation": 1, "value": "5" * 48, **props}
    return Resource("Secret", "secret-db_workbench", given)


def bucket(**props: Any) -> Resource:
    return Resource(
        "SpacesBucket", "backups", {"acl": "private", "versioning": {"enabled": True}, **props}, protect=True
    )


def volume(size: float = 500.0, *, protect: bool = True) -> Resource:
    return Resource("Volume", "volume", {"size": size}, protect)


def key(days: int, permission: str = "readwrite", bucket: str = "supabase-backups") -> Resource:
    created_at = (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    grants = [{"bucket": bucket, "permission": permission}]
    return Resource("SpacesKey", "backup-key", {"name": "supabase-backup-2", "createdAt": created_at, "grants": grants})


GOOD = [
    server(),
    Resource("Droplet", "droplet", {}),
    firewall(rule("22", OFFICE), rule("443", EVERYWHERE), {"protocol": "icmp", "sourceAddresses": EVERYWHERE}),
    volume(),
    Resource("ReservedIp", "reserved-ip", {}, protect=True),
    bucket(),
    secret(89),
    key(89),
    Resource("Secret", "secret-anon_key", {"made_at": "2016-01-01T00:00:00Z", "value": "x" * 40}),
]


def violations(check: Rule, *resources: Resource) -> list[str]:
    return list(check(resources, NOW))


@pytest.mark.parametrize("check", [*MANDATORY, *ADVISORY], ids=lambda check: check.__name__)
def test_a_proper_platform_breaks_no_rule(check: Rule) -> None:
    assert violations(check, *GOOD) == []


@pytest.mark.parametrize("check", [*MANDATORY, *ADVISORY], ids=lambda check: check.__name__)
def test_a_rule_says_in_a_sentence_what_it_is_for(check: Rule) -> None:
    assert check.__doc__


def sql_port() -> int:
    return load()["postgresql"].port("sql")


def test_an_open_database_port_is_named() -> None:
    (said,) = violations(rules.no_private_port_open, firewall(rule(str(sql_port()), OFFICE)))
    assert f"port {sql_port()} (PostgreSQL)" in said


@pytest.mark.parametrize("ports", ["1-65535", "all", "", "5000-6000"])
def test_a_range_that_covers_a_database_port_is_seen(ports: str) -> None:
    said = violations(rules.no_private_port_open, firewall(rule(ports, OFFICE)))
    assert any("PostgreSQL" in line for line in said)


@pytest.mark.parametrize("source", EVERYWHERE)
def test_ssh_open_to_the_world_is_refused_in_production_only(source: str) -> None:
    wide = firewall(rule("22", [*OFFICE, source]))
    assert len(violations(rules.ssh_not_open_to_the_world, server(), wide)) == 1
    assert len(violations(rules.ssh_not_open_to_the_world, server(), firewall(rule("1-100", [source])))) == 1
    assert violations(rules.ssh_not_open_to_the_world, server("staging"), wide) == []


def test_a_stack_that_does_not_say_what_it_is_gets_the_strict_rules() -> None:
    assert violations(rules.ssh_not_open_to_the_world, firewall(rule("22", EVERYWHERE)))
    assert violations(rules.volume_is_large_enough, volume(499))


def test_a_droplet_without_a_firewall_is_refused() -> None:
    assert violations(rules.droplets_are_behind_a_firewall, Resource("Droplet", "droplet", {})) == [
        "the droplet has no cloud firewall"
    ]


@pytest.mark.parametrize("kind", ["Volume", "ReservedIp", "SpacesBucket"])
def test_unprotected_data_is_refused_in_production_only(kind: str) -> None:
    loose = Resource(kind, "x", {}, protect=False)
    assert violations(rules.data_is_protected, server(), loose) == [f"{kind} x is not protected; set protect to true"]
    assert violations(rules.data_is_protected, server("staging"), loose) == []


def test_a_volume_smaller_than_the_phase_s_is_refused_in_production_only() -> None:
    (said,) = violations(rules.volume_is_large_enough, server(phase=3), volume(299.0))
    assert said == "volume volume has 299 GB; phase 3 needs 300"
    assert violations(rules.volume_is_large_enough, server(phase=3), volume(300.0)) == []
    assert violations(rules.volume_is_large_enough, server("staging", 3), volume(10.0)) == []


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ([], "no Spaces bucket"),
        ([bucket(acl="public-read")], "is not private"),
        ([bucket(versioning={"enabled": False})], "is not versioned"),
        ([bucket(versioning=None)], "is not versioned"),
    ],
)
def test_backups_that_stay_or_leak_or_can_be_erased_are_refused(resources: list[Resource], said: str) -> None:
    (line,) = violations(rules.backups_leave_the_machine, *resources)
    assert said in line


def test_a_published_secret_is_refused_by_name_only() -> None:
    value = "your-super-secret-jwt-token-with-at-least-32-characters-long"
    (said,) = violations(rules.no_published_secret, secret(1, value=value))
    assert "secret-db_workbench" in said
    assert value not in said


def test_a_due_secret_warns_and_a_long_overdue_one_stops() -> None:
    due, overdue = secret(91), secret(121)
    assert violations(rules.no_secret_is_due, due) == [
        "db_workbench should have been rotated 1 days ago; run: make rotate SECRET=db_workbench"
    ]
    assert violations(rules.no_secret_is_long_overdue, due) == []
    assert violations(rules.no_secret_is_due, overdue) == []
    assert len(violations(rules.no_secret_is_long_overdue, overdue)) == 1


def test_an_overlap_that_nobody_finishes_warns_and_then_stops() -> None:
    old = {"previous_made_at": "2025-01-01T00:00:00Z", "overlap_days": 30.0}
    assert violations(rules.no_secret_is_due, secret(30, **old)) == []
    (said,) = violations(rules.no_secret_is_due, secret(31, **old))
    assert said.startswith("the value before the present db_workbench is accepted 1 days longer than foreseen")
    assert said.endswith("run: make rotate SECRET=db_workbench FINISH=1")
    assert len(violations(rules.no_secret_is_long_overdue, secret(61, **old))) == 1
    assert violations(rules.no_secret_is_due, secret(31, previous_made_at="", overlap_days=30.0)) == []


def test_the_key_of_the_backups_ages_like_a_secret() -> None:
    assert violations(rules.no_secret_is_due, key(91)) == [
        "backup_key should have been rotated 1 days ago; run: make rotate SECRET=backup_key"
    ]
    assert len(violations(rules.no_secret_is_long_overdue, key(121))) == 1
    fresh = Resource("SpacesKey", "backup-key", {"name": "supabase-backup-1"})
    assert violations(rules.no_secret_is_due, fresh) == []


def test_a_key_to_every_bucket_is_refused() -> None:
    (said,) = violations(rules.the_server_s_key_opens_only_backups, key(1, "fullaccess", ""))
    assert "backup-key opens every bucket" in said


def test_a_secret_that_is_not_made_yet_has_no_age() -> None:
    fresh = Resource("Secret", "secret-db_workbench", {"interval_days": 90.0})
    assert violations(rules.no_secret_is_due, fresh) == []
    assert violations(rules.no_published_secret, fresh) == []
