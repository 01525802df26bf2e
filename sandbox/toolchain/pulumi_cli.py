"""The Pulumi command line: the official one if it is there, else one built from its Go module."""

import re
import shutil
import subprocess
from pathlib import Path

from sandbox.home import CACHE
from sandbox.toolchain import golang

_BUILT = CACHE / "bin" / "pulumi"
_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
# Without it the Automation API takes the CLI for one of unknown age.
_VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"


def ensure() -> Path:
    """A CLI of at least the pinned version."""
    wanted = golang.pinned_version("pulumi_cli")
    official = _official()
    if official and _version(official) >= _parse(wanted):
        return official
    if not _BUILT.exists() or _version(_BUILT) != _parse(wanted):
        golang.build("pulumi-cli", _PACKAGE, _BUILT, ldflags=f"-s -w -X {_VERSION_VARIABLE}={wanted.removeprefix('v')}")
    return _BUILT


def has_python_runtime() -> bool:
    """Whether the CLI that will be used brings its own Python runtime; the one built here does not."""
    official = _official()
    return bool(official and official.with_name("pulumi-language-python").exists())


def _official() -> Path | None:
    found = shutil.which("pulumi")
    if not found or Path(found).resolve() == _BUILT.resolve():
        return None
    return Path(found).resolve()


def _version(binary: Path) -> tuple[int, ...]:
    done = subprocess.run([binary, "version"], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return _parse(done.stdout)


def _parse(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])
