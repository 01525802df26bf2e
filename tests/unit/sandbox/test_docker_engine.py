"""A docker that was killed does not keep the next one from starting."""

import os
from pathlib import Path

import pytest

from sandbox.toolchain import docker_engine


def forget(monkeypatch: pytest.MonkeyPatch, path: Path, program: str) -> bool:
    monkeypatch.setattr(docker_engine, "_PID_FILES", {str(path): program})
    docker_engine._forget_killed_daemons()
    return not path.exists()


def test_the_id_of_a_process_that_is_gone_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "docker.pid"
    path.write_text("4194305\n")  # more than Linux ever gives
    assert forget(monkeypatch, path, "dockerd")


def test_an_id_that_somebody_else_has_now_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "docker.pid"
    path.write_text(str(os.getpid()))
    assert forget(monkeypatch, path, "dockerd")


def test_the_id_of_a_living_daemon_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "docker.pid"
    path.write_text(str(os.getpid()))
    assert not forget(monkeypatch, path, Path("/proc/self/comm").read_text().strip())
