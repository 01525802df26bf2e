"""Archives of container images for machines that reach no registry, as `images_archive` takes them.

A recipe in sandbox/images with provides.txt makes an image for each key (playbooks/group_vars/all/images.yml) in it.
A component's image has the component's name, which tells the first phase that needs it.
"""

import fcntl
import hashlib
from collections.abc import Iterator
from pathlib import Path

from infra import components
from infra.phases import PHASES
from sandbox import image
from sandbox.docker import docker
from sandbox.home import CACHE
from sandbox.progress import step

FOLDER = CACHE / "images"
SUMS = "SHA256SUMS"
_SAVE_TIMEOUT_SECONDS = 300


def ensure(phase: int = max(PHASES)) -> Path:
    """Build and save what changed since; returns the folder, which holds the archives and their checksums.

    Of a phase, what its components need: what only later ones do stays as it is, or away.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sums = {}
        for recipe, key in _provided():
            checksum = _saved(key, image.build(recipe.name)) if needed(key, phase) else _checksum(key)
            if checksum:
                sums[f"{key}.tar"] = checksum
        lines = "".join(f"{checksum}  {name}\n" for name, checksum in sorted(sums.items()))
        if not (FOLDER / SUMS).exists() or (FOLDER / SUMS).read_text() != lines:
            _replace(FOLDER / SUMS, lines)
    return FOLDER


def needed(key: str, phase: int) -> bool:
    """Whether a platform of this phase runs the image."""
    row = next((row for row in components.load() if row.name == key), None)
    return row is None or row.phase <= phase


def _provided() -> Iterator[tuple[Path, str]]:
    for path in sorted(image.RECIPES.glob("*/provides.txt")):
        for key in path.read_text().split():
            yield path.parent, key


def _noted(key: str) -> list[str]:
    """Tag and checksum of the archive that is there; nothing without one."""
    archive, note = FOLDER / f"{key}.tar", FOLDER / f"{key}.saved"
    return note.read_text().split() if note.exists() and archive.exists() else []


def _checksum(key: str) -> str:
    return (_noted(key) or ["", ""])[1]


def _saved(key: str, tag: str) -> str:
    """The checksum of the archive of an image, saved anew only when the image changed."""
    archive, note = FOLDER / f"{key}.tar", FOLDER / f"{key}.saved"
    noted = _noted(key)
    if noted[:1] != [tag]:
        with step(f"saving image {key}"):
            fresh = archive.with_suffix(".new")
            docker("save", "--output", str(fresh), tag, timeout=_SAVE_TIMEOUT_SECONDS)
            with fresh.open("rb") as file:
                checksum = hashlib.file_digest(file, "sha256").hexdigest()
            fresh.rename(archive)
            _replace(note, f"{tag} {checksum}\n")
            noted = [tag, checksum]
    return noted[1]


def _replace(path: Path, content: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(content)
    fresh.rename(path)
