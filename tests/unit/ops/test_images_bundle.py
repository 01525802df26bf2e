"""`make images-bundle` with a tool that only says it pulled: what it writes, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ops import images_bundle as bundle
from ops.errors import OperatorError
from plugins.filter.images import archive_checksum

PINS = {
    "auth": {"name": "registry.test/auth", "tag": "v1", "digest": "sha256:aaaa"},
    "gateway": {"name": "registry.test/kong", "tag": "3.9", "digest": ""},
}
TOOL = """#!/bin/sh
echo "$0 $*" >> "{log}"
case "$1" in
  pull) {pull} ;;
  image) echo '[{{"RepoDigests": ["registry.test/x@{digest}"]}}]' ;;
  save) while [ $# -gt 1 ]; do [ "$1" = --output ] && echo "$2" > "$2"; shift; done ;;
esac
"""
Tool = Callable[..., None]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    monkeypatch.setattr(bundle, "pinned", lambda: PINS)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()

    def install(name: str, pull: str = "exit 0", digest: str = "sha256:aaaabbbb") -> None:
        program = tmp_path / "bin" / name
        program.write_text(TOOL.format(log=tmp_path / "log", pull=pull, digest=digest))
        program.chmod(0o755)

    return install


@pytest.mark.parametrize(("name", "words"), [("podman", "--format oci-archive "), ("docker", "")])
def test_each_image_has_an_archive_with_its_checksum(tool: Tool, tmp_path: Path, name: str, words: str) -> None:
    tool(name)
    target = tmp_path / "images"
    bundle.images_bundle(str(target))
    assert sorted(path.name for path in target.iterdir()) == ["SHA256SUMS", "auth.tar", "gateway.tar"]
    log = (tmp_path / "log").read_text()
    assert "pull --quiet --platform linux/amd64 registry.test/auth:v1" in log
    assert f"save {words}--output {target}/gateway.new registry.test/kong:3.9" in log
    for key in PINS:
        assert len(archive_checksum(str(target), f"{key}.tar")) == 64, "it is what images_archive takes"


def test_podman_is_taken_before_docker(tool: Tool, tmp_path: Path) -> None:
    tool("docker")
    tool("podman")
    bundle.images_bundle(str(tmp_path / "images"))
    assert "/docker " not in (tmp_path / "log").read_text()


def test_without_a_tool_it_says_which(tool: Tool, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="needs podman or docker"):
        bundle.images_bundle(str(tmp_path / "images"))
    assert not (tmp_path / "images").exists()


def test_without_a_registry_it_says_where_to_run(tool: Tool, tmp_path: Path) -> None:
    tool("podman", pull='echo "no route to host" >&2; exit 125')
    with pytest.raises(OperatorError, match=r"could not be pulled.*another machine.*no route to host"):
        bundle.images_bundle(str(tmp_path / "images"))
    assert not (tmp_path / "images" / "SHA256SUMS").exists()


def test_another_image_than_the_pinned_one_is_refused_and_what_was_there_stays(tool: Tool, tmp_path: Path) -> None:
    tool("podman")
    target = tmp_path / "images"
    bundle.images_bundle(str(target))
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    tool("podman", digest="sha256:cccc")
    with pytest.raises(OperatorError, match=r"registry\.test/auth:v1 is not the pinned image.*sha256:cccc"):
        bundle.images_bundle(str(target))
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before


def test_every_image_of_the_project_is_pinned() -> None:
    text = json.dumps(bundle.pinned())
    assert '"gateway"' in text
    assert all(set(pin) == {"name", "tag", "digest"} for pin in bundle.pinned().values())
