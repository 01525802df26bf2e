"""The bridge's decisions, with the play itself replaced; the engine's side is in tests/integration."""

import base64
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pulumi.dynamic.dynamic import serialize_provider

from infra import ROOT, configure
from infra.configure import ConfigureProvider, ConvergeError, content_hash, converge, find_drift, has_changed
from infra.events import Failure, RunResult, failed
from infra.secrets import SecretProvider

CONVERGED = {"at": "2026-01-02T03:04:05Z", "commit": "c0ffee", "by": "ops@desk"}
FACTS = {"listeners": [22], "pgbouncer": None}
HAPPENED: dict[str, list[Any]] = {"backups": [], "drills": []}
HISTORY = '{"backups": [], "drills": []}'
AUDIT = '{"listeners": [22], "pgbouncer": null}'
DRIFTED = {"host": "supabase", "role": "postgresql", "task": "Configure", "message": "changed"}


def props(**changes: Any) -> dict[str, Any]:
    return {
        "inventory": {"all": {"vars": {"platform_secrets": {"db_workbench": "w" * 48}}}},
        "connection": {"host": "192.0.2.10", "user": "deploy", "private_key": "k", "host_public_key": "h"},
        "content": "1",
        "declared": {"environment": "staging", "phase": 1},
        "converge": True,
        "drift": [],
        "__provider": "p",
        **changes,
    }


class Play:
    """A play that ends as it is told and remembers how it was called."""

    def __init__(self, result: RunResult | None = None) -> None:
        self.result = result or finished()
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __call__(self, *arguments: Any, **options: Any) -> RunResult:
        self.calls.append((arguments, options))
        return self.result

    @property
    def variables(self) -> Mapping[str, Any]:
        variables: Mapping[str, Any] = self.calls[0][0][1]["all"]["vars"]
        return variables


def finished(*drift: dict[str, str], failure: Failure | None = None) -> RunResult:
    return RunResult(
        failure is None, 1.0, failure, list(drift), [], {"platform_audit": FACTS, "platform_history": HAPPENED}
    )


def test_converging_clears_drift_and_records_who_when_and_what_the_server_is() -> None:
    play = Play(finished(DRIFTED))
    outs = converge(props(drift=[DRIFTED]), play)
    assert outs["drift"] == []
    assert outs["server_audit"] == AUDIT
    assert outs["server_history"] == HISTORY
    assert set(outs["converged"]) == {"at", "commit", "by"}
    assert play.variables["platform_commit"] == outs["converged"]["commit"]
    assert play.variables["platform_actor"] == outs["converged"]["by"]
    assert play.calls[0][0][0].name == "site.yml"
    assert "check" not in play.calls[0][1]


def test_a_failure_is_raised_with_host_task_and_message() -> None:
    play = Play(finished(failure=Failure("supabase", "postgresql", "Start", "port in use")))
    with pytest.raises(ConvergeError) as caught:
        converge(props(), play)
    for part in ("supabase", "postgresql : Start", "port in use", "rerun"):
        assert part in str(caught.value)


@pytest.mark.parametrize("value", ["", "minioadmin", "short"])
def test_a_bad_secret_is_refused_before_anything_is_started(value: str) -> None:
    play = Play()
    inventory = {"all": {"vars": {"platform_secrets": {"db_workbench": value}}}}
    with pytest.raises(ConvergeError, match="db_workbench"):
        converge(props(inventory=inventory), play)
    assert play.calls == []


def test_a_stack_that_does_not_converge_plays_nothing() -> None:
    play = Play()
    outs = converge(props(converge=False), play)
    assert (outs["server_audit"], outs["converged"]) == (None, None)
    assert find_drift(outs, play) == outs
    assert play.calls == []


def test_a_refresh_checks_with_the_last_converged_commit_and_records_what_differs() -> None:
    play = Play(finished(DRIFTED))
    outs = find_drift(props(converged=CONVERGED, server_audit=None), play)
    assert outs["drift"] == [DRIFTED]
    assert outs["server_audit"] == AUDIT
    assert outs["converged"] == CONVERGED
    assert play.variables["platform_commit"] == "c0ffee"
    assert play.calls[0][1]["check"] is True
    assert play.calls[0][1]["wait_seconds"] <= 60


