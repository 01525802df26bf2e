"""Every role has the same files, says what it takes, and keeps to its own names."""

from pathlib import Path

import pytest

from tests.unit.project import ROLES, read_yaml, tasks_of

FILES = [
    "defaults/main.yml",
    "handlers/main.yml",
    "meta/argument_specs.yml",
    "meta/main.yml",
    "tasks/configure.yml",
    "tasks/install.yml",
    "tasks/main.yml",
    "tasks/preflight.yml",
    "tasks/verify.yml",
    "vars/main.yml",
]
STAGES = ["preflight", "install", "configure", "verify"]

every_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def test_there_are_roles() -> None:
    assert ROLES


@every_role
def test_file_set(role: Path) -> None:
    missing = [name for name in FILES if not (role / name).is_file()]
    assert not missing, f"{role.name} lacks {missing}"


@every_role
def test_main_runs_the_stages_in_order_with_their_tags(role: Path) -> None:
    tasks = read_yaml(role / "tasks/main.yml")
    assert [task["ansible.builtin.import_tasks"] for task in tasks] == [f"{stage}.yml" for stage in STAGES]
    for stage, task in zip(STAGES, tasks, strict=True):
        assert f"{role.name}_{stage}" in task["tags"], f"{role.name}: stage {stage} lacks its tag"


@every_role
def test_specs_describe_every_default_with_its_value(role: Path) -> None:
    defaults = read_yaml(role / "defaults/main.yml") or {}
    options = read_yaml(role / "meta/argument_specs.yml")["argument_specs"]["main"].get("options", {})
    assert set(defaults) <= set(options), f"defaults without a spec: {set(defaults) - set(options)}"
    for name, option in options.items():
        assert "required" in option, f"{name} does not say whether it is required"
        assert option.get("description"), f"{name} has no description"
        assert "type" in option, f"{name} has no type"
        if name in defaults:
            assert not option["required"], f"{name} has a default and is required"
            assert option.get("default") == defaults[name], f"{name}: spec and default differ"
        else:
            assert option["required"], f"{name} has neither a default nor is it required"


@every_role
def test_public_names_carry_the_role_name(role: Path) -> None:
    defaults = read_yaml(role / "defaults/main.yml") or {}
    assert not [name for name in defaults if not name.startswith(f"{role.name}_")]


@every_role
def test_internal_names_start_with_two_underscores(role: Path) -> None:
    names = list(read_yaml(role / "vars/main.yml") or {})
    for _, task in tasks_of(role):
        if "register" in task:
            names.append(task["register"])
        names += list(task.get("ansible.builtin.set_fact", {}))
    wrong = [name for name in names if not name.startswith(f"__{role.name}_") and name != "cacheable"]
    assert not wrong, f"{role.name}: {wrong}"


@every_role
def test_no_error_is_waved_through(role: Path) -> None:
    for path, task in tasks_of(role):
        assert "ignore_errors" not in task, f"{path}: {task.get('name')}"
        assert "ignore_unreachable" not in task, f"{path}: {task.get('name')}"


@every_role
def test_every_handler_is_notified_and_every_notification_is_heard(role: Path) -> None:
    handlers = read_yaml(role / "handlers/main.yml") or []
    heard = {name for handler in handlers for name in [handler["name"], *_as_list(handler.get("listen"))]}
    notified = {name for _, task in tasks_of(role) for name in _as_list(task.get("notify"))}
    assert notified <= heard, f"nobody hears {notified - heard}"
    dead = [h["name"] for h in handlers if not {h["name"], *_as_list(h.get("listen"))} & notified]
    assert not dead, f"nobody notifies {dead}"


@every_role
def test_meta_names_the_platform(role: Path) -> None:
    info = read_yaml(role / "meta/main.yml")["galaxy_info"]
    assert info["license"] == "Apache-2.0"
    assert info["description"]


def _as_list(value: str | list[str] | None) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else value
