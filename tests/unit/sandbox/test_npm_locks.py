"""npm packages come pinned with checksums from whatever registry the machine has: no address is written down."""

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox import image
from sandbox.home import REPOSITORY

LOCKS = [
    path
    for folder in ("sandbox", "tests")
    for path in (REPOSITORY / folder).rglob("package-lock.json")
    if "node_modules" not in path.parts
]
every_lock = pytest.mark.parametrize("path", LOCKS, ids=lambda path: str(path.relative_to(REPOSITORY)))


def packages(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())["packages"]
    return {name: entry for name, entry in found.items() if name}


def test_the_stand_in_has_one() -> None:
    assert image.RECIPES / "lite" in {parent for path in LOCKS for parent in path.parents}


@every_lock
def test_every_package_has_a_checksum_and_no_address(path: Path) -> None:
    assert [name for name, entry in packages(path).items() if not entry["integrity"].startswith("sha512-")] == []
    assert [name for name, entry in packages(path).items() if "resolved" in entry] == []


@every_lock
def test_what_is_asked_for_is_pinned_to_one_version(path: Path) -> None:
    asked = json.loads(path.with_name("package.json").read_text())["dependencies"]
    locked = {name: packages(path)[f"node_modules/{name}"]["version"] for name in asked}
    assert locked == asked