def test_a_refresh_of_an_unreachable_server_is_drift_and_keeps_the_last_audit() -> None:
    play = Play(failed("192.0.2.10", "Reach the server", "no route", unreachable=True))
    outs = find_drift(props(converged=CONVERGED, server_audit=AUDIT), play)
    assert [entry["message"] for entry in outs["drift"]] == ["unreachable"]
    assert outs["server_audit"] == AUDIT


def test_a_refresh_of_an_unchanged_server_changes_nothing() -> None:
    before = props(converged=CONVERGED, server_audit=AUDIT, server_history=HISTORY)
    assert find_drift(before, Play()) == before


@pytest.mark.parametrize(
    ("olds", "news", "expected"),
    [
        ({}, {}, False),
        ({"drift": [DRIFTED]}, {}, True),
        ({}, {"content": "2"}, True),
        ({}, {"declared": {"environment": "staging", "phase": 2}}, True),
        ({}, {"inventory": {"all": {}}}, True),
        ({}, {"connection": {"host": "192.0.2.11"}}, True),
        ({"converge": False}, {}, True),
        ({"converged": CONVERGED, "server_audit": AUDIT}, {"server_audit": None}, False),
        ({"server_history": HISTORY}, {"server_history": None}, False),
    ],
)
def test_diff_asks_for_an_update_when_code_inventory_or_server_differ(
    olds: dict[str, Any], news: dict[str, Any], expected: bool
) -> None:
    assert has_changed(props(**olds), props(**news)) is expected
    result = ConfigureProvider().diff("server", props(**olds), props(**news))
    assert result.changes is expected
    assert not result.replaces


def test_a_refresh_hands_drift_to_the_engine_as_an_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configure, "find_drift", lambda given: {**given, "drift": [DRIFTED]})
    result = ConfigureProvider().read("server", props())
    assert result.inputs is not None
    assert result.inputs["drift"] == [DRIFTED]
    assert "server_audit" not in result.inputs


@pytest.mark.parametrize("provider", [ConfigureProvider(), SecretProvider()], ids=lambda p: type(p).__name__)
def test_the_state_names_the_provider_and_holds_none_of_its_code(provider: Any) -> None:
    stored = base64.b64decode(serialize_provider(provider))
    assert len(stored) < 100
    assert type(provider).__name__.encode() in stored
    assert isinstance(pickle.loads(stored), type(provider))  # noqa: S301 - our own bytes


def test_the_content_hash_follows_what_configures_the_server_and_nothing_else(tmp_path: Path) -> None:
    for name in configure.CONTENT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    before = content_hash(1, root=tmp_path)
    (tmp_path / "roles" / "__pycache__").mkdir()
    (tmp_path / "roles" / "__pycache__" / "x.pyc").write_text("x")
    (tmp_path / "README.md").write_text("x")
    assert content_hash(1, root=tmp_path) == before
    (tmp_path / "roles" / "base" / "tasks" / "main.yml").write_text("[]\n")
    edited = content_hash(1, root=tmp_path)
    assert edited != before
    (tmp_path / "sql" / "new.sql").write_text("select 1;")
    assert content_hash(1, root=tmp_path) != edited


def test_the_content_hash_follows_the_images_that_the_phase_runs(tmp_path: Path) -> None:
    sums = tmp_path / "SHA256SUMS"
    sums.write_text("1  rest.tar\n")
    before = content_hash(1, str(tmp_path))
    sums.write_text("1  rest.tar\n2  n8n.tar\n")
    assert content_hash(1, str(tmp_path)) == before
    assert content_hash(2, str(tmp_path)) != before
    sums.write_text("3  rest.tar\n2  n8n.tar\n")
    assert content_hash(1, str(tmp_path)) != before
