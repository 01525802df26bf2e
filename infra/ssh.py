"""The way to the server: one user, one key that lives in an agent, one host key that is known beforehand."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from infra.components import load

# The one user that may log in; sudo without a password, root login is off.
ADMIN_USER = "deploy"
CONNECT_SECONDS = 10
TELL_SECONDS = 30.0
RETRY_SECONDS = 2.0
# ssh's own failures end with this status; anything else comes from the remote command.
SSH_FAILED = 255
# cloud-init ends with 2 when it finished with warnings.
CLOUD_INIT_DONE = (0, 2)
_ADVICE = "check that the droplet runs, that ssh_allowed_cidrs holds your address, and the droplet's console"


class UnreachableError(Exception):
    """The server did not let us in within the time allowed."""


@dataclass(frozen=True)
class Connection:
    """Where the server is and how it proves who it is; `private_key` is a secret."""

    host: str
    user: str
    private_key: str
    host_public_key: str

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `as_dict` wrote."""
        return cls(data["host"], data["user"], data["private_key"], data["host_public_key"])

    def as_dict(self) -> dict[str, str]:
        """Plain data for a process boundary."""
        return asdict(self)


@dataclass(frozen=True)
class Session:
    """An open agent and the options that use it."""

    connection: Connection
    options: tuple[str, ...]
    environment: Mapping[str, str]

    def command(self, *remote: str) -> list[str]:
        """The ssh command line for a remote command, or for a shell."""
        return ["ssh", *self.options, f"{self.connection.user}@{self.connection.host}", *remote]


@contextmanager
def session(connection: Connection, directory: Path) -> Iterator[Session]:
    """Start an agent of our own in `directory`, hand it the key, and end it afterwards.

    The agent's command is a shell that reads from us: when this process dies, however it dies, the shell reads the
    end of its input, ends, and the agent ends itself.
    """
    socket, known_hosts = directory / "agent", directory / "known_hosts"
    known_hosts.write_text(f"{connection.host} {connection.host_public_key}\n", encoding="utf-8")
    agent = subprocess.Popen(
        ["ssh-agent", "-a", str(socket), "sh", "-c", "echo $SSH_AGENT_PID; cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert agent.stdout is not None  # noqa: S101 - for the type checker: a pipe was asked for
    pid = int(agent.stdout.readline())
    environment = {"SSH_AUTH_SOCK": str(socket)}
    try:
        added = subprocess.run(
            ["ssh-add", "-q", "-"],
            input=connection.private_key,
            env=os.environ | environment,
            text=True,
            capture_output=True,
            check=False,
        )
        if added.returncode:
            raise UnreachableError(f"ssh-agent refused the platform's key: {added.stderr.strip()}")
        yield Session(connection, _options(socket, known_hosts), environment)
    finally:
        os.kill(pid, 15)
        agent.communicate()


def _options(socket: Path, known_hosts: Path) -> tuple[str, ...]:
    values = {
        "IdentityAgent": socket,
        "IdentityFile": "none",
        "UserKnownHostsFile": known_hosts,
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "HostKeyAlgorithms": "ssh-ed25519",
        "PreferredAuthentications": "publickey",
        "ConnectTimeout": CONNECT_SECONDS,
        "ServerAliveInterval": 15,
        "ServerAliveCountMax": 4,
        "LogLevel": "ERROR",
    }
    # The operator's own ssh configuration must not change what the platform does.
    return ("-F", "none", *(word for key, value in values.items() for word in ("-o", f"{key}={value}")))


def wait_until_ready(
    opened: Session, seconds: float, say: Callable[[str], None], stopped: Callable[[], bool] = lambda: False
) -> None:
    """Wait until SSH answers and the first boot is finished, or say what is in the way."""
    host, port = opened.connection.host, load()["ssh"].port("ssh")
    deadline = time.monotonic() + seconds
    began = time.monotonic()
    told = 0.0
    reason = ""
    while True:
        left = max(deadline - time.monotonic(), 1.0)
        try:
            done = subprocess.run(
                opened.command("cloud-init", "status", "--wait"),
                env={**os.environ, **opened.environment},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=left,
            )
        except subprocess.TimeoutExpired:
            cause = f"did not let us in ({reason})" if reason else "did not finish its first boot, or did not answer,"
            raise UnreachableError(f"{host} {cause} within {seconds:.0f} s; {_ADVICE}") from None
        if done.returncode in CLOUD_INIT_DONE:
            return
        reason = done.stderr.strip() or done.stdout.strip()
        if done.returncode != SSH_FAILED:
            raise UnreachableError(f"{host}: the first boot failed: {reason}")
        if "host key" in reason.lower():
            raise UnreachableError(
                f"{host} shows another host key than the one this stack made for it; someone may be in between, or the"
                " droplet was rebuilt by hand. Nothing was sent."
            )
        if stopped():
            raise UnreachableError(f"{host}: stopped while waiting for SSH")
        waited = time.monotonic() - began
        if time.monotonic() + RETRY_SECONDS > deadline:
            raise UnreachableError(
                f"{host} did not let us in on port {port} within {seconds:.0f} s ({reason}); {_ADVICE}"
            )
        if waited - told >= TELL_SECONDS:
            told = waited
            say(f"waiting for SSH on {host} ({waited:.0f} s of {seconds:.0f} s)")
        time.sleep(RETRY_SECONDS)
