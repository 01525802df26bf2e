"""The agent and the waiting, against real ssh programs and a port where nobody answers."""

import os
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra import ROOT, ssh
from infra.secrets import make
from infra.ssh import Connection, Session, UnreachableError, session, wait_until_ready

KEY = make({"kind": "ssh"}, datetime.now(UTC))


def connection(host: str = "192.0.2.10") -> Connection:
    return Connection(host, "deploy", KEY["value"], KEY["public"])


def listed(opened: Session) -> subprocess.CompletedProcess[str]:
    environment = os.environ | dict(opened.environment)
    return subprocess.run(["ssh-add", "-L"], env=environment, capture_output=True, text=True, check=False)


def test_the_key_is_in_an_agent_of_our_own_and_on_no_disk(tmp_path: Path) -> None:
    with session(connection(), tmp_path) as opened:
        assert KEY["public"] in listed(opened).stdout
        files = [path for path in tmp_path.iterdir() if path.is_file()]
        assert not [path for path in files if "PRIVATE KEY" in path.read_text()]
    assert listed(opened).returncode == 2, "the agent still answers"


def test_the_agent_of_a_killed_program_ends_by_itself(tmp_path: Path) -> None:
    program = f"""
        import json, sys, time
        from pathlib import Path
        from infra.ssh import Connection, session
        with session(Connection(**json.load(sys.stdin)), Path({str(tmp_path)!r})):
            print("ready", flush=True)
            time.sleep(60)
    """
    import json

    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        json.dump(connection().as_dict(), process.stdin)
        process.stdin.close()
        assert process.stdout.readline() == "ready\n"
        process.kill()
    # The agent looks every ten seconds whether its command is still there.
    deadline = time.monotonic() + 25
    while (tmp_path / "agent").exists():
        assert time.monotonic() < deadline, "the agent outlived the program by far"
        time.sleep(0.5)


def test_the_host_key_is_pinned_and_the_operator_s_configuration_is_not_read(tmp_path: Path) -> None:
    with session(connection(), tmp_path) as opened:
        command = opened.command("true")
        known = (tmp_path / "known_hosts").read_text()
    assert known == f"192.0.2.10 {KEY['public']}\n"
    assert command[1:3] == ["-F", "none"]
    assert "StrictHostKeyChecking=yes" in command
    assert f"UserKnownHostsFile={tmp_path / 'known_hosts'}" in command
    assert command[-2:] == ["deploy@192.0.2.10", "true"]


def test_a_broken_key_is_refused_without_showing_it(tmp_path: Path) -> None:
    broken = Connection("192.0.2.10", "deploy", "not a key", KEY["public"])
    with pytest.raises(UnreachableError, match="refused the platform's key") as caught, session(broken, tmp_path):
        pass
    assert "not a key" not in str(caught.value)


def test_waiting_ends_in_time_and_says_what_to_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "RETRY_SECONDS", 0.2)
    monkeypatch.setattr(Session, "command", lambda *_: ["sh", "-c", "echo 'Connection refused' >&2; exit 255"])
    said: list[str] = []
    began = time.monotonic()
    with session(connection(), tmp_path) as opened, pytest.raises(UnreachableError) as caught:
        wait_until_ready(opened, 1.0, said.append)
    assert time.monotonic() - began < 5
    for part in ("192.0.2.10", "within 1 s", "Connection refused", "ssh_allowed_cidrs"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'Host key verification failed.' >&2; exit 255", "another host key"),
        ("echo 'status: error'; exit 1", "the first boot failed: status: error"),
        ("sleep 30", "did not finish its first boot.* within 1 s"),
    ],
)
def test_what_waiting_cannot_cure_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    monkeypatch.setattr(Session, "command", lambda *_: ["sh", "-c", script])
    with session(connection(), tmp_path) as opened, pytest.raises(UnreachableError, match=said):
        wait_until_ready(opened, 1.0, lambda _: None)


@pytest.mark.parametrize("status", [0, 2])
def test_a_finished_first_boot_is_ready_with_or_without_warnings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(Session, "command", lambda *_: ["sh", "-c", f"exit {status}"])
    with session(connection(), tmp_path) as opened:
        wait_until_ready(opened, 5.0, lambda _: None)
