"""When a credential or a workflow of n8n is written, and what is shown of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from plugins.modules.n8n_object import N8n, RefusedError, apply_credential, apply_workflow

DECLARED: dict[str, Any] = {
    "id": "w1",
    "name": "Flow",
    "nodes": [{"id": "a", "name": "A", "parameters": {"text": "one"}}],
    "connections": {},
    "settings": {"executionOrder": "v1"},
}
CREDENTIAL: dict[str, Any] = {"name": "Database", "type": "postgres", "data": {"password": "hidden-away"}}


class Instance(N8n):
    """As n8n behaves: a change is a draft until it is published, and every change moves the time."""

    def __init__(self) -> None:
        super().__init__("", "")
        self.workflows: dict[str, dict[str, Any]] = {}
        self.credentials: list[dict[str, Any]] = []
        self.clock = 0
        self.written: list[str] = []

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Answer one request."""
        if method != "GET":
            self.written.append(f"{method} {path}")
        self.clock += 1
        parts = path.partition("?")[0].strip("/").split("/")
        return self._credentials(method, parts[1:], body) if parts[0] == "credentials" else self._workflows(parts, body)

    def _credentials(self, method: str, rest: list[str], body: Any) -> Any:
        if method == "GET":
            return [dict(row) for row in self.credentials]
        if method == "POST":
            self.credentials.append({"id": f"c{len(self.credentials)}", "createdAt": self.clock})
            rest = [self.credentials[-1]["id"]]
        (row,) = (row for row in self.credentials if row["id"] == rest[0])
        row |= {"name": body["name"], "type": body["type"], "updatedAt": self.clock, "data": body["data"]}
        return {"id": row["id"]}

    def _workflows(self, parts: list[str], body: Any) -> Any:
        if len(parts) == 1:
            self.workflows[body["id"]] = {"activeVersionId": None, "active": False, "isArchived": False}
            parts = ["workflows", body["id"]]
        if parts[1] not in self.workflows:
            raise RefusedError(404, "not found")
        row = self.workflows[parts[1]]
        match parts[2:]:
            case ["activate"]:
                row |= {"active": True, "activeVersionId": body["versionId"]}
            case ["deactivate"]:
                row |= {"active": False, "activeVersionId": None}
            case ["unarchive"]:
                row["isArchived"] = False
            case [] if body is not None:
                row |= {**body, "versionId": self.clock, "settings": {**body["settings"], "binaryMode": "separate"}}
        return dict(row)


@pytest.fixture
def n8n() -> Instance:
    instance = Instance()
    apply_workflow(instance, DECLARED, active=True, check=False)
    instance.written.clear()
    return instance


def test_a_new_workflow_runs_at_once_and_the_second_time_nothing_happens() -> None:
    instance = Instance()
    assert apply_workflow(instance, DECLARED, active=True, check=False)["changed"]
    assert instance.workflows["w1"]["activeVersionId"] == instance.workflows["w1"]["versionId"]
    assert not apply_workflow(instance, DECLARED, active=True, check=False)["changed"]


def test_check_mode_says_so_and_writes_nothing() -> None:
    instance = Instance()
    assert apply_workflow(instance, DECLARED, active=True, check=True)["changed"]
    assert instance.written == []


@pytest.mark.parametrize(
    ("by_hand", "said"),
    [
        ({"nodes": []}, "nodes"),
        ({"name": "Other"}, "name"),
        ({"settings": {"executionOrder": "v0"}}, "settings"),
        ({"versionId": 99}, "unpublished draft"),
        ({"active": False, "activeVersionId": None}, "active"),
        ({"isArchived": True}, "archived"),
    ],
)
def test_what_was_changed_by_hand_is_named_shown_and_repaired(
    n8n: Instance, by_hand: dict[str, Any], said: str
) -> None:
    n8n.workflows["w1"] |= by_hand
    told = apply_workflow(n8n, DECLARED, active=True, check=True)
    assert told["changed"]
    assert said in told["msg"]
    assert json.loads(told["diff"]["before"]) != json.loads(told["diff"]["after"])
    assert set(json.loads(told["diff"]["before"])) == set(json.loads(told["diff"]["after"]))
    assert n8n.written == []
    assert apply_workflow(n8n, DECLARED, active=True, check=False)["changed"]
    assert not apply_workflow(n8n, DECLARED, active=True, check=False)["changed"]


def test_settings_that_nobody_declared_are_n8n_s_own(n8n: Instance) -> None:
    n8n.workflows["w1"]["settings"] |= {"timeSavedMode": "fixed"}
    assert not apply_workflow(n8n, DECLARED, active=True, check=False)["changed"]


def test_a_workflow_stands_still_where_it_is_declared_so(n8n: Instance) -> None:
    assert apply_workflow(n8n, DECLARED, active=False, check=False)["changed"]
    assert not n8n.workflows["w1"]["active"]
    assert not apply_workflow(n8n, DECLARED, active=False, check=False)["changed"]


def test_what_n8n_does_not_keep_as_declared_is_an_error(n8n: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = n8n.ask

    def forgets(method: str, path: str, body: Any = None) -> Any:
        return kept(method, path, {**body, "nodes": []} if method == "PATCH" else body)

    monkeypatch.setattr(n8n, "ask", forgets)
    with pytest.raises(RefusedError, match="otherwise than declared: nodes"):
        apply_workflow(n8n, {**DECLARED, "nodes": [{"id": "b"}]}, active=True, check=False)


def test_a_credential_is_written_when_it_is_new_declared_otherwise_or_edited_by_hand(tmp_path: Path) -> None:
    instance, notes = Instance(), str(tmp_path / "notes.json")

    def run(declared: dict[str, Any] = CREDENTIAL, *, check: bool = False) -> dict[str, Any]:
        return apply_credential(instance, declared, notes, check)

    assert run(check=True) == {"changed": True, "id": "", "msg": "credential Database: it was not there"}
    assert run()["changed"]
    assert run() == {"changed": False, "id": "c0", "msg": "credential Database: unchanged"}
    other = {**CREDENTIAL, "data": {"password": "another one"}}
    assert "declared differently" in run(other)["msg"]
    assert instance.credentials[0]["data"] == {"password": "another one"}
    instance.ask("PATCH", "/credentials/c0", other)
    assert "edited by hand" in run(other, check=True)["msg"]
    assert "edited by hand" in run(other)["msg"]
    assert not run(other)["changed"]
    assert len(instance.credentials) == 1


def test_notes_hold_no_secret_are_root_s_alone_and_may_be_lost(tmp_path: Path) -> None:
    instance, path = Instance(), tmp_path / "notes.json"
    apply_credential(instance, CREDENTIAL, str(path), check=False)
    assert "hidden-away" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("no json")
    assert "nobody knows" in apply_credential(instance, CREDENTIAL, str(path), check=False)["msg"]


def test_the_oldest_of_two_credentials_of_one_name_counts(tmp_path: Path) -> None:
    instance = Instance()
    instance.ask("POST", "/credentials", CREDENTIAL)
    instance.ask("POST", "/credentials", CREDENTIAL)
    assert apply_credential(instance, CREDENTIAL, str(tmp_path / "notes.json"), check=False)["id"] == "c0"
