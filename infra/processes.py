"""What the kernel does for a parent and its children, on Linux; elsewhere these are left to themselves."""

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

_SET_DEATH_SIGNAL = 1
_SET_SUBREAPER = 36


def die_with_parent() -> None:
    """Let the kernel end this process when the one that started it ends, however that ends."""
    _prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends."""
    _prctl(_SET_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value)


def children() -> list[int]:
    """Process ids of this process's children."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            parent = int(path.read_text(encoding="utf-8").rsplit(")", 1)[1].split()[1])
            found += [int(path.parent.name)] if parent == os.getpid() else []
    return found


def end_children() -> None:
    """Kill the children, and the orphans that become children by that, until none is left."""
    while left := children():
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
