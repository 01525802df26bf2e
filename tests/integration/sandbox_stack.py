"""A stack of the test project in a sandbox of its own, driven by the Pulumi command line."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from sandbox import environment
from sandbox.cloud.account import Account
from sandbox.docker import docker
from sandbox.home import Home
from sandbox.tidy import remove_everything

PROJECT = Path(__file__).parent / "sandbox_project"
POLICY = Path(__file__).parent / "sandbox_policy"
_TIMEOUT_SECONDS = 300


class SandboxStack:
    """The stack `test`, and the account it lives in."""

    def __init__(self, folder: Path, project: Path = PROJECT) -> None:
        self.home = Home(folder / "home")
        self.account = Account(self.home)
        self.project = folder / "project"
        self.environment = os.environ | environment.variables(self.home)
        shutil.copytree(project, self.project)
        for arguments in (
            ("stack", "init", "test"),
            ("config", "set", "public_key", _public_key()),
            ("config", "set", "marker", "one"),
        ):
            self.run(*arguments)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a Pulumi command as the leader of its own process group."""
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=self.project, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Run a Pulumi command that has to succeed, or to fail, and return what it printed."""
        with self.start(*arguments) as process:
            text, _ = process.communicate(timeout=_TIMEOUT_SECONDS)
        assert bool(process.returncode) is fails, text
        return text

    def up(self, *arguments: str, fails: bool = False) -> str:
        return self.run("up", "--yes", "--skip-preview", *arguments, fails=fails)

    def steps(self, *arguments: str) -> dict[str, str]:
        """What a preview would do, by the resource's name in the program; what it leaves alone is left out."""
        text = self.run("preview", "--json", *arguments)
        steps = json.loads(text[text.index("{") :])["steps"]
        return {step["urn"].rpartition("::")[2]: step["op"] for step in steps if step["op"] not in ("same", "refresh")}

    def set(self, name: str, value: str) -> None:
        self.run("config", "set", name, value)

    def unset(self, name: str) -> None:
        self.run("config", "rm", name)

    def outputs(self) -> dict[str, Any]:
        text = self.run("stack", "output", "--json", "--show-secrets")
        outputs: dict[str, Any] = json.loads(text[text.index("{") :])
        return outputs

    def remove(self) -> None:
        """Remove whatever a failed test left."""
        remove_everything(self.account)


def leftovers(home: Home) -> dict[str, list[str]]:
    """Everything of a sandbox that is on this machine, beside Pulumi's own state and the keys to it."""
    found = {
        kind: docker(
            kind, "ls", *(["--all"] if kind == "container" else []), "--quiet", "--filter", f"label={home.label}"
        ).split()
        for kind in ("container", "network", "volume")
    }
    attached = subprocess.run(
        ["losetup", "--list", "--noheadings", "--output", "BACK-FILE"], capture_output=True, text=True, check=True
    )
    found["loop device"] = [line for line in attached.stdout.splitlines() if line.startswith(str(home.path))]
    kept = {"pulumi", "passphrase", "credentials.json"}
    found["file"] = [entry.name for entry in home.path.iterdir() if entry.name not in kept]
    return {kind: names for kind, names in found.items() if names}


def _public_key() -> str:
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
