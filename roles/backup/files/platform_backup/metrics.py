"""What is known about the backups, kept in a file between runs and published for Prometheus."""

import json
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .repository import Stanza
from .settings import Settings

PREFIX = "supabase_backup"
KINDS = ("full", "diff", "incr")
HELP = {
    "last_success_timestamp_seconds": "When the last successful backup of a type ended.",
    "size_bytes": "Size of the database in the last successful backup of a type.",
    "stored_bytes": "What the last successful backup of a type added to the repository.",
    "duration_seconds": "How long the last successful backup of a type took.",
    "last_run_ok": "Whether the last run of a backup type, or of the verification, succeeded.",
    "last_run_timestamp_seconds": "When the last run of a backup type, or of the verification, ended.",
    "archived_total": "Segments of the log that PostgreSQL had archived since its statistics began.",
    "archive_failures_total": "Failed attempts to archive a segment since PostgreSQL's statistics began.",
    "archiver_ok": "Whether the last attempt to archive a segment succeeded.",
    "wal_waiting_segments": "Segments of the log that wait to be archived.",
    "wal_behind_seconds": "How long the oldest of them has been waiting.",
    "replaced_directories": "Data directories replaced by a restore and kept until the next successful backup.",
}


def give_to_owner_of(folder: Path, descriptor: int) -> None:
    """Root works here too, but never keeps anything from the user postgres."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def write_whole(path: Path, content: str, mode: int) -> None:
    """Put a file in its place whole, so that nobody reads half of it; it belongs to the owner of its folder."""
    descriptor, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
        give_to_owner_of(path.parent, out.fileno())
    Path(scratch).chmod(mode)
    Path(scratch).rename(path)


class State:
    """`state.json`: the outcome of the last run of each kind, and the newest backups."""

    def __init__(self, settings: Settings) -> None:
        self.path = settings.state / "state.json"
        self.known: dict[str, Any] = {"runs": {}, "backups": {}}
        if self.path.exists():
            self.known |= json.loads(self.path.read_text(encoding="utf-8"))

    def record_run(self, kind: str, *, ok: bool, message: str = "") -> None:
        """Remember how a backup or a verification ended."""
        self.known["runs"][kind] = {"ok": ok, "ended": int(time.time()), "message": message}

    def record_backups(self, stanza: Stanza) -> None:
        """Remember the newest backup of each kind."""
        self.known["backups"] = {
            backup.kind: {
                "label": backup.label,
                "start": backup.start,
                "stop": backup.stop,
                "size": backup.size,
                "stored": backup.stored,
            }
            for backup in sorted(stanza.backups, key=lambda backup: backup.stop)
        }

    def save(self) -> None:
        """Write it down."""
        write_whole(self.path, json.dumps(self.known, indent=1, sort_keys=True) + "\n", 0o640)


def waiting_segments(data: Path) -> list[float]:
    """When each segment that waits to be archived became ready, the oldest first; asked from the files themselves."""
    folder = data / "pg_wal" / "archive_status"
    found = []
    for path in folder.glob("*.ready"):
        try:
            found.append(path.stat().st_mtime)
        except FileNotFoundError:  # archived just now
            continue
    return sorted(found)


def render(known: Mapping[str, Any], archiver: Mapping[str, Any] | None, waiting: list[float], replaced: int) -> str:
    """The metrics as node-exporter's textfile collector reads them."""
    values: dict[str, list[tuple[str, float]]] = {name: [] for name in HELP}
    for kind, backup in known["backups"].items():
        label = f'{{type="{kind}"}}'
        values["last_success_timestamp_seconds"].append((label, backup["stop"]))
        values["size_bytes"].append((label, backup["size"]))
        values["stored_bytes"].append((label, backup["stored"]))
        values["duration_seconds"].append((label, backup["stop"] - backup["start"]))
    for kind, run in known["runs"].items():
        label = f'{{type="{kind}"}}'
        values["last_run_ok"].append((label, int(run["ok"])))
        values["last_run_timestamp_seconds"].append((label, run["ended"]))
    if archiver is not None:
        values["archived_total"].append(("", archiver["archived"]))
        values["archive_failures_total"].append(("", archiver["failed"]))
        values["archiver_ok"].append(("", int(archiver["ok"])))
    values["wal_waiting_segments"].append(("", len(waiting)))
    values["wal_behind_seconds"].append(("", max(0.0, time.time() - waiting[0]) if waiting else 0))
    values["replaced_directories"].append(("", replaced))
    lines = []
    for name, rows in values.items():
        if rows:
            lines.append(f"# HELP {PREFIX}_{name} {HELP[name]}")
            lines.append(f"# TYPE {PREFIX}_{name} {'counter' if name.endswith('_total') else 'gauge'}")
            lines += [f"{PREFIX}_{name}{label} {value:.15g}" for label, value in sorted(rows)]
    return "".join(f"{line}\n" for line in lines)
