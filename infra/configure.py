"""The bridge from Pulumi to Ansible: a resource that is the configured state of the server.

create and update run site.yml; read, and so `pulumi refresh`, runs it in check mode and records what drifted. `drift`
is an input that is declared empty: whatever a refresh puts there is a difference, and the next update repairs it.
"""

import getpass
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pulumi
from pulumi import dynamic

from infra import ROOT, components
from infra.config import SUMS
from infra.events import UNREACHABLE, RunResult
from infra.inventory import complete
from infra.ram import NoMemoryFilesystemError
from infra.runner import PATIENCE_SECONDS, run_playbook
from infra.secrets import stamp, weak_secrets
from infra.ssh import Connection

SITE = ROOT / "playbooks" / "site.yml"
# What decides how the server is configured; an edit to any of it reaches the server with the next `pulumi up`.
CONTENT = ("ansible.cfg", "playbooks", "plugins", "roles", "sql")
# A refresh looks at a server that was reachable before; it must not hang on one that is gone.
REFRESH_WAIT_SECONDS = 20.0
AUDIT_KEY, HISTORY_KEY = "platform_audit", "platform_history"
INPUTS = ("inventory", "connection", "content", "declared", "converge", "drift")


class ConvergeError(Exception):
    """The server could not be configured; the message says where it stopped and why."""


ConvergeError.__module__ = "builtins"  # Pulumi shows the class name: without its module it reads as a sentence.


def content_hash(phase: int, images_archive: str = "", root: Path = ROOT) -> str:
    """A fingerprint of everything that configures a server of this phase, the checksums of its images among it."""
    digest = hashlib.sha256()
    if images_archive:
        for line in (root / images_archive / SUMS).read_text().splitlines():
            if components.load().runs_image(Path(line.split()[-1].lstrip("*")).stem, phase):
                digest.update(f"{line}\n".encode())
    for name in CONTENT:
        top = root / name
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(root)}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def provenance() -> dict[str, str]:
    """Who converges which commit; a commit with local edits says so."""
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    if shutil.which("git") is None:
        return {"commit": "unknown", "by": who}
    done = subprocess.run(
        ["git", "describe", "--always", "--abbrev=40", "--match=", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    commit = done.stdout.strip() if done.returncode == 0 else "unknown"
    return {"commit": commit, "by": who}


def say(line: str) -> None:
    """Pulumi shows what a provider prints."""
    print(line, flush=True)


type Play = Callable[..., RunResult]


def converge(props: Mapping[str, Any], play: Play = run_playbook) -> dict[str, Any]:
    """Configure the server and return the resource's outputs, or raise with host, task and message."""
    if not props["converge"]:
        return {**props, "drift": [], "server_audit": None, "server_history": None, "converged": None}
    problems = weak_secrets(props["inventory"]["all"]["vars"]["platform_secrets"])
    if problems:
        raise ConvergeError("refused, nothing was started: " + "; ".join(problems))
    who = provenance()
    result = play(SITE, _inventory(props, who), Connection.from_dict(props["connection"]), say)
    if result.failure is not None:
        raise ConvergeError(f"{result.failure}\nA rerun resumes where this one stopped.")
    say(f"server converged: {result.summary()}")
    return {
        **props,
        "drift": [],
        "server_audit": _as_text(result.stats.get(AUDIT_KEY)),
        "server_history": _as_text(result.stats.get(HISTORY_KEY)),
        "converged": {"at": stamp(datetime.now(UTC)), **who},
    }


def find_drift(props: Mapping[str, Any], play: Play = run_playbook) -> dict[str, Any]:
    """The resource's outputs with what differs on the server now. An unreachable server is drift, not an error."""
    if not props["converge"] or not props.get("converged"):
        return dict(props)
    result = play(
        SITE,
        _inventory(props, props["converged"]),
        Connection.from_dict(props["connection"]),
        say,
        check=True,
        wait_seconds=REFRESH_WAIT_SECONDS,
    )
    say(f"server checked for drift: {result.summary()}")
    if result.failure is not None:
        say(str(result.failure))
    found = [entry for entry in result.drift if entry["message"] == UNREACHABLE] or result.drift
    known = {"server_audit": result.stats.get(AUDIT_KEY), "server_history": result.stats.get(HISTORY_KEY)}
    return {**props, "drift": found, **{key: _as_text(facts) or props.get(key) for key, facts in known.items()}}


def _as_text(facts: Mapping[str, Any] | None) -> str | None:
    """JSON text: Pulumi would turn whole numbers into floats and drop what is null."""
    return json.dumps(facts, sort_keys=True) if facts else None


def _inventory(props: Mapping[str, Any], who: Mapping[str, str]) -> dict[str, Any]:
    return complete(props["inventory"], {"platform_commit": who["commit"], "platform_actor": who["by"]})


def has_changed(olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    """Whether the server must be converged again."""
    return any(olds.get(key) != news.get(key) for key in INPUTS)


class ConfigureProvider(dynamic.ResourceProvider):
    """Kept in the state by name only: its methods hand over to this module's functions, which may change freely."""

    serialize_as_secret_always = False

    def configure(self, _req: dynamic.ConfigureRequest) -> None:
        """Do not outlive a killed engine: this process knows secrets."""
        threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        """An update when content, inventory or the server itself differ; never a replacement."""
        return dynamic.DiffResult(changes=has_changed(olds, news))

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Converge for the first time."""
        return dynamic.CreateResult("server", _plainly(converge, props))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        """Converge again."""
        return dynamic.UpdateResult(_plainly(converge, news))

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """Look for drift and record it where the declared value is: none."""
        outs = _plainly(find_drift, props)
        return dynamic.ReadResult(id_, outs, {key: outs[key] for key in INPUTS if key in outs})


def _leave_with(engine: int) -> None:
    while os.getppid() == engine:
        time.sleep(1.0)
    # A running play notices by itself and ends first.
    time.sleep(2 * PATIENCE_SECONDS)
    os._exit(1)


def _plainly(work: Callable[[Mapping[str, Any]], dict[str, Any]], props: Mapping[str, Any]) -> dict[str, Any]:
    """Do the work; an expected failure reaches people without the frames of this program."""
    try:
        return work(props)
    except (ConvergeError, NoMemoryFilesystemError):
        sys.tracebacklimit = 0
        raise


class Configure(dynamic.Resource, module="platform", name="Configure"):
    """The configured server."""

    drift: pulumi.Output[list[dict[str, str]]]
    server_audit: pulumi.Output[str | None]
    server_history: pulumi.Output[str | None]
    converged: pulumi.Output[dict[str, str] | None]

    def __init__(
        self,
        inventory: pulumi.Output[dict[str, Any]],
        connection: pulumi.Output[dict[str, str]],
        *,
        declared: Mapping[str, str | int],
        images_archive: str,
        converge: bool,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__(
            ConfigureProvider(),
            "server",
            {
                "inventory": pulumi.Output.secret(inventory),
                "connection": pulumi.Output.secret(connection),
                "content": content_hash(int(declared["phase"]), images_archive) if converge else "",
                # In clear, for policies and readers of the state; the server learns it from the inventory.
                "declared": dict(declared),
                "converge": converge,
                "drift": [],
                "server_audit": None,
                "server_history": None,
                "converged": None,
            },
            pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(additional_secret_outputs=["inventory", "connection"])
            ),
        )
