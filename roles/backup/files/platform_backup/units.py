"""Work in units of systemd: a lost SSH connection ends nothing, and the journal keeps what was said."""

import subprocess

from .settings import BackupError

BACKUP_UNIT = "supabase-backup@{}.service"


def _systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)


def start_and_wait(unit: str) -> str:
    """Start a oneshot unit, wait for its end, and return what it said; its failure is an error with that."""
    done = _systemctl("start", unit)
    invocation = _systemctl("show", "--property=InvocationID", "--value", unit).stdout.strip()
    said = subprocess.run(
        ["journalctl", "--quiet", "--output=cat", f"_SYSTEMD_INVOCATION_ID={invocation}"],
        capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    if done.returncode:
        raise BackupError(f"{unit} failed (journalctl --unit={unit} has it all):\n{said or done.stderr.strip()}")
    return said


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
