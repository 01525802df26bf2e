"""Private directories that exist in memory only, for whatever must never reach a disk."""

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "PLATFORM_RAM_DIR"
PREFIX = "platform-"
# Sockets live below it, and the path of a socket has at most 108 characters.
LONGEST_PATH = 40
LOCK = "lock"
MEMORY_FILESYSTEMS = frozenset({"tmpfs", "ramfs"})


class NoMemoryFilesystemError(Exception):
    """There is no place for secrets that is not a disk."""

    def __init__(self, tried: str) -> None:
        super().__init__(
            f"no memory filesystem for secrets ({tried}); point {VARIABLE} at a directory on a RAM disk of your own"
        )


def base_directory() -> Path:
    """A writable directory in memory: the operator's choice, the session's runtime directory, or /dev/shm."""
    chosen = os.environ.get(VARIABLE)
    candidates = [chosen] if chosen else [os.environ.get("XDG_RUNTIME_DIR"), "/dev/shm"]  # noqa: S108 - checked below
    tried = []
    for candidate in filter(None, candidates):
        path = Path(candidate)
        if not (path.is_dir() and os.access(path, os.W_OK)):
            tried.append(f"{path} is no writable directory")
        elif len(str(path)) > LONGEST_PATH:
            tried.append(f"{path} is longer than {LONGEST_PATH} characters")
        elif not _in_memory(path):
            tried.append(f"{path} is on a disk")
        else:
            return path
    raise NoMemoryFilesystemError("; ".join(tried) or "XDG_RUNTIME_DIR is not set")


def _in_memory(path: Path) -> bool:
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        # Not Linux: only the operator can know, and naming the variable says so.
        return sys.platform != "linux" and VARIABLE in os.environ
    kinds = {}
    for line in mounts.read_text(encoding="utf-8").splitlines():
        _, where, kind, *_ = line.split()
        kinds[where.encode().decode("unicode_escape")] = kind
    real = path.resolve()
    nearest = next(str(parent) for parent in (real, *real.parents) if str(parent) in kinds)
    return kinds[nearest] in MEMORY_FILESYSTEMS


def remove_stale(base: Path) -> None:
    """Remove the directories of runs that were killed: those whose lock nobody holds any more."""
    for path in base.glob(f"{PREFIX}*"):
        if path.is_dir() and path.stat().st_uid == os.getuid() and not _held(path / LOCK):
            shutil.rmtree(path, ignore_errors=True)


def _held(lock: Path) -> bool:
    try:
        with lock.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


@contextmanager
def private_directory() -> Iterator[tuple[Path, int]]:
    """A fresh directory of mode 0700 and the descriptor that keeps it alive; gone afterwards in all cases.

    A child that inherits the descriptor keeps the directory from being taken for stale.
    """
    base = base_directory()
    remove_stale(base)
    # The lock is taken before the directory has the name that the cleaner looks for.
    path = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=base))
    lock = os.open(path / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = path.rename(base / path.name.removeprefix("."))
        yield path, lock
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)
