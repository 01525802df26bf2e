"""The docker command line, with errors for people."""

import subprocess
import time
from collections.abc import Sequence

from sandbox.errors import SandboxError

_TIMEOUT_SECONDS = 120


class DockerError(SandboxError):
    """A docker command failed."""


def docker(*arguments: str, stdin: str | None = None, timeout: float = _TIMEOUT_SECONDS) -> str:
    """Run one docker command and return what it printed."""
    try:
        done = subprocess.run(
            ["docker", *arguments],
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except FileNotFoundError:
        raise DockerError("docker is not installed; install it with: apt-get install docker.io") from None
    except subprocess.TimeoutExpired:
        raise DockerError(
            f"docker {arguments[0]} did not answer within {timeout:.0f} s; is the docker daemon healthy?"
        ) from None
    if done.returncode:
        raise DockerError(f"docker {arguments[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def exists(kind: str, name: str) -> bool:
    """Whether a container, image, network or volume of this name exists."""
    try:
        docker(kind, "inspect", "--format", "ok", name)
    except DockerError as error:
        # "No such container", "No such network", ...; images say "No such image".
        if "no such" in str(error).lower() or "not found" in str(error).lower():
            return False
        raise
    return True


def is_running(container: str) -> bool:
    """Whether a container exists and runs."""
    return (
        exists("container", container)
        and docker("container", "inspect", "--format", "{{.State.Running}}", container) == "true"
    )


def remove_container(name: str) -> None:
    """Remove a container, running or not, if it exists; somebody else may be doing the same."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while exists("container", name):
        try:
            docker("rm", "--force", "--volumes", name)
        except DockerError as error:
            if "already in progress" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def labelled(kind: str, label: str) -> Sequence[str]:
    """Names of all containers, networks or volumes that carry a label."""
    column = {"container": "{{.Names}}", "network": "{{.Name}}", "volume": "{{.Name}}"}[kind]
    everything = ["--all"] if kind == "container" else []
    return docker(kind, "ls", *everything, "--filter", f"label={label}", "--format", column).split()
