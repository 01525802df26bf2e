"""Which names the edge answers for, and what may pass behind each."""

import base64
import hashlib
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from plugins.filter.edge import basic_auth, virtual_hosts
from tests.unit.project import components


def row(phase: int = 1, **more: Any) -> dict[str, Any]:
    return {"phase": phase, **more}


TABLE = {
    "database": row(),
    "auth": row(vhosts=["auth"], paths=["/auth/v1"]),
    "rest": row(paths=["/rest/v1"]),
    "gateway": row(vhosts=["api"]),
    "studio": row(vhosts=["studio"]),
    "nginx": row(vhosts=[""]),
    "storage": row(3, vhosts=["storage"], paths=["/storage/v1"]),
}


def hosts(phase: int = 3, table: dict[str, Any] = TABLE) -> dict[str, dict[str, Any]]:
    return {host["name"]: host for host in virtual_hosts(table, phase, "a.test", "gateway", "nginx")}


def test_the_domain_comes_first_and_holds_pages_alone() -> None:
    first = virtual_hosts(TABLE, 1, "a.test", "gateway", "nginx")[0]
    assert first == {"name": "a.test", "kind": "pages", "target": None, "there": True, "routes": [], "rest": False}


def test_a_name_appears_with_its_phase() -> None:
    assert list(hosts(1)) == ["a.test", "auth.a.test", "api.a.test", "studio.a.test"]
    assert "storage.a.test" in hosts(3)


def test_the_gateway_s_name_knows_every_path_of_the_phase_and_passes_the_rest() -> None:
    assert hosts(1)["api.a.test"] == {
        "name": "api.a.test",
        "kind": "gateway",
        "target": "gateway",
        "there": True,
        "routes": [{"path": "/auth/v1", "component": "auth"}, {"path": "/rest/v1", "component": "rest"}],
        "rest": True,
    }
    assert {"path": "/storage/v1", "component": "storage"} in hosts(3)["api.a.test"]["routes"]


def test_a_component_s_name_leads_to_the_gateway_and_lets_its_own_paths_through_alone() -> None:
    storage = hosts()["storage.a.test"]
    assert (storage["kind"], storage["target"], storage["rest"]) == ("gateway", "gateway", False)
    assert storage["routes"] == [{"path": "/storage/v1", "component": "storage"}]


def test_a_component_without_paths_is_asked_itself() -> None:
    studio = hosts()["studio.a.test"]
    assert (studio["kind"], studio["target"], studio["routes"], studio["rest"]) == ("own", "studio", [], True)


@pytest.mark.parametrize(
    ("planned", "missing"),
    [
        ("gateway", {"api.a.test", "auth.a.test", "storage.a.test"}),
        ("auth", {"auth.a.test"}),
        ("studio", {"studio.a.test"}),
        ("rest", set()),
    ],
)
def test_what_is_planned_is_not_there(planned: str, missing: set[str]) -> None:
    table = TABLE | {planned: {**TABLE[planned], "planned": True}}
    assert {name for name, host in hosts(table=table).items() if not host["there"]} == missing


def test_a_table_without_gateway_or_with_a_name_twice_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="must have gateway and nginx"):
        hosts(table={name: entry for name, entry in TABLE.items() if name != "gateway"})
    with pytest.raises(AnsibleFilterError, match=r"twice: a\.test, api\.a\.test, api\.a\.test"):
        hosts(table={"gateway": row(vhosts=["api"]), "other": row(vhosts=["api"]), "nginx": row(vhosts=[""])})


@pytest.mark.parametrize("phase", [1, 2, 3, 4])
def test_the_platform_s_own_table_gives_the_names_that_dns_has(phase: int) -> None:
    from infra.components import load

    names = {host["name"] for host in virtual_hosts(components(), phase, "a.test", "gateway", "nginx")}
    assert names == {"a.test", *(f"{label}.a.test" for label in load().vhosts(phase))}


def test_a_password_s_line_is_stable_salted_and_right() -> None:
    line = basic_auth("secret", "operator")
    assert line == basic_auth("secret", "operator")
    user, _, rest = line.partition(":{SSHA}")
    digest = base64.b64decode(rest)
    assert user == "operator"
    assert digest[:20] == hashlib.sha1(b"secret" + digest[20:], usedforsecurity=False).digest()
    assert len(digest) == 28
    assert basic_auth("secret", "other") != line
    assert "secret" not in line
