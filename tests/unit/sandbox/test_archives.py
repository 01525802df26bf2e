"""Archives of images: what a phase does not run is not built for it."""

from pathlib import Path

import pytest

from sandbox import archives, image


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Archives of two recipes, of which the second is a component of phase 1."""

    def save(_kind: str, _option: str, path: str, tag: str, **_: object) -> str:
        return str(Path(path).write_text(tag))

    monkeypatch.setattr(archives, "FOLDER", tmp_path)
    monkeypatch.setattr(archives, "_provided", lambda: [(Path("n8n"), "n8n"), (Path("lite"), "rest")])
    monkeypatch.setattr(archives, "docker", save)
    monkeypatch.setattr(image, "build", lambda name: f"{name}:1")
    return tmp_path


def listed(folder: Path) -> list[str]:
    return [line.split()[1] for line in (folder / archives.SUMS).read_text().splitlines()]


def test_every_recipe_makes_images_of_components() -> None:
    provided = {word for path in image.RECIPES.glob("*/provides.txt") for word in path.read_text().split()}
    assert provided == {"auth", "gateway", "meta", "n8n", "rest", "studio"}


def test_an_archive_of_a_later_phase_is_not_made_and_stays_listed_once_it_is_there(folder: Path) -> None:
    archives.ensure(1)
    assert listed(folder) == ["rest.tar"]
    archives.ensure(2)
    assert listed(folder) == ["n8n.tar", "rest.tar"]
    archives.ensure(1)
    assert listed(folder) == ["n8n.tar", "rest.tar"]


def test_an_archive_is_saved_again_when_its_image_changed_and_only_then(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archives.ensure(1)
    before = (folder / "rest.tar").stat().st_mtime_ns
    archives.ensure(1)
    assert (folder / "rest.tar").stat().st_mtime_ns == before
    monkeypatch.setattr(image, "build", lambda name: f"{name}:2")
    archives.ensure(1)
    assert (folder / "rest.tar").read_text() == "lite:2"
