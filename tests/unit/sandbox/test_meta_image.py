"""The sandbox's postgres-meta is the one that images.yml pins, and everything in it has a checksum."""

import json

from sandbox.image import RECIPES
from tests.unit.project import GROUP_VARS, read_yaml

PLACE = RECIPES / "meta" / "rootfs" / "usr" / "src" / "app"


def test_it_is_the_pinned_version() -> None:
    pinned = read_yaml(GROUP_VARS / "images.yml")["images"]["meta"]["tag"]
    wanted = json.loads((PLACE / "package.json").read_text())["dependencies"]
    assert wanted == {"@supabase/postgres-meta": pinned.removeprefix("v")}


def test_the_lock_has_checksums_and_no_addresses() -> None:
    text = (PLACE / "package-lock.json").read_text()
    assert "://" not in text
    packages = {name: row for name, row in json.loads(text)["packages"].items() if name}
    assert packages["node_modules/@supabase/postgres-meta"]
    assert [name for name, row in packages.items() if "integrity" not in row] == []
