"""Archives of container images for machines that reach no registry, as `images_archive` takes them.

A recipe in sandbox/images with provides.txt makes an image for each key (playbooks/group_vars/all/images.yml) in it.
A component's image has the component's name, which tells the first phase that needs it.
"""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
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

    Of a phase, what its components need: what only later ones do stays as it is, or away. Whoever needs less does not
    wait for whoever needs more.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    table = components.load()
    for recipe, key in _provided():
        if table.runs_image(key, phase):
            tag = image.build(recipe.name)
            with _locked(key):
                _save(key, tag)
    with _locked(SUMS):
        sums = {f"{key}.tar": noted[1] for _, key in _provided() if (noted := _noted(key))}
        lines = "".join(f"{checksum}  {name}\n" for name, checksum in sorted(sums.items()))
        if not (FOLDER / SUMS).exists() or (FOLDER / SUMS).read_text() != lines:
            _replace(FOLDER / SUMS, lines)
    return FOLDER


@contextmanager
def _locked(name: str) -> Iterator[None]:
    with (FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _provided() -> Iterator[tuple[Path, str]]:
    for path in sorted(image.RECIPES.glob("*/provides.txt")):
        for key in path.read_text().split():
            yield path.parent, key


def _noted(key: str) -> list[str]:
    """Tag and checksum of the archive that is there; nothing without one."""
    archive, note = FOLDER / f"{key}.tar", FOLDER / f"{key}.saved"
    return note.read_text().split() if note.exists() and archive.exists() else []


def _save(key: str, tag: str) -> None:
    """Save an image anew only when it changed."""
    archive, note = FOLDER / f"{key}.tar", FOLDER / f"{key}.saved"
    if _noted(key)[:1] != [tag]:
        with step(f"saving image {key}"):
            fresh = archive.with_suffix(".new")
            docker("save", "--output", str(fresh), tag, timeout=_SAVE_TIMEOUT_SECONDS)
            with fresh.open("rb") as file:
                checksum = hashlib.file_digest(file, "sha256").hexdigest()
            fresh.rename(archive)
            _replace(note, f"{tag} {checksum}\n")


def _replace(path: Path, content: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(content)
    fresh.rename(path)
