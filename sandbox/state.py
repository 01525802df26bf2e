"""The account's state: one JSON file, changed by one process at a time and never half-written."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.errors import SandboxError
from sandbox.home import Home

type Record = dict[str, Any]
"""One resource as the account knows it."""

_VERSION = 1


class State:
    """Reads and changes the state file of one sandbox."""

    def __init__(self, home: Home) -> None:
        """Use the state file of `home`; it need not exist yet."""
        self._home = home

    def read(self) -> dict[str, Any]:
        """Return the state as it is now; changes to it are not kept."""
        try:
            content = json.loads(self._home.state_file.read_text())
        except FileNotFoundError:
            return {"version": _VERSION, "next_number": 1}
        except json.JSONDecodeError as error:
            raise SandboxError(
                f"{self._home.state_file} is damaged ({error}); remove this sandbox with: make down"
            ) from None
        if not isinstance(content, dict) or content.get("version") != _VERSION:
            raise SandboxError(
                f"{self._home.state_file} was written by another version of the sandbox; remove it with: make down"
            )
        return content

    @contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """Hold the state for a change that is kept when the block ends well, and dropped when it raises."""
        with self.locked():
            state = self.read()
            yield state
            self._write(state)

    @contextmanager
    def locked(self, name: str = "state") -> Iterator[None]:
        """Hold the lock `name` of this sandbox; a process that dies gives it back."""
        descriptor = self._lock(self._home.locks / name)
        try:
            yield
        finally:
            os.close(descriptor)

    def _lock(self, path: Path) -> int:
        while True:
            self._home.make()
            path.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:  # the folder was tidied away in between
                continue
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
            os.close(descriptor)  # the file was tidied away while we waited

    def _write(self, state: dict[str, Any]) -> None:
        fresh = self._home.state_file.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            json.dump(state, out, indent=1, sort_keys=True)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(self._home.state_file)
