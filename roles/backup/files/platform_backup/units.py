"""Work in units of systemd: a lost SSH connection ends nothing, and the journal keeps what was said."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .settings import BackupError

BACKUP_UNIT = "supabase-backup@{}.service"
RESTORE_UNIT = "supabase-restore.service"
REQUEST = Path("/run/supabase-restore.json")


def _systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)


def _journal(*arguments: str) -> str:
    return subprocess.run(
        ["journalctl", "--quiet", "--no-pager", *arguments], capture_output=True, text=True, check=False
    ).stdout.strip()


def start_and_wait(unit: str) -> str:
    """Start a oneshot unit, wait for its end, and return what it said; its failure is an error with that."""
    cursor = _journal("--lines=0", "--show-cursor").rpartition("-- cursor: ")[2]
    done = _systemctl("start", unit)
    _journal("--sync")
    # What the program printed, without what others wrote about it.
    said = _journal("--output=cat", f"--after-cursor={cursor}", f"_SYSTEMD_UNIT={unit}", "_TRANSPORT=stdout")
    if done.returncode:
        raise BackupError(f"{unit} failed (journalctl --unit={unit} has it all):\n{said or done.stderr.strip()}")
    return said


def is_active(unit: str) -> bool:
    """Whether a unit runs."""
    return _systemctl("is-active", "--quiet", unit).returncode == 0


def start(unit: str) -> None:
    """Start a unit unless it runs."""
    done = _systemctl("start", unit)
    if done.returncode:
        raise BackupError(f"{unit} does not start: {done.stderr.strip()}")


def stop(unit: str) -> None:
    """Stop a unit if it runs."""
    done = _systemctl("stop", unit)
    if done.returncode:
        raise BackupError(f"{unit} does not stop: {done.stderr.strip()}")


def request_restore(request: Mapping[str, Any]) -> str:
    """Have the restore unit do what is asked, wait for its end, and return what it said."""
    state = _systemctl("show", "--property=ActiveState", "--value", RESTORE_UNIT).stdout.strip()
    if state in {"active", "activating"}:
        raise BackupError(f"a restore is running already; watch it with: journalctl --follow --unit={RESTORE_UNIT}")
    with os.fdopen(os.open(REQUEST, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        json.dump(request, out)
    return start_and_wait(RESTORE_UNIT)


def requested() -> dict[str, Any]:
    """What the restore unit was asked to do; a request is good for one run."""
    request: dict[str, Any] = json.loads(REQUEST.read_text(encoding="utf-8"))
    REQUEST.unlink()
    return request
