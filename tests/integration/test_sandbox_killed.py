"""Runs that are killed at their worst moment, and the run that follows."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import machine
from sandbox.docker import exists, is_running, labelled
from tests.integration.sandbox_stack import SandboxStack, leftovers

pytestmark = pytest.mark.integration
_DEADLINE_SECONDS = 120


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[SandboxStack]:
    made = SandboxStack(tmp_path)
    try:
        yield made
    finally:
        made.remove()


def processes(stack: SandboxStack, word: str) -> list[int]:
    """Processes of this sandbox whose command line has a word."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            mine = f"SANDBOX_HOME={stack.home.path}\0".encode() in (folder / "environ").read_bytes()
            if mine and word.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def kill(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def droplet_is_recorded(stack: SandboxStack) -> bool:
    return bool(stack.account.state.read().get("droplets"))


def droplet_has_a_container(stack: SandboxStack) -> bool:
    droplets = stack.account.state.read().get("droplets", {}).values()
    return any(exists("container", machine.container_name(stack.home, droplet)) for droplet in droplets)


def droplet_runs(stack: SandboxStack) -> bool:
    droplets = stack.account.state.read().get("droplets", {}).values()
    return any(is_running(machine.container_name(stack.home, droplet)) for droplet in droplets)


def wait_for(run: "subprocess.Popen[str]", moment: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not moment():
        assert run.poll() is None, "the run ended before its moment came"
        assert time.monotonic() < deadline, "the moment never came"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("moment", "victim"),
    [
        pytest.param(droplet_is_recorded, "", id="everything while the droplet is only planned"),
        pytest.param(droplet_has_a_container, "sandbox.provider", id="provider while the droplet is being made"),
        pytest.param(droplet_runs, "", id="everything while the droplet boots"),
    ],
)
def test_next_run_completes_what_a_kill_interrupted(
    stack: SandboxStack, moment: Callable[[SandboxStack], bool], victim: str
) -> None:
    run = stack.start("up", "--yes", "--skip-preview")
    wait_for(run, lambda: moment(stack))
    kill(processes(stack, victim))
    run.communicate(timeout=_DEADLINE_SECONDS)
    assert run.returncode != 0
    assert not list(stack.home.path.rglob("*.attrs")), "a kill can leave half of such a file, and no command reads it"
    stack.run("cancel", "--yes")
    stack.up("--refresh")
    assert stack.steps("--refresh") == {}
    assert len([name for name in labelled("container", stack.home.label) if "-droplet-" in name]) == 1
    state = stack.account.state.read()
    declared = {"droplets": 1, "volumes": 1, "reserved_ips": 1, "domains": 1, "buckets": 2, "spaces_keys": 1}
    assert {name: len(state[name]) for name in declared} == declared
    stack.run("destroy", "--yes")
    assert leftovers(stack.home) == {}


def test_two_runs_at_once_share_an_account(stack: SandboxStack, tmp_path: Path) -> None:
    """Molecule's droplets come and go while a stack is brought up."""
    create = [".cache/venv/bin/python", "-m", "sandbox.droplet", "create"]
    run = stack.start("up", "--yes", "--skip-preview")
    others = [
        subprocess.Popen([*create, name, "--volume", f"{name}-data:1"], env=stack.environment, stdout=subprocess.PIPE)
        for name in ("one", "two")
    ]
    text, _ = run.communicate(timeout=_DEADLINE_SECONDS)
    assert run.returncode == 0, text
    assert [other.wait(_DEADLINE_SECONDS) for other in others] == [0, 0]
    for other in others:
        assert other.stdout is not None
        other.stdout.close()
    droplets = stack.account.state.read()["droplets"].values()
    assert len({droplet["public_ip"] for droplet in droplets}) == 3
    for name in ("one", "two"):
        subprocess.run([*create[:-1], "destroy", name], env=stack.environment, check=True)
    stack.run("destroy", "--yes")
    assert leftovers(stack.home) == {}
