"""Restore a random moment beside the live platform, compare it with what was true then, and time every step.

The copy lives on scratch space, answers on a socket in a folder of its own only, archives nothing and starts no job;
the live cluster gets one row that says when, and is asked for its settings. Whatever happens, the copy is removed: at
the end, by the unit when the program is killed, and by the next run.
"""

import json
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from .choice import RANDOM, Archive, RefusedError, choose
from .marker import LEDGER
from .metrics import write_whole
from .moments import append_line, connect, last_lines, only_one, read_ledger, utc, write_metrics
from .repository import Repository
from .scratch import Copy, live_settings
from .settings import BackupError, Settings
from .target import lineage

HISTORY = "drills.jsonl"
KEPT_DRILLS = 200
SHOWN_DIFFERENCES = 50
ARCHIVE_SECONDS = 180.0
POLL_SECONDS = 0.2


def say(text: str) -> None:
    """Progress, one line a step."""
    print(text, flush=True)


@dataclass
class Record:
    """What the history keeps of one drill."""

    id: str
    started: str
    chosen: str
    seed: int
    result: str = "failed"
    error: str | None = None
    target: dict[str, Any] | None = None
    backup: str | None = None
    bytes: int = 0
    steps: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    rto_seconds: float | None = None
    rpo_seconds: float | None = None
    tables: int = 0
    sampled_tables: int = 0
    rows: int = 0
    verified: str | None = None
    differences: list[dict[str, str]] = field(default_factory=list)


