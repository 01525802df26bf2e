"""What the role declared about this server, and the one exception of this package."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

DECLARED = Path("/etc/supabase-platform/backup.json")


class BackupError(Exception):
    """What is wrong, where, and what to do; printed as one message without a traceback."""


@dataclass(frozen=True)
class Settings:
    """Where things are on this server."""

    platform: str
    stanza: str
    version: str
    data: Path
    mount: Path
    unit: str
    port: int
    database: str
    spool: Path
    state: Path
    textfile: Path
    retention_weeks: int
    scratch: Path
    migrate: Path
    migrations: Path
    marker_table_bytes: int

    @property
    def keep_days(self) -> int:
        """How long the ledger keeps a moment: as long as a backup may reach it."""
        return (self.retention_weeks + 1) * 7

    @classmethod
    def load(cls, path: Path = DECLARED) -> Self:
        """Read what the role wrote."""
        known = json.loads(path.read_text(encoding="utf-8"))
        for name in ("data", "mount", "spool", "state", "textfile", "scratch", "migrate", "migrations"):
            known[name] = Path(known[name])
        return cls(**known)
