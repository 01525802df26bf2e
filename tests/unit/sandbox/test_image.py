"""When an image is built anew: its recipe, or the version of what it holds, is another one."""

from pathlib import Path

import pytest
import yaml

from sandbox import image


def recipe_hash(folder: Path, monkeypatch: pytest.MonkeyPatch, **versions: dict[str, str]) -> str:
    path = folder / "versions.yml"
    path.write_text(yaml.safe_dump({"versions": {"debian": {"codename": "trixie"}, **versions}}))
    monkeypatch.setattr(image, "VERSIONS", path)
    return image._recipe_hash(folder / "odoo")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "odoo").mkdir()
    (tmp_path / "odoo" / "packages.txt").write_text("postgresql\n")
    return tmp_path


def test_another_version_or_checksum_is_another_image(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = {
        recipe_hash(folder, monkeypatch, odoo={"version": version, "sha256": checksum})
        for version in ("19.0", "19.1")
        for checksum in ("aa", "bb")
    }
    assert len(hashes) == 4


def test_the_version_of_something_else_is_not(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert recipe_hash(folder, monkeypatch) == recipe_hash(folder, monkeypatch, minio={"version": "2"})


def test_a_changed_package_list_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipe_hash(folder, monkeypatch)
    (folder / "odoo" / "packages.txt").write_text("postgresql nsd\n")
    assert recipe_hash(folder, monkeypatch) != before