class ArchiveWatch(threading.Thread):
    """Commits a row on the live cluster and waits until the log with it is archived: what a crash would cost now."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self._settings = settings
        self._began = time.monotonic()
        self._over = threading.Event()
        self._problem: str | None = None
        self.seconds: float | None = None
        self.segment = ""
        with connect(settings) as session:
            session.execute(
                "insert into backup.markers (marker) values ('drill-' || to_char(clock_timestamp(), %s))",
                ('YYYYMMDD"T"HH24MISSUS"Z"',),
            )
            row = session.execute("select pg_walfile_name(pg_current_wal_insert_lsn())").fetchone()
        assert row is not None  # noqa: S101 - functions always answer
        self.segment = row[0]

    def run(self) -> None:
        """Poll the archiver."""
        try:
            with connect(self._settings) as session:
                while not self._over.is_set():
                    row = session.execute("select last_archived_wal from pg_stat_archiver").fetchone()
                    # The file may also be a backup's label or a history file: the former begins with its segment.
                    if row and row[0] and row[0][:24] >= self.segment:
                        self.seconds = time.monotonic() - self._began
                        return
                    self._over.wait(POLL_SECONDS)
        except psycopg.Error as error:
            self._problem = str(error).strip()

    def result(self) -> float:
        """Seconds until a commit was safe; an error when it is not within the patience."""
        self.join(max(0.0, self._began + ARCHIVE_SECONDS - time.monotonic()))
        self.stop()
        if self.seconds is None:
            reason = self._problem or "see the archiver: select * from pg_stat_archiver"
            message = f"a commit made {time.monotonic() - self._began:.0f} s ago is not in the archive yet; {reason}"
            raise BackupError(message)
        return self.seconds

    def stop(self) -> None:
        """End the polling."""
        self._over.set()


def read_archive(settings: Settings) -> tuple[Archive, dict[str, str]]:
    """What decides which moments can be restored; and what a copy takes over from the live cluster."""
    with connect(settings) as session:
        segment = session.execute("select pg_walfile_name(pg_current_wal_lsn())").fetchone()
        live = live_settings(session)
    assert segment is not None  # noqa: S101 - functions always answer
    timeline = int(segment[0][:8], 16)
    repository = Repository(settings)
    stanza = repository.stanza()
    if not stanza.backups:
        raise RefusedError("the repository holds no backup yet; make one with: make backup TYPE=full")
    timelines = repository.timelines(stanza)
    if timeline not in {line.number for line in timelines}:
        raise RefusedError(f"timeline {timeline}, which the server writes, is not in the archive yet; try again later")
    return Archive(stanza, lineage(timelines, timeline)), live


def perform(settings: Settings, copy: Copy, record: Record) -> None:
    """Run the steps and fill the record; an error leaves it as far as it came."""

    @contextmanager
    def step(name: str) -> Iterator[None]:
        say(f"{name} ...")
        began = time.monotonic()
        yield
        record.steps[name] = round(time.monotonic() - began, 3)
        say(f"{name}: {record.steps[name]:.1f} s")

    archive, live = read_archive(settings)
    moments = read_ledger(settings.state / LEDGER)
    moment = choose(record.chosen, moments, archive, random.Random(record.seed))  # noqa: S311 - repeatable, no secret
    backup = archive.backup_for(moment)
    assert backup is not None  # noqa: S101 - only moments with a backup are chosen
    copy.check_space(backup)
    record.target = {"name": moment.name, "time": moment.at, "lsn": moment.lsn, "timeline": moment.timeline}
    record.backup, record.bytes = backup.label, backup.size
    record.tables = len(moment.tables)
    record.sampled_tables = sum(content.percent is not None for content in moment.tables.values())
    say(f"target {moment.name} ({moment.at}), position {moment.lsn}, from the {backup.kind} backup {backup.label}")
    watch = ArchiveWatch(settings)
    watch.start()
    try:
        with step("restore"):
            copy.restore(moment, backup)
        with step("recovery"):
            copy.recover(live)
        record.rto_seconds = round(record.steps["restore"] + record.steps["recovery"], 3)
        with step("compare"):
            differences, record.rows = copy.compare(moment)
        record.differences = [asdict(difference) for difference in differences[:SHOWN_DIFFERENCES]]
        with step("verify"):
            record.verified = copy.verify()
        with step("remove"):
            copy.remove()
        with step("wait for the archive"):
            record.rpo_seconds = round(watch.result(), 3)
            # PostgreSQL believes its archive command; the repository knows.
            if Repository(settings).stanza().newest_segment < watch.segment:
                raise BackupError(f"segment {watch.segment} counts as archived but is not in the repository")
    finally:
        watch.stop()
    if differences:
        raise BackupError(f"the restored copy differs from what was true then in {len(differences)} points")
    record.result = "passed"


def metrics_of(history: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, float]]:
    """What Prometheus is told: the last drill, and the last one that passed."""
    name = "supabase_restore_drill"
    metrics: dict[str, tuple[str, float]] = {}
    passed = [row for row in history if row["result"] == "passed"]
    if passed:
        metrics[f"{name}_last_success_timestamp_seconds"] = (
            "When the last drill that passed began.",
            _began(passed[-1]),
        )
    if history:
        last = history[-1]
        metrics |= {
            f"{name}_last_run_timestamp_seconds": ("When the last drill began.", _began(last)),
            f"{name}_last_result": (
                "1 when the last drill passed, 0 when it failed.",
                float(last["result"] == "passed"),
            ),
            f"{name}_duration_seconds": ("Seconds of the last drill.", last["seconds"]),
            f"{name}_bytes": ("Size of the restored database.", float(last["bytes"])),
            f"{name}_tables": ("Tables that were compared.", float(last["tables"])),
            f"{name}_differences": ("Differences found.", float(len(last["differences"]))),
        }
        for key, text in (
            ("rpo_seconds", "Seconds until a commit made at the drill's start was archived."),
            ("rto_seconds", "Seconds to restore and recover."),
        ):
            if last[key] is not None:
                metrics[f"{name}_{key}"] = (text, last[key])
    return metrics


def _began(record: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(record["started"]).timestamp()


def report(record: Record) -> str:
    """The outcome for the journal; `make restore-drill` prints the figures as a table."""
    lines = [f"differs: {d['what']}: expected {d['expected']}, found {d['found']}" for d in record.differences]
    return "\n".join([*lines, f"{record.id} {record.result} after {record.seconds:.1f} s"])


def _run(settings: Settings, target: str, seed: int) -> Record:
    began, started = time.monotonic(), datetime.now(UTC)
    record = Record(f"drill-{started:%Y%m%dT%H%M%SZ}", utc(started), target, seed)
    copy = Copy(settings)
    copy.remove()
    try:
        perform(settings, copy, record)
    except RefusedError as error:
        if target != RANDOM:
            raise  # a request that was refused is no drill
        record.error = str(error)
    except BackupError as error:
        record.error = str(error)
    except (psycopg.Error, OSError) as error:
        record.error = f"{type(error).__name__}: {str(error).strip()}"
    except SystemExit:
        record.error = "stopped before its end"
    finally:
        copy.remove()
    record.seconds = round(time.monotonic() - began, 3)
    return record


def drill(settings: Settings, target: str, seed: int | None = None) -> None:
    """Do one drill and keep its record. `target`: random, a name of the ledger, or a time (ISO 8601)."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    history = settings.state / HISTORY
    with only_one(settings.state, "drill"):
        record = _run(settings, target, random.SystemRandom().randrange(1 << 32) if seed is None else seed)
        append_line(history, json.dumps(asdict(record), separators=(",", ":")))
        lines = last_lines(history, KEPT_DRILLS)
        write_whole(history, "".join(f"{line}\n" for line in lines), 0o640)
        write_metrics(settings.textfile / "restore_drill.prom", metrics_of([json.loads(line) for line in lines]))
    say(report(record))
    if record.error:
        raise BackupError(f"the drill failed: {record.error}")


def clear(settings: Settings) -> None:
    """Remove what a killed drill left."""
    with only_one(settings.state, "drill"):
        Copy(settings).remove()
