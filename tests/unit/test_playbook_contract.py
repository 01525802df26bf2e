"""Playbooks list roles and nothing else, in one order, and stop at the first error."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.project import ROLES, ROOT, components, read_yaml

PLAYBOOKS = ROOT / "playbooks"
Play = dict[str, Any]


def plays(name: str) -> list[Play]:
    result: list[Play] = read_yaml(PLAYBOOKS / name)
    return result


def roles_of(play: Play) -> list[str]:
    return [entry["role"] for entry in play.get("roles", [])]


@pytest.mark.parametrize("path", sorted(PLAYBOOKS.glob("*.yml")), ids=lambda path: path.name)
def test_plays_list_roles_and_stop_at_the_first_error(path: Path) -> None:
    for play in plays(path.name):
        assert play["any_errors_fatal"] is True, play["name"]
        assert play["gather_facts"] is False, play["name"]
        for task in play.get("tasks", []):
            assert set(task) == {"name", "ansible.builtin.import_role"}, f"{play['name']}: {task}"


def test_site_runs_every_role_once() -> None:
    listed = [role for play in plays("site.yml") for role in roles_of(play)]
    assert sorted(listed) == sorted(role.name for role in ROLES)
    assert len(listed) == len(set(listed))


def test_site_validates_every_role_before_the_first_change() -> None:
    first, *rest = plays("site.yml")
    validated = [task["ansible.builtin.import_role"] for task in first["tasks"]]
    assert [entry["name"] for entry in validated] == [role for play in rest for role in roles_of(play)]
    assert {entry["tasks_from"] for entry in validated} == {"preflight"}


def test_roles_carry_their_tag() -> None:
    for play in plays("site.yml"):
        for entry in play.get("roles", []):
            assert entry["tags"] == [entry["role"]]


def test_drift_is_site_in_check_mode() -> None:
    expected = [{**play, "check_mode": True} for play in plays("site.yml")[1:]]
    assert plays("drift.yml") == expected


def test_verify_asks_every_role_that_can_be_wrong() -> None:
    (play,) = plays("verify.yml")
    asked = [task["ansible.builtin.import_role"] for task in play["tasks"]]
    assert {entry["tasks_from"] for entry in asked} == {"verify"}
    assert [entry["name"] for entry in asked] == [
        role for play in plays("site.yml")[1:] for role in roles_of(play) if role != "audit"
    ]


def test_data_components_run_where_their_group_is() -> None:
    site = {role: play["hosts"] for play in plays("site.yml") for role in roles_of(play)}
    for name, row in components().items():
        if not row.get("planned"):
            assert site[row["role"]] in {"all", row["group"]}, name
