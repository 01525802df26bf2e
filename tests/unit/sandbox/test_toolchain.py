"""Pins that are written twice agree, and errors about missing tools name the command that helps."""

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from sandbox import docker, environment
from sandbox.errors import SandboxError
from sandbox.home import REPOSITORY, Home
from sandbox.toolchain import docker_engine, golang, pulumi_cli

MODULES = {"pulumi_cli": "pulumi-cli/go.mod", "minio": "minio/go.mod"}


@pytest.mark.parametrize(("component", "path"), MODULES.items())
def test_go_module_requires_the_version_of_the_table(component: str, path: str) -> None:
    text = (REPOSITORY / "sandbox" / "toolchain" / path).read_text()
    assert golang.pinned_version(component) in text.split()


def test_missing_docker_is_one_line_with_the_fix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxError, match=r"apt-get install docker\.io"):
        docker.docker("info")


def test_someone_else_than_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SandboxError, match="sudo -E make up"):
        docker_engine.ensure()


def test_machine_without_apt_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxError, match=r"docker\.io, mmdebstrap"):
        docker_engine.ensure()


def pulumi(folder: Path, version: str, *, runtime: bool) -> None:
    folder.mkdir()
    for name in ("pulumi", *(["pulumi-language-python"] if runtime else [])):
        (folder / name).write_text(f"#!/bin/sh\necho v{version}\n")
        (folder / name).chmod(0o755)


def test_official_cli_on_path_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pulumi(tmp_path / "bin", "99.0.0", runtime=True)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert pulumi_cli.ensure() == tmp_path / "bin" / "pulumi"
    assert pulumi_cli.has_python_runtime()
    assert "langhost" not in environment.variables(Home(tmp_path / "home"))["PATH"]


def test_built_cli_gets_a_python_runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert "langhost" in environment.variables(Home(tmp_path / "home"))["PATH"]


def test_credentials_are_private_random_and_made_once(tmp_path: Path) -> None:
    one, other = Home(tmp_path / "one"), Home(tmp_path / "other")
    assert environment.variables(one) == environment.variables(one)
    assert environment.credentials(one) != environment.credentials(other)
    for name in ("passphrase", "credentials.json"):
        assert stat.S_IMODE((one.path / name).stat().st_mode) == 0o600


def test_exports_can_be_evaluated_by_a_shell(tmp_path: Path) -> None:
    home = Home(tmp_path / "a folder's name")
    done = subprocess.run(
        ["sh", "-c", 'eval "$1" && printf %s "$SANDBOX_HOME"', "sh", environment.exports(home)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == str(home.path)


def test_two_checkouts_have_names_of_their_own(tmp_path: Path) -> None:
    one, other = Home(tmp_path / "one"), Home(tmp_path / "other")
    assert one.label != other.label
    assert re.fullmatch(r"sandbox-[0-9a-f]{8}-droplet-1", one.name("droplet", 1))
