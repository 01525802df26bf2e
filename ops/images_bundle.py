"""`make images-bundle`: every pinned image as an archive with its checksum, for platforms that reach no registry."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from infra.components import VARIABLES
from ops.errors import OperatorError
from ops.stack import ROOT

SUMS = "SHA256SUMS"
# The first that is there. Both take the same words; Podman's archives are named after another standard unless told.
TOOLS: Mapping[str, tuple[str, ...]] = {"podman": ("--format", "oci-archive"), "docker": ()}
# What DigitalOcean's droplets are.
PLATFORM = "linux/amd64"


def images_bundle(folder: str) -> None:
    """Write the folder that `images_archive` takes; a relative one is below the project's."""
    target = ROOT / folder
    tool = next((name for name in TOOLS if shutil.which(name)), None)
    if tool is None:
        raise OperatorError(f"images-bundle needs {' or '.join(TOOLS)} on this machine; install one, and run it again")
    target.mkdir(parents=True, exist_ok=True)
    sums = {f"{key}.tar": _saved(tool, key, pin, target) for key, pin in pinned().items()}
    # Last: until then the folder is refused by what the file before says.
    (target / SUMS).write_text("".join(f"{checksum}  {name}\n" for name, checksum in sorted(sums.items())))
    print(f"[images-bundle] {len(sums)} images are in {target}. Use them: pulumi config set images_archive {folder}")


def pinned() -> dict[str, dict[str, str]]:
    """Name, tag and digest of each image by its key."""
    found: dict[str, dict[str, str]] = yaml.safe_load((VARIABLES / "images.yml").read_text(encoding="utf-8"))["images"]
    return found


def _saved(tool: str, key: str, pin: Mapping[str, str], folder: Path) -> str:
    """Pull one image, hold it to its pin, save it; returns the checksum of the archive."""
    image, archive = f"{pin['name']}:{pin['tag']}", folder / f"{key}.tar"
    print(f"[images-bundle] {image}", flush=True)
    _run(
        [tool, "pull", "--quiet", "--platform", PLATFORM, image],
        f"{image} could not be pulled. Where its registry is out of reach, another machine has to write the folder",
    )
    inspected: list[dict[str, Any]] = json.loads(_run([tool, "image", "inspect", image], f"{image} is not there"))
    digests = [str(entry).partition("@")[2] for entry in inspected[0].get("RepoDigests") or []]
    if not any(digest.startswith(pin["digest"]) for digest in digests):
        raise OperatorError(
            f"{image} is not the pinned image: its digest is {', '.join(digests) or 'unknown'},"
            f" pinned in images.yml is {pin['digest']}; nothing of it was saved"
        )
    scratch = archive.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    _run([tool, "save", *TOOLS[tool], "--output", str(scratch), image], f"{image} could not be saved to {scratch}")
    with scratch.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    scratch.rename(archive)
    return checksum


def _run(command: list[str], problem: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OperatorError(f"{problem}. {command[0]} said: {done.stderr.strip()}")
    return done.stdout
