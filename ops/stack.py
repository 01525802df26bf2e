"""One Pulumi stack as the operator's commands use it: its environment, its commands, its outputs."""

import json
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from ops.errors import OperatorError
from sandbox import environment as sandbox_environment
from sandbox import home
from sandbox.network import service_address
from sandbox.services import acme

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "supabase-platform"
SANDBOX = "sandbox"
# A run whose progress the roles tell themselves.
UP = ("up", "--yes", "--skip-preview", "--suppress-outputs", "--suppress-progress")


@dataclass(frozen=True)
class Stack:
    """A stack by name; the stack `sandbox` brings its own cloud, backend and credentials."""

    name: str

    @property
    def is_sandbox(self) -> bool:
        """Whether this stack lives in the sandbox of this checkout."""
        return self.name == SANDBOX

    @cached_property
    def environment(self) -> dict[str, str]:
        """Environment of every command that concerns this stack."""
        if not self.is_sandbox:
            return dict(os.environ)
        return {**os.environ, **sandbox_environment.variables(home.current())}

    @property
    def nameserver(self) -> str | None:
        """Who is asked for the platform's names: the sandbox's own DNS server, or (None) whoever this machine asks."""
        return service_address(home.current(), "dns") if self.is_sandbox else None

    @property
    def ca_file(self) -> Path | None:
        """Who signs the platform's certificates: the sandbox's own authority, or (None) whoever this machine trusts."""
        return acme.roots_file(home.current()) if self.is_sandbox else None

    def pulumi(self, *arguments: str) -> None:
        """Run a Pulumi command in the foreground; its failure ends the operator's command too."""
        done = subprocess.run([*self._command(arguments)], cwd=ROOT, env=self.environment, check=False)
        if done.returncode:
            raise OperatorError(f"pulumi {arguments[0]} failed on stack {self.name}; its message is above")

    def read(self, *arguments: str) -> str:
        """What a Pulumi command prints."""
        done = subprocess.run(
            [*self._command(arguments)], cwd=ROOT, env=self.environment, check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise OperatorError(f"pulumi {arguments[0]} failed on stack {self.name}: {done.stderr.strip()}")
        return done.stdout

    def keep_secret(self, key: str, value: str) -> None:
        """Put a secret into the stack's configuration, unless it holds it: its cipher text is new each time.

        It goes over standard input; a command line is for everybody to read.
        """
        held = json.loads(self.read("config", "--json", "--show-secrets"))
        if held.get(f"{PROJECT}:{key}", {}).get("value") == value:
            return
        done = subprocess.run(
            self._command(("config", "set", "--secret", f"{PROJECT}:{key}")), cwd=ROOT, env=self.environment,
            check=False, capture_output=True, input=value, text=True,
        )  # fmt: skip
        if done.returncode:
            raise OperatorError(f"{key} cannot be kept on stack {self.name}: {done.stderr.strip()}")

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in clear: never print them."""
        found: dict[str, Any] = json.loads(self.read("stack", "output", "--json", "--show-secrets"))
        if not found:
            raise OperatorError(f"stack {self.name} has no platform yet; bring it up with: make up STACK={self.name}")
        return found

    def exists(self) -> bool:
        """Whether the backend knows this stack."""
        names = [entry["name"] for entry in json.loads(self.read("stack", "ls", "--json"))]
        return self.name in {name.rsplit("/", 1)[-1] for name in names}

    def release_lock_of_a_dead_run(self) -> bool:
        """Remove the lock that a killed `pulumi` left in a file backend; a lock of a living process stays.

        Returns whether there was one.
        """
        released = False
        for path in self._locks():
            lock = json.loads(path.read_text())
            if lock["hostname"] == socket.gethostname() and not _runs(lock["pid"]):
                path.unlink()
                path.with_name(f"{path.name}.attrs").unlink(missing_ok=True)
                print(f"[up] run {lock['pid']} was killed; its lock is released", flush=True)
                released = True
        return released

    def locked_by(self) -> str | None:
        """Whose run holds this stack in a file backend. Other backends refuse a second run themselves."""
        for path in self._locks():
            lock = json.loads(path.read_text())
            return f"process {lock['pid']} of {lock['username']}@{lock['hostname']}"
        return None

    def forget_interrupted_creations(self) -> None:
        """Drop the operations that a killed run left pending: an import of the state leaves them out.

        Right only where the provider itself finds what was half made, as the sandbox's does.
        """
        state = self.read("stack", "export")
        subprocess.run(
            self._command(("stack", "import")), cwd=ROOT, env=self.environment, check=True, input=state, text=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def _locks(self) -> list[Path]:
        """The lock files of this stack in a file backend."""
        backend = urlparse(self.environment.get("PULUMI_BACKEND_URL", ""))
        if backend.scheme != "file":
            return []
        folder = Path(backend.path) / ".pulumi" / "locks" / "organization" / PROJECT / self.name
        return sorted(folder.glob("*.json"))

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        program = shutil.which("pulumi", path=self.environment.get("PATH"))
        if program is None:
            raise OperatorError(
                "the Pulumi CLI is missing; install it from pulumi.com/docs/install, then run this again"
            )
        selects = () if arguments[:2] == ("stack", "ls") else ("--stack", self.name)
        return [program, *arguments, *selects, "--non-interactive"]


def _runs(pid: int) -> bool:
    """Whether a process lives; one that ended and was not collected by its parent yet does not."""
    try:
        state = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in {"Z", "X"}
