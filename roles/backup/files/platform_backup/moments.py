"""What was true in the database at one moment, and the ledger of such moments."""

import fcntl
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import sql

from .metrics import give_to_owner_of, write_whole
from .repository import lsn
from .server import SOCKETS
from .settings import BackupError, Settings

# A row's text must be the same wherever it is read. The last two: end with a client that was killed; never pull in
# parallel workers for a check beside the platform's own work.
READING = {
    "search_path": "",
    "timezone": "UTC",
    "datestyle": "iso, ymd",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "client_connection_check_interval": "2s",
    "max_parallel_workers_per_gather": "0",
}

# Every table whose content is in the backups. Not unlogged ones: a restore empties them. The file's number changes when
# a table is truncated or rewritten, the text when its columns change.
_TABLES = """
select c.oid::bigint, format('%I.%I', n.nspname, c.relname), c.relfilenode::bigint, (
  select string_agg(format('%s %I %s', a.attnum, a.attname, a.atttypid), ',' order by a.attnum)
  from pg_attribute as a
  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
)
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'm') and c.relpersistence = 'p' and c.relispopulated
  and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp_)'
order by 2
"""

Session = psycopg.Connection[tuple[Any, ...]]


def connect(settings: Settings, *, host: str = SOCKETS, **more: Any) -> Session:
    """A superuser's session that reads rows as the ledger's other readers do; it commits each statement."""
    return psycopg.connect(
        host=host, port=settings.port, user="postgres", dbname=settings.database, autocommit=True, connect_timeout=10,
        application_name="platform-backup",
        options=" ".join(f"-c {name}={_escaped(value)}" for name, value in READING.items()), **more,
    )  # fmt: skip


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def utc(moment: datetime) -> str:
    """A time for people and programs, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Table:
    """One table as the catalogue describes it."""

    oid: int
    name: str
    file: int
    columns: str | None

    @property
    def source(self) -> sql.SQL:
        """The table alone, without those that inherit from it; its name came quoted from the server."""
        return sql.SQL(f"only {self.name}")


def tables_of(session: Session) -> list[Table]:
    """The tables that the session's snapshot sees, by name."""
    return [Table(*row) for row in session.execute(_TABLES).fetchall()]


@dataclass(frozen=True)
class Content:
    """What a table held: its rows and the sum of their hashes, whatever their order.

    A table above the budget is known by a sample of its pages (`percent` of them, chosen by the marker's number): the
    pages of a restored copy are the same, so the same pages must hold the same rows.
    """

    rows: int
    checksum: str
    percent: float | None = None

    @property
    def checked(self) -> str:
        """How much of the table this vouches for."""
        return "full" if self.percent is None else "sample"


def read_content(session: Session, table: Table, *, percent: float | None, seed: int) -> Content:
    """Read a table under the session's snapshot."""
    sample: sql.Composable = sql.SQL("")
    if percent is not None:
        sample = sql.SQL("tablesample system ({}) repeatable ({})").format(sql.Literal(percent), sql.Literal(seed))
    # The alias must not be the name of a column: that would be hashed instead of the row.
    query = sql.SQL(
        'select count(*), coalesce(sum(hashtextextended("the row"::text, 0)), 0)::text from {} as "the row" {}'
    ).format(table.source, sample)
    # As text: a session of the replication protocol takes no parameters.
    row = session.execute(query.as_string(session).encode()).fetchone()
    assert row is not None  # noqa: S101 - an aggregate always has one row
    return Content(row[0], row[1], percent)


@dataclass(frozen=True)
class Moment:
    """One exactly known state of the database: everything written before `lsn`, and nothing after it."""

    name: str
    at: str
    system: str
    timeline: int
    lsn: str
    segment: str
    snapshot: str
    marker: int
    seconds: float
    tables: Mapping[str, Content]

    @property
    def time(self) -> datetime:
        """The moment's time."""
        return datetime.fromisoformat(self.at)

    @property
    def position(self) -> int:
        """The moment's place in the log as a number."""
        return lsn(self.lsn)

    def as_line(self) -> str:
        """One line of the ledger."""
        tables = {
            name: {"rows": content.rows, "checksum": content.checksum, "checked": content.checked}
            | ({} if content.percent is None else {"percent": content.percent})
            for name, content in self.tables.items()
        }
        return json.dumps({**asdict(self), "tables": tables}, separators=(",", ":"))

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read what `as_line` wrote; a line that is none raises ValueError, TypeError or KeyError."""
        data = json.loads(line)
        tables = {
            name: Content(entry["rows"], entry["checksum"], entry.get("percent"))
            for name, entry in data.pop("tables").items()
        }
        return cls(**data, tables=tables)


@contextmanager
def only_one(folder: Path, what: str) -> Iterator[None]:
    """Let one program at a time work in a folder of state; a killed one lets go."""
    if os.geteuid() == 0:
        raise BackupError(f"a {what} is run by its unit as postgres, never as root: systemctl list-units 'supabase-*'")
    with (folder / f".{what}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"another {what} is running; wait for its end, or see: systemctl list-units 'supabase-*'"
            raise BackupError(message) from error
        yield


def read_ledger(path: Path) -> list[Moment]:
    """The moments of the ledger, oldest first. A line that was cut off by a crash is named and left out."""
    moments = []
    for number, line in enumerate(_lines(path), start=1):
        try:
            moments.append(Moment.from_line(line))
        except (ValueError, TypeError, KeyError, AttributeError):
            print(f"{path} line {number} is no entry of the ledger; left out", file=sys.stderr)
    return moments


def append_line(path: Path, line: str) -> None:
    """Add one line, on the disk when this returns; what a crash left of the line before is closed first."""
    text = path.read_bytes() if path.exists() else b""
    with path.open("ab") as file:
        file.write((b"\n" if text and not text.endswith(b"\n") else b"") + line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
        give_to_owner_of(path.parent, file.fileno())
    path.chmod(0o640)


def prune_ledger(path: Path, now: datetime, days: int) -> None:
    """Drop what no backup reaches any more; the file is written anew once a day at most."""
    moments = read_ledger(path)
    if moments and moments[0].time < now - timedelta(days=days + 1):
        kept = [moment.as_line() for moment in moments if moment.time >= now - timedelta(days=days)]
        write_whole(path, "".join(f"{line}\n" for line in kept), 0o640)


def last_lines(path: Path, count: int) -> list[str]:
    """The end of a file of lines; nothing when it is absent."""
    return _lines(path)[-count:]


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def write_metrics(path: Path, metrics: Mapping[str, tuple[str, float]]) -> None:
    """Gauges for node_exporter's textfile collector: name to help text and value."""
    lines = [
        f"# HELP {name} {text}\n# TYPE {name} gauge\n{name} {value:.15g}\n" for name, (text, value) in metrics.items()
    ]
    write_whole(path, "".join(lines), 0o644)
