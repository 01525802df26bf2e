"""Events as ansible-runner hands them over, digested."""

from typing import Any

import pytest

from infra.events import CHANGED, EventLog, RunResult, failed


class Log(EventLog):
    """An event log that keeps what it says."""

    def __init__(self, *, check: bool = False) -> None:
        self.lines: list[str] = []
        super().__init__(self.lines.append, check=check)

    def start(self, task: str, role: str = "base", stage: str = "install", **data: Any) -> None:
        path = f"roles/{role}/tasks/{stage}.yml:1"
        self({"event": "playbook_on_task_start", "event_data": {"task": task, "role": role, "task_path": path, **data}})

    def end(self, kind: str, task: str, role: str = "base", stdout: str = "", **data: Any) -> None:
        given = {"task": task, "role": role, "host": "h", "duration": 1.0, **data}
        self({"event": f"runner_on_{kind}", "event_data": given, "stdout": stdout})


def test_roles_and_changes_are_said_and_silence_means_nothing_changed() -> None:
    log = Log()
    log.start("Check", stage="preflight")
    log.end("ok", "Check", res={})
    log.start("Install")
    log.end("ok", "Install", res={"changed": True})
    log.start("Configure")
    log.end("ok", "Configure", res={"changed": False})
    assert log.lines == ["base", "base : Install: changed"]
    result = log.result(succeeded=True, reason="")
    assert result.ok
    assert result.changed == ["base : Install"]
    assert result.role_seconds == {"base": 3.0}
    assert "3 tasks, 1 changed" in result.summary()


def test_a_check_says_only_what_differs() -> None:
    log = Log(check=True)
    log.start("Install")
    log.end("ok", "Install", res={"changed": True})
    assert log.lines == ["base : Install: differs"]


@pytest.mark.parametrize(
    ("stdout", "changed"),
    [
        ("\r\nTASK [Secret] ****\r\n\x1b[0;33mchanged: [h]\x1b[0m", ["base : Secret"]),
        ("\r\nTASK [Secret] ****\r\n\x1b[0;32mok: [h]\x1b[0m", []),
    ],
)
def test_a_hidden_task_s_change_is_read_from_the_line_ansible_prints(stdout: str, changed: list[str]) -> None:
    log = Log()
    log.start("Secret")
    log.end("ok", "Secret", stdout=stdout, res={"censored": "hidden"})
    assert log.result(succeeded=True, reason="").changed == changed


def test_a_handler_is_said_but_is_no_drift_of_its_own() -> None:
    log = Log()
    log.start("Restart", task_uuid="1", is_conditional=True)
    log.end("ok", "Restart", task_uuid="1", res={"changed": True})
    assert log.lines[-1] == "base : Restart: changed"
    assert log.result(succeeded=True, reason="").drift == []


def test_an_ignored_failure_is_none() -> None:
    log = Log()
    log.end("failed", "Try", ignore_errors=True, res={"msg": "no"})
    assert log.result(succeeded=True, reason="").ok


def test_drift_is_sorted_and_says_of_what_kind_it_is() -> None:
    log = Log(check=True)
    log.end("ok", "Z", res={"changed": True})
    log.end("failed", "A", res={"msg": "broken"})
    drift = log.result(succeeded=False, reason="").drift
    assert [(entry["task"], entry["message"]) for entry in drift] == [("A", "failed"), ("Z", CHANGED)]


def test_an_unreachable_server_is_a_failure_of_its_own_kind() -> None:
    log = Log()
    log.end("unreachable", "Install", res={"msg": "timed out"})
    failure = log.result(succeeded=False, reason="").failure
    assert failure is not None
    assert failure.unreachable
    assert failure.message == "timed out"


def test_a_run_that_ended_between_tasks_says_the_reason() -> None:
    log = Log()
    log.start("Install")
    failure = log.result(succeeded=False, reason="the run was stopped").failure
    assert failure is not None
    assert "the run was stopped; it was at: base : Install" in str(failure)


def test_a_result_survives_the_process_boundary() -> None:
    before = failed("192.0.2.10", "Reach the server", "no route", unreachable=True)
    assert RunResult.from_dict(before.as_dict()) == before
