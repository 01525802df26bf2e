"""odoo-sync-status page FOLDER, and odoo-sync-status report FOLDER DAYS; units start both.

Each asks the database once (connection by libpq's variables) and writes whole files for those whom nginx lets in:
index.html, latency.svg and metrics.prom, or a report in reports/. ODOO_URL says whether there is an Odoo to read from.
Exit status: 0, also where something differs; 1 when nothing could be asked or written, and everything is as it was.
"""

import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from .metrics import render
from .page import REPORTS, chart, page
from .report import kept, report, superfluous


def write(path: Path, text: str) -> None:
    """Put a whole file in the place of the old one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def write_page(folder: Path, *, reads: bool) -> None:
    """The page, its chart and the metrics, of one moment."""
    with psycopg.connect() as session:
        ((status,),) = session.execute("select sync.status()").fetchall()
        measured = session.execute("select name, labels, value from sync.metrics()").fetchall()
    reports = kept(folder / REPORTS)
    reported = datetime.fromtimestamp(reports[0].stat().st_mtime, UTC) if reports else None
    write(folder / "latency.svg", chart(status))
    write(folder / "index.html", page(status, [path.name for path in reports], reads=reads))
    write(folder / "metrics.prom", render(measured, datetime.fromisoformat(status["at"]), reported, reads=reads))


def write_report(folder: Path, days: int, *, reads: bool) -> None:
    """The report of this night; those that are too old go."""
    with psycopg.connect() as session:
        ((status,),) = session.execute("select sync.status()").fetchall()
    made = report(status, reads=reads)
    write(folder / REPORTS / made.name, made.text)
    for path in superfluous(folder / REPORTS, datetime.fromisoformat(status["at"]), days):
        path.unlink()
    print(made.line, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit status."""
    reads = bool(os.environ.get("ODOO_URL"))
    try:
        match arguments:
            case ["page", folder]:
                write_page(Path(folder), reads=reads)
            case ["report", folder, days]:
                write_report(Path(folder), int(days), reads=reads)
            case _:
                print("usage: odoo-sync-status page FOLDER | report FOLDER DAYS", file=sys.stderr)
                return 2
    except (psycopg.Error, OSError) as error:
        print(f"nothing was written, what is there stays: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0
