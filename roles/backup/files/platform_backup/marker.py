"""Write down what is true in the database at one moment, so that a restore of that moment can be checked.

A logical replication slot that lives for these seconds only gives a position in the write-ahead log together with the
snapshot of exactly the transactions that committed before it, whatever else commits meanwhile. Under that snapshot
every table is read; the position and what was read go into the ledger. A named restore point just after the position is
for people (`make restore TARGET_NAME=...`); the drill restores to the position itself.
"""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from .moments import (
    Content,
    Moment,
    Session,
    Table,
    append_line,
    connect,
    last_lines,
    only_one,
    prune_ledger,
    read_content,
    tables_of,
    utc,
    write_metrics,
)
from .settings import BackupError, Settings

LEDGER = "ledger.jsonl"
PATIENCE_SECONDS = 20.0
ATTEMPTS = 3
# Shorter than deadlock_timeout: this program gives up before a migration is made to.
LOCK_TIMEOUT = "500ms"
STATEMENT_TIMEOUT = "5min"
# A marker that hangs, for whatever reason, does not hold the tables for longer.
IDLE_TIMEOUT = "1min"
POLL_SECONDS = 0.01


class NotNowError(BackupError):
    """No state could be known at this moment; nothing is wrong, the next run tries again."""


class AlteredError(Exception):
    """Tables were altered between the snapshot and the reading; another moment is needed."""


def take(settings: Settings, *, budget: int, keep_days: int, patience: float) -> Moment:
    """Find one exactly known state and read it. `budget` is in bytes per table, `patience` in seconds."""
    began = time.monotonic()
    at = datetime.now(UTC)
    name = f"marker-{at:%Y%m%dT%H%M%S}{at.microsecond // 1000:03}Z"
    with connect(settings) as live, connect(settings, replication="database") as frozen:
        live.execute(f"set lock_timeout = '{LOCK_TIMEOUT}'".encode())
        marker = _beat(live, name, keep_days)
        lsn, snapshot = _freeze(frozen, patience)
        row = live.execute(
            "select pg_walfile_name(pg_create_restore_point(%s)), system_identifier::text from pg_control_system()",
            (name,),
        ).fetchone()
        assert row is not None  # noqa: S101 - functions always answer
        segment, system = row
        _wait_for_stragglers(live, snapshot, patience)
        tables = _hold_tables(frozen, live)
        contents = {}
        for table in tables:
            _give_way(live, frozen.info.backend_pid)
            contents[table.name] = _read(frozen, table, budget=budget, seed=marker)
    return Moment(
        name=name,
        at=utc(at),
        system=system,
        timeline=int(segment[:8], 16),
        lsn=lsn,
        segment=segment,
        snapshot=snapshot,
        marker=marker,
        seconds=round(time.monotonic() - began, 3),
        tables=contents,
    )


def _beat(live: Session, name: str, keep_days: int) -> int:
    """Commit the heartbeat's row and drop the rows that are older than every backup; returns the row's number."""
    if live.execute("select to_regclass('backup.markers')").fetchone() == (None,):
        raise NotNowError("no marker this time: the migrations have not made the table backup.markers yet")
    with live.transaction():
        live.execute(
            "delete from backup.markers where created_at < clock_timestamp() - %s * interval '1 day'", (keep_days,)
        )
        row = live.execute("insert into backup.markers (marker) values (%s) returning id", (name,)).fetchone()
    assert row is not None  # noqa: S101 - an insert returns its row
    return int(row[0])


def _freeze(frozen: Session, patience: float) -> tuple[str, str]:
    """Give the session the snapshot that belongs to a position in the log; returns both.

    The slot waits for the writing transactions of its first instant to end, and goes with the session.
    """
    frozen.execute(f"set lock_timeout = {int(patience * 1000)}".encode())
    frozen.execute(f"set statement_timeout = '{STATEMENT_TIMEOUT}'".encode())
    frozen.execute(f"set idle_in_transaction_session_timeout = '{IDLE_TIMEOUT}'".encode())
    frozen.execute("begin isolation level repeatable read read only")
    try:
        slot = frozen.execute(
            f"CREATE_REPLICATION_SLOT backup_marker_{frozen.info.backend_pid} TEMPORARY LOGICAL pgoutput"
            " (SNAPSHOT 'use')".encode()
        ).fetchone()
    except psycopg.errors.LockNotAvailable as error:
        message = f"no marker this time: a transaction that writes has not ended within {patience:g} s"
        raise NotNowError(message) from error
    except psycopg.errors.ConfigurationLimitExceeded as error:
        message = f"no marker this time: {error.diag.message_primary}; pg_replication_slots says who has them"
        raise NotNowError(message) from error
    # Where the last transactions were rolled back, xmax lags behind xmin, which PostgreSQL writes and does not read.
    snapshot = frozen.execute(
        "select format('%s:%s:%s', pg_snapshot_xmin(s), greatest(pg_snapshot_xmin(s), pg_snapshot_xmax(s)),"
        " split_part(s::text, ':', 3)) from pg_current_snapshot() as s"
    ).fetchone()
    assert slot is not None and snapshot is not None  # noqa: S101, PT018 - both always answer
    return str(slot[1]), str(snapshot[0])


