"""Archives of container images, for machines that reach no registry."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

SUMS = "SHA256SUMS"
PROJECT = Path(__file__).resolve().parent.parent.parent


def archive_path(folder: str, archive: str) -> str:
    """Where an archive is; a relative folder is one of the project's."""
    return str(PROJECT / folder / archive)


def archive_checksum(folder: str, archive: str) -> str:
    """The SHA-256 (hex) that a folder's SHA256SUMS gives for an archive; empty without a folder.

    A folder that does not have the archive is an error: nothing is pulled in its place.
    """
    if not folder:
        return ""
    path = Path(archive_path(folder, SUMS))
    if not path.exists():
        raise AnsibleFilterError(f"images_archive: {path} is missing; docs/operations.md has the commands")
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        checksum, name = line.split(maxsplit=1)
        found[name.lstrip("*")] = checksum
    if archive not in found:
        known = ", ".join(sorted(found)) or "nothing"
        raise AnsibleFilterError(f"images_archive: {path} has no {archive}; it has {known}")
    return found[archive]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"archive_checksum": archive_checksum, "archive_path": archive_path}
