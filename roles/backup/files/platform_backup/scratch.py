"""A restored copy of the cluster on scratch space: made, asked and removed beside the live one."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from .choice import RefusedError
from .moments import Content, Moment, Session, connect, read_content, tables_of
from .repository import Backup, Repository
from .settings import BackupError, Settings

SHOWN_LINES = 20
# Room that a restore leaves on the volume, for the live cluster: a share of the whole, and room for the log it replays.
RESERVED_SHARE = 0.05
REPLAY_BYTES = 1 << 30
POLL_SECONDS = 0.2
HELPER_SECONDS = 10.0
# Libraries that start work of their own: scheduled jobs and outgoing requests would run a second time on the copy.
ACTIVE_LIBRARIES = {"pg_cron", "pg_net"}
# Settings of the live cluster without which a copy of it does not start or does not read its data.
INHERITED = ("max_prepared_transactions", "max_locks_per_transaction", "pgsodium.getkey_script", "vault.getkey_script")
LIBRARIES = "shared_preload_libraries"


@dataclass(frozen=True)
class Difference:
    """One thing that the copy does not have as it was; numbers and names, never rows."""

    what: str
    expected: str
    found: str


def compare(expected: Mapping[str, Content], found: Mapping[str, Content]) -> list[Difference]:
    """What differs between the ledger and the copy."""
    differences = []
    for name in sorted({*expected, *found}):
        then, now = expected.get(name), found.get(name)
        if then is None or now is None:
            differences.append(
                Difference(
                    f"table {name}", "absent" if then is None else "present", "absent" if now is None else "present"
                )
            )
        elif then.rows != now.rows:
            differences.append(Difference(f"rows of {name}", str(then.rows), str(now.rows)))
        elif then.checksum != now.checksum:
            differences.append(Difference(f"checksum of {name}", then.checksum, now.checksum))
    return differences


def live_settings(session: Session) -> dict[str, str]:
    """What the copy takes over from the live cluster."""
    rows = session.execute(
        "select name, setting from pg_settings where name = any(%s)", ([*INHERITED, LIBRARIES],)
    ).fetchall()
    return {name: setting for name, setting in rows if setting}


class Copy:
    """The copy in the scratch folder. Only its own user reaches it, by a socket in a folder of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.scratch
        self._data = self._folder / "data"
        self._socket = self._folder / "socket"
        self._binaries = Path(f"/usr/lib/postgresql/{settings.version}/bin")
        self._server: subprocess.Popen[bytes] | None = None
        if self._folder == settings.data or self._folder in settings.data.parents:
            raise BackupError(f"{self._folder} holds the live cluster; the scratch space must be another folder")

    def check_space(self, backup: Backup) -> None:
        """Refuse to fill the volume that the live cluster writes to."""
        disk = shutil.disk_usage(self._folder)
        needed = backup.size + REPLAY_BYTES + int(disk.total * RESERVED_SHARE)
        if disk.free < needed:
            raise RefusedError(
                f"not enough space at {self._folder}: {disk.free / 1e9:.1f} GB are free, {needed / 1e9:.1f} GB are"
                " needed (the database, 1 GB of log, and 5 % of the volume to spare). Make the volume larger"
                " (volume_size)."
            )

    def restore(self, moment: Moment, backup: Backup) -> None:
        """Bring the backup's files to the scratch space, with the target written beside them."""
        for name in ("data", "socket", "spool", "lock", "tablespaces"):
            (self._folder / name).mkdir(mode=0o700)
        # A queue and locks of its own: fetching the log must not meet the live cluster, which archives at this moment.
        places = [f"--pg1-path={self._data}", f"--lock-path={self._folder / 'lock'}"]
        repository = Repository(self._settings)
        fetch = repository.command(*places, f"--spool-path={self._folder / 'spool'}", "archive-get")
        repository.read(
            "restore",
            *places,
            f"--tablespace-map-all={self._folder / 'tablespaces'}",
            f"--set={backup.label}",
            "--type=lsn",
            f"--target={moment.lsn}",
            # Exactly what was written before the position; the record at it is not part of the moment.
            "--target-exclusive",
            "--target-action=promote",
            f"--target-timeline={moment.timeline}",
            "--archive-mode=off",
            f'--recovery-option=restore_command={shlex.join(fetch)} %f "%p"',
        )

    def recover(self, live: Mapping[str, str]) -> None:
        """Start the copy and wait until it has replayed the log up to the moment and is a server of its own."""
        (self._folder / "empty.conf").touch()
        (self._folder / "hba.conf").write_text("local all postgres peer\n")
        libraries = [name.strip() for name in live.get(LIBRARIES, "").split(",")]
        settings: dict[str, object] = {
            "config_file": self._folder / "empty.conf",
            "hba_file": self._folder / "hba.conf",
            "listen_addresses": "",
            "unix_socket_directories": self._socket,
            "unix_socket_permissions": "0700",
            "port": self._settings.port,
            "ssl": "off",
            # It sends nothing anywhere and starts nothing by itself.
            "archive_mode": "off",
            "archive_command": "",
            "max_wal_senders": 0,
            "max_logical_replication_workers": 0,
            LIBRARIES: ",".join(name for name in libraries if name and name not in ACTIVE_LIBRARIES),
            "event_triggers": "off",
            "autovacuum": "off",
            # Nobody reads it before it is promoted, so it need not be as large as the live one.
            "hot_standby": "off",
            "wal_level": "minimal",
            "max_connections": 10,
            "shared_buffers": "128MB",
            "maintenance_work_mem": "32MB",
            "min_wal_size": "32MB",
            "max_wal_size": "256MB",
            "huge_pages": "off",
            "log_destination": "stderr",
            "logging_collector": "off",
            **{name: live[name] for name in INHERITED if name in live},
        }
        # On the command line they stand above what ALTER SYSTEM left in the backed-up data directory.
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with self._log.open("wb") as log:
            self._server = subprocess.Popen(
                [str(self._binaries / "postgres"), "-D", str(self._data), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        while not self._is_promoted():
            if self._server.poll() is not None:
                said = self._log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
                raise BackupError("the copy did not reach the moment:\n" + "\n".join(said))
            time.sleep(POLL_SECONDS)

    @property
    def _log(self) -> Path:
        return self._folder / "postgres.log"

    def _is_promoted(self) -> bool:
        with suppress(psycopg.OperationalError), self.connect() as session:
            return session.execute("select pg_is_in_recovery()").fetchone() == (False,)
        return False

    def connect(self) -> Session:
        """A superuser's session on the copy."""
        return connect(self._settings, host=str(self._socket))

    def compare(self, moment: Moment) -> tuple[list[Difference], int]:
        """Compare markers and tables; returns what differs and the number of rows that were read."""
        with self.connect() as session:
            session.execute("set default_transaction_read_only = on")
            newest = session.execute("select coalesce(max(id), 0) from backup.markers").fetchone()
            assert newest is not None  # noqa: S101 - an aggregate always has one row
            found = {
                table.name: read_content(session, table, percent=then.percent, seed=moment.marker)
                if (then := moment.tables.get(table.name))
                else Content(0, "")
                for table in tables_of(session)
            }
        marker = [Difference("newest marker", str(moment.marker), str(newest[0]))] * (newest[0] != moment.marker)
        return marker + compare(moment.tables, found), sum(content.rows for content in found.values())

    def verify(self) -> str:
        """Ask the copy what the migrations ask production: roles, row policies, grants. Returns what was asked."""
        settings = self._settings
        if not settings.migrations.exists():
            return "not asked: there are no migrations on this server"
        there = {row["version"] for row in json.loads(settings.migrations.read_text(encoding="utf-8"))["migrations"]}
        with self.connect() as session:
            ledger = session.execute("select to_regclass('supabase_migrations.platform_ledger')").fetchone()
            applied = set()
            if ledger != (None,):
                rows = session.execute("select version from supabase_migrations.platform_ledger").fetchall()
                applied = {version for (version,) in rows}
        if applied != there:
            return f"not asked: the copy is from before {', '.join(sorted(there - applied)) or 'these migrations'}"
        dsn = f"host={self._socket} port={settings.port} user=postgres dbname={settings.database}"
        done = subprocess.run(
            [str(settings.migrate), "--dsn", dsn, "--verify", str(settings.migrations)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BackupError(f"the copy does not stand as the migrations left it:\n{done.stderr.strip()}")
        return f"{len(there)} migrations"

    def remove(self) -> None:
        """Stop the copy, also one that a killed drill left running, and empty the scratch folder."""
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait()
        elif (self._data / "postmaster.pid").exists():
            # It fails where the process is gone already, which is all that is wanted.
            stop = [str(self._binaries / "pg_ctl"), "stop", "-D", str(self._data), "-m", "immediate", "-w", "-s"]
            subprocess.run(stop, capture_output=True, check=False)
        self._end_helpers()
        for path in self._folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _end_helpers(self) -> None:
        """End what pgBackRest runs for the copy: it fetches the log ahead and outlives the server that asked for it."""
        mark = f"={self._folder}/".encode()
        deadline = time.monotonic() + HELPER_SECONDS
        while found := [pid for pid, words in _processes() if any(mark in word for word in words)]:
            if time.monotonic() > deadline:
                raise BackupError(f"processes that work in {self._folder} do not end: {found}")
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


def _processes() -> Iterator[tuple[int, list[bytes]]]:
    """Every process with the words of its command line; one that has ended has none."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended between listing and reading
            yield int(path.parent.name), path.read_bytes().split(b"\0")
