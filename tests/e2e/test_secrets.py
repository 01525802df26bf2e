"""No generated secret is in clear anywhere but in the stack's encrypted state and the server's own files."""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.secrets import PUBLIC
from ops.stack import ROOT
from tests.e2e.clients import at_work
from tests.e2e.platform import Platform

# Folders of the controller that a run may write to; memory filesystems are looked at too, after the run.
PLACES = [ROOT, Path.home() / ".pulumi", Path.home() / ".ansible", Path.home() / ".ssh", Path("/tmp"), Path("/dev/shm")]
# What is large, not ours to write secrets into during a run, and the same before and after it.
SKIPPED = {".git", "venv", "apt", "go", "volumes", "node_modules", "__pycache__"}
LARGEST_BYTES = 20_000_000


def secret_values(value: Any) -> Iterator[str]:
    """Every text that the stack's secret outputs hold, long enough to be unmistakable."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from secret_values(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from secret_values(inner)
    elif isinstance(value, str) and len(value) >= 24:
        # A private key is recognised by its last full line; the first ones are the same in every key, or public.
        yield value.splitlines()[-3] if "PRIVATE KEY" in value else value


@pytest.fixture(scope="module")
def needles(platform: Platform) -> list[bytes]:
    public = {platform.outputs["public_keys"][name] for name in PUBLIC}
    found = {value for name in ("secrets", "ssh_private_key") for value in secret_values(platform.outputs[name])}
    assert len(found) >= 8, "too few secrets to prove anything"
    return [value.encode() for value in found - public]


@contextmanager
def watched_processes(needles: list[bytes]) -> Iterator[list[str]]:
    """Look at every process's arguments, all the time, while the block runs."""
    seen: list[str] = []

    def watch() -> Generator[None]:
        while True:
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    arguments = path.read_bytes()
                except OSError:  # the process ended between listing and reading
                    continue
                if any(needle in arguments for needle in needles):
                    seen.append(arguments.replace(b"\0", b" ").decode(errors="replace")[:80])
            yield

    with at_work(watch(), pause=0.05):
        yield seen


def files() -> Iterator[Path]:
    for place in PLACES:
        for folder, folders, names in place.walk():
            folders[:] = [name for name in folders if name not in SKIPPED]
            yield from (folder / name for name in names)


def holds(path: Path, needles: list[bytes]) -> bool:
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST_BYTES:
            return False
        content = path.read_bytes()
    except OSError:  # removed meanwhile
        return False
    return any(needle in content for needle in needles)


def test_a_run_shows_no_secret(platform: Platform, needles: list[bytes]) -> None:
    from infra.converge import converge

    with watched_processes(needles) as seen:
        run = platform.up()
        result = converge(platform.outputs, check=False)
    assert run.code == 0, run.text
    assert result.ok
    assert seen == []
    assert not [needle for needle in needles if needle in run.text.encode()]


def test_no_file_of_the_controller_holds_a_secret(needles: list[bytes]) -> None:
    # The provider's side of the cloud knows what it was given or made: user data, keys to the object storage.
    provider = ("/.sandbox/droplets/", "/.sandbox/services/spaces/data/.minio.sys/config/iam/")
    found = [str(path) for path in files() if holds(path, needles)]
    assert [path for path in found if not any(folder in path for folder in provider)] == []


def test_the_export_holds_no_secret_in_clear(platform: Platform, needles: list[bytes]) -> None:
    export = platform.stack.read("stack", "export").encode()
    assert json.loads(export)["deployment"]["resources"]
    assert not [needle for needle in needles if needle in export]


def test_the_audit_document_is_valid_and_holds_no_secret(platform: Platform, needles: list[bytes]) -> None:
    import jsonschema

    schema = json.loads((ROOT / "schemas" / "audit.schema.json").read_text())
    audit = platform.now()["audit"]
    jsonschema.validate(audit, schema)
    assert audit["server"] is not None
    assert audit["drift"] == []
    assert not [needle for needle in needles if needle in json.dumps(audit).encode()]
    exported = json.loads(platform.stack.read("stack", "export"))
    (stack,) = [r for r in exported["deployment"]["resources"] if r["type"] == "pulumi:pulumi:Stack"]
    assert stack["outputs"]["audit"] == audit, "an auditor reads the document in the export, in clear"
