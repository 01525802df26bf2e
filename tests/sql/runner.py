"""Runs the migration program as the role does: as a process, on a bundle."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from plugins.filter.migrations import migration_bundle
from tests.unit.project import ROOT

PROGRAM = ROOT / "roles" / "migrations" / "files" / "migrate.py"


def write(folder: Path, name: str, up: str, verify: str = "select 1;") -> None:
    """Write one migration into a folder."""
    path = folder / name
    path.mkdir(exist_ok=True)
    (path / "up.sql").write_text(up)
    (path / "verify.sql").write_text(verify)


@dataclass(frozen=True)
class Runner:
    """The program, pointed at one database."""

    dsn: str

    def command(self, bundle: Path, *options: str) -> list[str]:
        """The command line."""
        return [sys.executable, str(PROGRAM), "--dsn", self.dsn, *options, str(bundle)]

    def run(self, bundle: Path, *options: str) -> subprocess.CompletedProcess[str]:
        """Run it to the end."""
        return subprocess.run(self.command(bundle, *options), capture_output=True, text=True, check=False, timeout=120)

    def bundle(self, folder: Path) -> Path:
        """Pack a folder of migrations."""
        path = folder.with_suffix(".json")
        path.write_text(migration_bundle(str(folder)))
        return path

    def apply(self, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
        """Pack a folder and run it."""
        return self.run(self.bundle(folder), *options)

    def report(self, folder: Path, *options: str) -> dict[str, Any]:
        """What a successful run reports."""
        done = self.apply(folder, *options)
        assert done.returncode in {0, 3}, done.stderr
        loaded: dict[str, Any] = json.loads(done.stdout)
        return loaded

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """What the database answers."""
        with psycopg.connect(self.dsn, autocommit=True) as session:
            return session.execute(query.encode()).fetchall()
