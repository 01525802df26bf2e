"""Block devices of volumes: a sparse file each, carried by a loop device."""

import subprocess
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.home import Home
from sandbox.state import Record

_GIB = 1024**3


def backing_file(home: Home, volume: Record) -> Path:
    """The file that holds a volume's bytes."""
    return home.volumes / f"{volume['id']}.img"


def resize(home: Home, volume: Record) -> None:
    """Make the volume's file, or grow it, and tell its loop device."""
    home.volumes.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = backing_file(home, volume)
    with path.open("ab") as out:
        path.chmod(0o600)
        if out.tell() < volume["size"] * _GIB:
            out.truncate(volume["size"] * _GIB)
    for number in _numbers(path):
        _losetup("--set-capacity", f"/dev/loop{number}")


def attach(home: Home, volume: Record) -> int:
    """Give the volume a loop device unless it has one; returns the device's number."""
    path = backing_file(home, volume)
    numbers = _numbers(path)
    if not numbers:
        _losetup("--find", str(path))
        numbers = _numbers(path)
    return numbers[0]


def detach(home: Home, volume: Record) -> None:
    """Free the volume's loop device."""
    for number in _numbers(backing_file(home, volume)):
        _losetup("--detach", f"/dev/loop{number}")


def remove(home: Home, volume: Record) -> None:
    """Free the volume's loop device and delete its bytes."""
    detach(home, volume)
    backing_file(home, volume).unlink(missing_ok=True)


def detach_all(home: Home) -> None:
    """Free every loop device whose file lies in this sandbox, whatever the account knows of it."""
    for line in _losetup("--list", "--noheadings", "--raw", "--output", "NAME,BACK-FILE").splitlines():
        device, _, path = line.partition(" ")
        if path.startswith(f"{home.volumes}/"):
            _losetup("--detach", device)


def _numbers(path: Path) -> list[int]:
    devices = _losetup("--associated", str(path), "--noheadings", "--output", "NAME").split()
    return sorted(int(device.removeprefix("/dev/loop")) for device in devices)


def _losetup(*arguments: str) -> str:
    done = subprocess.run(
        ["losetup", *arguments], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise SandboxError(f"losetup {' '.join(arguments)} failed: {done.stderr.strip()} (loop devices need root)")
    return done.stdout
