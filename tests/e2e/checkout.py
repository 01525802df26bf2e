"""A second checkout with its own sandbox, so that a test can break a platform that nobody else looks at."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.stack import ROOT


@dataclass(frozen=True)
class Checkout:
    """A clone of the committed tree that shares this one's tools and package cache."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Environment without what belongs to the sandbox of the first checkout."""
        ours = ("SANDBOX_", "PULUMI_", "PLATFORM_", "MAKE")
        return {name: value for name, value in os.environ.items() if not name.startswith(ours)}

    def start(self, *arguments: str, log: Path) -> subprocess.Popen[bytes]:
        """Start make in a session of its own; both outputs go to the log."""
        with log.open("ab") as out:
            return subprocess.Popen(
                ["make", *arguments], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    def make(self, *arguments: str, timeout: float = 900) -> str:
        """Run make to its end and return what it printed."""
        done = subprocess.run(
            ["make", *arguments], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"make {' '.join(arguments)}\n{done.stdout[-6000:]}"
        return done.stdout


@contextmanager
def second_checkout(parent: Path) -> Iterator[Checkout]:
    """Clone, hand over the caches, and take the second sandbox down afterwards."""
    folder = parent / "platform"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    (folder / ".cache").symlink_to(ROOT / ".cache")
    checkout = Checkout(folder)
    try:
        yield checkout
    finally:
        checkout.make("down")
