"""The way to the server for people and tests: a shell, psql, logs, and a connection that runs commands."""

import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from os import environ
from types import TracebackType
from typing import Any, Self

from infra import components
from infra.converge import connection_of
from infra.ram import private_directory
from infra.ssh import Session, session
from ops.errors import OperatorError
from ops.stack import Stack

FORWARD_SECONDS = 15.0


class Server:
    """A connection to the platform's server, used as a context; commands run as root.

    The key lives in an agent for as long as the context is open and never reaches a disk.
    """

    def __init__(self, outputs: Mapping[str, Any]) -> None:
        self._connection = connection_of(outputs)
        self._resources = ExitStack()
        self._session: Session | None = None

    def __enter__(self) -> Self:
        directory, _ = self._resources.enter_context(private_directory())
        self._session = self._resources.enter_context(session(self._connection, directory))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    @property
    def session(self) -> Session:
        """The open session."""
        if self._session is None:
            raise OperatorError("the server's connection is used outside its context")
        return self._session

    def run(self, script: str, stdin: str = "") -> str:
        """Run a shell script as root and return what it printed, without the last newline."""
        return self._execute(["sudo", "bash", "-ceu", script], stdin)

    def python(self, program: str, stdin: str = "") -> str:
        """Run a Python program as root and return what it printed."""
        return self._execute(["sudo", "python3", "-c", program], stdin)

    def interactive(self, *command: str) -> int:
        """Give the terminal to a remote command; returns its exit code."""
        terminal = ["-t"] if sys.stdin.isatty() else []
        base = self.session.command(*command)
        words = [base[0], *terminal, *base[1:]]
        return subprocess.run(words, env={**environ, **self.session.environment}, check=False).returncode

    @contextmanager
    def forward(self, component: str) -> Iterator[int]:
        """A local port that leads to a component's first port on the server's loopback."""
        remote = components.load()[component].ports[0].number
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            local: int = free.getsockname()[1]
        base = self.session.command()
        words = [
            base[0],
            "-N",
            "-o",
            "ExitOnForwardFailure=yes",
            "-L",
            f"127.0.0.1:{local}:127.0.0.1:{remote}",
            *base[1:],
        ]
        tunnel = subprocess.Popen(
            words, env={**environ, **self.session.environment}, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            _wait_for(local, tunnel)
            yield local
        finally:
            tunnel.terminate()
            tunnel.communicate()

    def _execute(self, command: list[str], stdin: str) -> str:
        done = subprocess.run(
            self.session.command(shlex.join(command)),
            env={**environ, **self.session.environment},
            input=stdin,
            text=True,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise OperatorError(f"{self._connection.host}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.rstrip("\n")


def _wait_for(port: int, tunnel: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + FORWARD_SECONDS
    while time.monotonic() < deadline:
        if tunnel.poll() is not None:
            _, problem = tunnel.communicate()
            raise OperatorError(f"the tunnel could not be opened: {problem.decode().strip()}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise OperatorError(f"the tunnel did not open within {FORWARD_SECONDS:.0f} s")


def ssh(stack: Stack) -> None:
    """Open a shell on the server."""
    with Server(stack.outputs()) as server:
        server.interactive()


def psql(stack: Stack) -> None:
    """Open psql on the server as the database's superuser, by its socket."""
    with Server(stack.outputs()) as server:
        server.interactive("sudo", "-u", "postgres", "psql")


def tunnel(stack: Stack, component: str) -> None:
    """Lead a local port to a component of the server until somebody interrupts."""
    if component not in {row.name for row in components.load() if not row.planned}:
        raise OperatorError(f"there is no component {component}; the component table has them")
    with Server(stack.outputs()) as server, server.forward(component) as port:
        print(f"[tunnel] {component} answers at http://localhost:{port} until you press Ctrl-C", flush=True)
        with suppress(KeyboardInterrupt):
            signal.pause()


def logs(stack: Stack, component: str | None) -> None:
    """Follow the journal of one component, or of all of them."""
    rows = [row for row in components.load() if not row.planned]
    names = {row.name for row in rows}
    if component is not None and component not in names:
        raise OperatorError(f"there is no component {component}; there are: {', '.join(sorted(names))}")
    units = [word for row in rows if component in {None, row.name} for word in ("--unit", row.unit)]
    with Server(stack.outputs()) as server:
        server.interactive("sudo", "journalctl", "--follow", "--lines", "50", *units)
