"""The lock of a killed run is released, that of a living one stays."""

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from ops.stack import PROJECT, Stack


def locked(home: Path, pid: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{home}")
    folder = home / ".pulumi" / "locks" / "organization" / PROJECT / "cloud"
    folder.mkdir(parents=True)
    (folder / "a.json").write_text(json.dumps({"pid": pid, "hostname": socket.gethostname()}))
    (folder / "a.json.attrs").write_text("{}")
    return folder


def test_a_living_run_keeps_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = locked(tmp_path, os.getpid(), monkeypatch)
    assert not Stack("cloud").release_lock_of_a_dead_run()
    assert len(list(folder.iterdir())) == 2


def test_a_killed_run_that_nobody_collected_yet_loses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "60"]) as run:
        run.kill()
        os.waitid(os.P_PID, run.pid, os.WEXITED | os.WNOWAIT)
        folder = locked(tmp_path, run.pid, monkeypatch)
        assert Stack("cloud").release_lock_of_a_dead_run()
    assert list(folder.iterdir()) == []


def test_a_run_that_is_gone_loses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = locked(tmp_path, 4194305, monkeypatch)  # more than Linux ever gives
    assert Stack("cloud").release_lock_of_a_dead_run()
    assert list(folder.iterdir()) == []
