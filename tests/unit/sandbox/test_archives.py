"""Archives of images: what a phase does not run is not built for it."""

from pathlib import Path

import pytest

from sandbox import archives, image


@pytest.mark.parametrize(("key", "phase", "built"), [("n8n", 1, False), ("n8n", 2, True), ("rest", 1, True)])
def test_an_image_is_needed_from_its_component_s_phase_on(key: str, phase: int, built: bool) -> None:
    assert archives.needed(key, phase) is built


def test_every_recipe_makes_images_of_components() -> None:
    provided = {word for path in image.RECIPES.glob("*/provides.txt") for word in path.read_text().split()}
    assert provided == {"auth", "gateway", "meta", "n8n", "rest", "studio"}


def test_an_archive_of_a_later_phase_stays_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "FOLDER", tmp_path)
    monkeypatch.setattr(archives, "_provided", lambda: [(Path("n8n"), "n8n"), (Path("meta"), "rest")])
    monkeypatch.setattr(archives, "_saved", lambda key, _tag: f"checksum-of-{key}")
    monkeypatch.setattr(image, "build", str)
    archives.ensure(1)
    assert (tmp_path / archives.SUMS).read_text() == "checksum-of-rest  rest.tar\n"
    (tmp_path / "n8n.tar").touch()
    (tmp_path / "n8n.saved").write_text("a-tag abc\n")
    archives.ensure(1)
    assert (tmp_path / archives.SUMS).read_text() == "abc  n8n.tar\nchecksum-of-rest  rest.tar\n"
