"""Named restore points: `points.jsonl` holds those made here, the drill's `ledger.jsonl` its own."""

import json
from datetime import UTC, datetime

import psycopg

from .marker import LEDGER
from .moments import append_line
from .repository import lsn
from .server import Server
from .settings import BackupError, Settings
from .target import NAME, Point

POINTS = "points.jsonl"


def known_points(settings: Settings) -> list[Point]:
    """Every restore point that can be named, in no order."""
    found = []
    for name in (POINTS, LEDGER):
        path = settings.state / name
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            try:
                entry = json.loads(line)
            except ValueError:  # a line that a crash cut off
                continue
            at = datetime.fromisoformat(entry["at"]).timestamp()
            found.append(Point(entry["name"], int(entry["timeline"]), lsn(entry["lsn"]), at))
    return found


def make_point(settings: Settings, name: str) -> Point:
    """Make a restore point in the running server and remember it.

    A commit follows it, so that a time just before can be reached too: recovery to a time ends at a later commit.
    """
    if not NAME.fullmatch(name):
        raise BackupError(f"{name!r} is no name of a restore point; allowed: 1 to 63 letters, digits and ._-")
    if any(point.name == name for point in known_points(settings)):
        raise BackupError(f"there is a restore point {name} already; choose another name")
    at = datetime.now(UTC)
    try:
        with Server(settings).connect() as session:
            row = session.execute(
                "select at::text, ('x' || left(pg_walfile_name(at), 8))::bit(32)::int"
                " from pg_create_restore_point(%s) as at",
                (name,),
            ).fetchone()
            session.execute("select pg_current_xact_id()")
    except psycopg.Error as error:
        raise BackupError(f"the restore point {name} was not made: {error}") from None
    assert row is not None  # noqa: S101 - functions always answer
    line = {"name": name, "at": at.isoformat(timespec="milliseconds"), "timeline": row[1], "lsn": row[0]}
    append_line(settings.state / POINTS, json.dumps(line))
    return Point(name, row[1], lsn(row[0]), at.timestamp())
