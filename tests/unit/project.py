"""Where the project's files are, and how the contract tests read them."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
GROUP_VARS = ROOT / "playbooks" / "group_vars" / "all"


def read_yaml(path: Path) -> Any:
    """The content of one YAML file."""
    return yaml.safe_load(path.read_text())


@cache
def components() -> dict[str, dict[str, Any]]:
    """The rows of the component table by name."""
    rows: dict[str, dict[str, Any]] = read_yaml(GROUP_VARS / "components.yml")["components"]
    return rows


def tasks_of(role: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Every task and handler of a role with the file it stands in, blocks opened."""

    def opened(items: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
        flat: list[dict[str, Any]] = []
        for item in items or []:
            flat.append(item)
            for part in ("block", "rescue", "always"):
                flat += opened(item.get(part))
        return flat

    files = sorted([*(role / "tasks").glob("*.yml"), *(role / "handlers").glob("*.yml")])
    return [(path, task) for path in files for task in opened(read_yaml(path))]
