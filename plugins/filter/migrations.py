"""Packs sql/migrations and sql/lints into the one document that the migration runner reads on the server."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from ansible.errors import AnsibleFilterError

FOLDER = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z][a-z0-9_]*)")
FILES = ("up", "verify")


def migration_bundle(directory: str) -> str:
    """The bundle of a folder of migrations, with the lints in the folder `lints` beside it.

    One line per line of SQL, so that a diff reads like one of the files.
    """
    root = Path(directory)
    if not root.is_dir():
        message = f"{directory} is not a folder of migrations"
        raise AnsibleFilterError(message)
    migrations = [_migration(folder) for folder in sorted(root.iterdir()) if folder.is_dir()]
    versions = [migration["version"] for migration in migrations]
    twice = sorted({str(version) for version in versions if versions.count(version) > 1})
    if twice:
        message = f"{directory}: more than one migration has the number {', '.join(twice)}"
        raise AnsibleFilterError(message)
    if not migrations:
        message = f"{directory} holds no migrations"
        raise AnsibleFilterError(message)
    lints = [
        {"name": path.stem, "query": path.read_text(encoding="utf-8").split("\n")}
        for path in sorted((root.parent / "lints").glob("*.sql"))
    ]
    return json.dumps({"migrations": migrations, "lints": lints}, indent=1, ensure_ascii=False) + "\n"


def _migration(folder: Path) -> dict[str, object]:
    name = FOLDER.fullmatch(folder.name)
    if name is None:
        message = f"{folder}: a migration's folder is named NNNN_what_it_does in lower case"
        raise AnsibleFilterError(message)
    files = {}
    for file in FILES:
        path = folder / f"{file}.sql"
        if not path.is_file() or not path.read_text(encoding="utf-8").strip():
            message = f"{path} is missing or empty"
            raise AnsibleFilterError(message)
        files[file] = path.read_text(encoding="utf-8").split("\n")
    return {**name.groupdict(), **files}


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by the name they have in templates."""
        return {"migration_bundle": migration_bundle}
