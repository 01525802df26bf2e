"""What no file of the repository may hold."""

import json
import re
import subprocess

from tests.unit.project import ROOT

LOCKS = ["requirements/bootstrap.txt", "requirements/runtime.txt", "requirements/dev.txt", "requirements/dbt.txt"]


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name]


def test_locked_dependencies_have_hashes_and_no_addresses() -> None:
    for name in LOCKS:
        text = (ROOT / name).read_text()
        assert "://" not in text, f"{name} names an address"
        pins = re.findall(r"^[a-z0-9][\w.\[\]-]*==.*$", text, re.MULTILINE)
        assert pins, name
        assert all(pin.endswith("\\") for pin in pins), f"{name}: a pin without hashes"


def test_locked_packages_of_npm_have_checksums_and_no_addresses() -> None:
    names = [name for name in tracked() if name.endswith("package-lock.json")]
    assert names
    for name in names:
        text = (ROOT / name).read_text()
        assert "://" not in text, f"{name} names an address"
        packages = json.loads(text)["packages"]
        assert all("integrity" in package for path, package in packages.items() if path), f"{name}: no checksum"


def test_every_dependency_is_justified_in_one_line() -> None:
    for path in sorted((ROOT / "requirements").glob("*.in")):
        head, *lines = path.read_text().splitlines()
        assert head.startswith("#"), path.name
        for line in lines:
            if line and not line.startswith(("-r", "#")) and path.name != "bootstrap.in":
                assert "#" in line, f"{path.name}: {line}"


def test_main_stays_short() -> None:
    assert len((ROOT / "__main__.py").read_text().splitlines()) < 30


def test_no_private_key_and_no_state_is_tracked() -> None:
    for name in tracked():
        path = ROOT / name
        if path.is_symlink() or not path.is_file():
            continue
        text = path.read_bytes()
        assert b"PRIVATE KEY-----\n" not in text or name.startswith("tests/"), name
    assert not [
        name for name in tracked() if name.startswith((".sandbox/", ".cache/")) or name == "Pulumi.sandbox.yaml"
    ]


def test_decisions_are_numbered_once_and_have_their_parts() -> None:
    paths = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [path.name[:4] for path in paths]
    assert paths
    assert len(numbers) == len(set(numbers))
    for path in paths:
        text = path.read_text().lower()
        for part in ("context", "choice", "consequence"):
            assert part in text, f"{path.name} lacks its {part}"
