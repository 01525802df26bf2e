"""The sandbox's n8n is the one that images.yml pins, and everything in it has a checksum."""

import json

from sandbox.image import RECIPES
from tests.unit.project import GROUP_VARS, read_yaml

PLACE = RECIPES / "n8n" / "rootfs" / "usr" / "local" / "lib"


def test_it_is_the_pinned_version_in_the_place_of_n8n_s_own_image() -> None:
    pinned = read_yaml(GROUP_VARS / "images.yml")["images"]["n8n"]["tag"]
    assert json.loads((PLACE / "package.json").read_text())["dependencies"]["n8n"] == pinned


def test_the_lock_names_no_address() -> None:
    assert "://" not in (PLACE / "package-lock.json").read_text()


def test_nothing_of_n8n_itself_is_in_the_repository() -> None:
    files = sorted(
        path.name for path in (RECIPES / "n8n").rglob("*") if path.is_file() and "node_modules" not in path.parts
    )
    assert files == [
        "README.md",
        "configure.sh",
        "docker-entrypoint.sh",
        "image.txt",
        "package-lock.json",
        "package.json",
        "packages.txt",
        "provides.txt",
    ]
