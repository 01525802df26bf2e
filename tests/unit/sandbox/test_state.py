"""The state file: whole at any moment, changed by one process at a time."""

import json
import multiprocessing
import os
import shutil
import signal
import stat
import time
from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.home import Home
from sandbox.state import State

_CHANGES = 50


def count_up(folder: Path, changes: int) -> None:
    state = State(Home(folder))
    for _ in range(changes):
        with state.change() as content:
            content["count"] = content.get("count", 0) + 1
            content["padding"] = "x" * 100_000


def test_two_processes_lose_no_change(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=count_up, args=(tmp_path, _CHANGES)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert State(Home(tmp_path)).read()["count"] == 2 * _CHANGES


def test_killed_process_leaves_a_whole_file_and_no_lock(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    worker = context.Process(target=count_up, args=(tmp_path, 1_000_000))
    worker.start()
    while not (tmp_path / "state.json").exists():
        assert worker.is_alive()
        time.sleep(0.01)
    time.sleep(0.2)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    before = State(Home(tmp_path)).read()["count"]
    count_up(tmp_path, 1)
    assert State(Home(tmp_path)).read()["count"] == before + 1


def test_failed_change_is_dropped(tmp_path: Path) -> None:
    state = State(Home(tmp_path))

    def fail() -> None:
        with state.change() as content:
            content["count"] = 1
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert "count" not in state.read()


def test_file_is_private(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with State(home).change():
        pass
    assert stat.S_IMODE(home.state_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700


def test_lock_survives_a_folder_that_was_tidied_away(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with State(home).locked():
        shutil.rmtree(home.locks)
    with State(home).change() as content:
        content["count"] = 1
    assert State(home).read()["count"] == 1


@pytest.mark.parametrize("content", ["{", json.dumps({"version": 99}), "[]"])
def test_unreadable_state_says_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / "state.json").write_text(content)
    with pytest.raises(SandboxError, match="make down"):
        State(Home(tmp_path)).read()
