import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.ram import NoMemoryFilesystemError, base_directory, private_directory

MEMORY = Path("/dev/shm")
pytestmark = pytest.mark.skipif(not MEMORY.is_dir(), reason="needs a memory filesystem")


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = MEMORY / f"ram-{os.getpid()}"
    path.mkdir()
    monkeypatch.setenv("PLATFORM_RAM_DIR", str(path))
    yield path
    shutil.rmtree(path)


def test_a_private_directory_is_private_and_gone_afterwards(base: Path) -> None:
    with private_directory() as (path, _):
        assert path.parent == base
        assert path.stat().st_mode & 0o777 == 0o700
        (path / "secret").write_text("x")
    assert list(base.iterdir()) == []


def test_it_is_gone_after_an_error_too(base: Path) -> None:
    with pytest.raises(FileNotFoundError), private_directory() as (path, _):
        (path / "nowhere" / "secret").write_text("x")
    assert list(base.iterdir()) == []


def test_what_a_killed_run_left_is_removed_at_the_next_start(base: Path) -> None:
    stale = base / "platform-left"
    stale.mkdir()
    (stale / "lock").touch()
    (stale / "secret").write_text("x")
    with private_directory():
        assert not stale.exists()


def test_a_directory_in_use_is_left_alone(base: Path) -> None:
    with private_directory() as (first, _), private_directory() as (second, _):
        assert first.exists()
        assert second.exists()


def test_a_child_that_inherits_the_lock_keeps_the_directory(base: Path) -> None:
    used = base / "platform-used"
    used.mkdir()
    with (used / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with private_directory():
            assert used.exists()


def test_a_disk_is_refused_with_the_variable_that_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_RAM_DIR", "/var/lib")
    with pytest.raises(NoMemoryFilesystemError, match=r"/var/lib is on a disk.*PLATFORM_RAM_DIR"):
        base_directory()


def test_a_missing_or_deep_directory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_RAM_DIR", "/nowhere")
    with pytest.raises(NoMemoryFilesystemError, match="no writable directory"):
        base_directory()
    deep = MEMORY / ("d" * 60)
    deep.mkdir()
    monkeypatch.setenv("PLATFORM_RAM_DIR", str(deep))
    with pytest.raises(NoMemoryFilesystemError, match="longer than"):
        base_directory()
    deep.rmdir()


def test_without_a_session_directory_the_system_s_shared_memory_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLATFORM_RAM_DIR", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/var/lib")
    assert base_directory() == MEMORY