def _wait_for_stragglers(live: Session, snapshot: str, patience: float) -> None:
    """Wait for the transactions whose commit is in the log but not yet in the server's books.

    The snapshot comes from the log and counts them as committed; a row of theirs that is looked at a moment too early
    would be taken for one of an aborted transaction, and marked so.
    """
    deadline = time.monotonic() + patience
    while live.execute(
        "select from pg_snapshot_xip(pg_current_snapshot()) as x (id)"
        " where pg_visible_in_snapshot(x.id, %s::pg_snapshot)",
        (snapshot,),
    ).fetchall():
        if time.monotonic() > deadline:
            raise NotNowError(f"no marker this time: a commit has not finished within {patience:g} s")
        time.sleep(POLL_SECONDS)


def _hold_tables(frozen: Session, live: Session) -> list[Table]:
    """The snapshot's tables, held against alterations until the session ends.

    Truncating or rewriting a table is not subject to snapshots, so the tables must be the same before and after.
    """
    before = tables_of(frozen)
    frozen.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'".encode())
    try:
        for table in before:
            frozen.execute(f"select from only {table.name} limit 0".encode())
    except (psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise AlteredError(str(error.diag.message_primary)) from error
    after = {table.oid: table for table in tables_of(live)}
    altered = [table.name for table in before if after.get(table.oid) != table]
    if altered:
        raise AlteredError(f"altered in this moment: {', '.join(altered)}")
    return before


def _give_way(live: Session, pid: int) -> None:
    """Let go of the tables when somebody waits to alter one: behind him everybody else would wait too."""
    if live.execute(
        "select from pg_locks as l where not l.granted and %s = any(pg_blocking_pids(l.pid)) limit 1", (pid,)
    ).fetchall():
        raise AlteredError("somebody waits to alter a table that is read")


def _read(frozen: Session, table: Table, *, budget: int, seed: int) -> Content:
    # Asked by the session that holds the table: any other would queue behind whoever waits to alter it.
    row = frozen.execute(f"select pg_table_size({table.oid}::oid::regclass)".encode()).fetchone()
    assert row is not None  # noqa: S101 - functions always answer
    percent = None if row[0] <= budget else round(100.0 * budget / row[0], 6)
    return read_content(frozen, table, percent=percent, seed=seed)


def metrics_of(ledger: Path, *, ok: bool, seconds: float) -> dict[str, tuple[str, float]]:
    """What Prometheus is told after a run."""
    metrics = {
        "supabase_backup_marker_last_result": ("1 when the last run wrote a marker, 0 when it did not.", float(ok)),
        "supabase_backup_marker_duration_seconds": ("Seconds that the last run took.", seconds),
    }
    for line in last_lines(ledger, 1):
        moment = Moment.from_line(line)
        metrics["supabase_backup_marker_last_success_timestamp_seconds"] = (
            "When the newest moment of the ledger was.",
            moment.time.timestamp(),
        )
        sampled = sum(content.percent is not None for content in moment.tables.values())
        metrics["supabase_backup_marker_tables"] = ("Tables in the newest moment.", len(moment.tables))
        metrics["supabase_backup_marker_sampled_tables"] = ("Those of them known by a sample only.", sampled)
    return metrics


def write_marker(settings: Settings) -> None:
    """Take a marker, in another moment when tables were altered in this one, and write it into the ledger."""
    ledger = settings.state / LEDGER
    began = time.monotonic()
    ok = False
    try:
        with only_one(settings.state, "marker"):
            moment = _take_unaltered(settings)
            append_line(ledger, moment.as_line())
            prune_ledger(ledger, datetime.now(UTC), settings.keep_days)
        ok = True
        print(json.dumps({"name": moment.name, "lsn": moment.lsn, "tables": len(moment.tables)}))
    except psycopg.OperationalError as error:
        # A server that is restored or restarted; whether it runs at all is for others to say.
        message = f"no marker this time: {str(error).strip()}"
        raise NotNowError(message) from error
    except psycopg.Error as error:
        message = f"no marker: PostgreSQL says: {str(error).strip()}"
        raise BackupError(message) from error
    finally:
        figures = metrics_of(ledger, ok=ok, seconds=time.monotonic() - began)
        write_metrics(settings.textfile / "backup_marker.prom", figures)


def _take_unaltered(settings: Settings) -> Moment:
    for _ in range(ATTEMPTS):
        try:
            return take(
                settings,
                budget=settings.marker_table_bytes,
                keep_days=settings.keep_days,
                patience=PATIENCE_SECONDS,
            )
        except AlteredError as error:
            problem = str(error)
            print(problem, file=sys.stderr)
    raise NotNowError(f"no marker this time, {ATTEMPTS} attempts: {problem}")
