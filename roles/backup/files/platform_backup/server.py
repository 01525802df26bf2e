"""The PostgreSQL server of this machine."""

import subprocess
from pathlib import Path
from typing import Any

import psycopg

from .repository import as_postgres
from .settings import BackupError, Settings

SOCKETS = "/var/run/postgresql"


class Server:
    """Questions and orders to the platform's cluster, as superuser over the socket."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A session outside any transaction."""
        return psycopg.connect(
            host=SOCKETS, port=self.settings.port, user="postgres", dbname=self.settings.database, autocommit=True,
            connect_timeout=10, application_name="platform-backup",
        )  # fmt: skip

    def row(self, query: str) -> tuple[Any, ...]:
        """The first row of an answer."""
        with self.connect() as session:
            found = session.execute(query).fetchone()
        if found is None:
            raise BackupError(f"PostgreSQL answered nothing to: {query}")
        return tuple(found)

    def answers(self) -> bool:
        """Whether a server lets us in."""
        try:
            self.row("select 1")
        except psycopg.OperationalError:
            return False
        return True

    def archiver(self) -> dict[str, Any] | None:
        """What PostgreSQL says about its archiver; nothing while it does not answer."""
        try:
            archived, failed, ok = self.row(
                "select archived_count, failed_count,"
                " coalesce(last_archived_time > last_failed_time, last_failed_time is null) from pg_stat_archiver"
            )
        except psycopg.OperationalError:
            return None
        return {"archived": archived, "failed": failed, "ok": ok}

    def is_blank(self) -> bool:
        """Whether this cluster never held the platform: no migration was ever applied."""
        (ledger,) = self.row("select to_regclass('supabase_migrations.schema_migrations') is not null")
        return not ledger

    def control_data(self, data: Path | None = None) -> dict[str, str]:
        """What pg_controldata says of a data directory."""
        program = f"/usr/lib/postgresql/{self.settings.version}/bin/pg_controldata"
        done = subprocess.run(
            as_postgres([program, f"--pgdata={data or self.settings.data}"]),
            cwd="/", env={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise BackupError(f"pg_controldata: {done.stderr.strip()}")
        return {name: value.strip() for name, _, value in (line.partition(":") for line in done.stdout.splitlines())}

    @property
    def system_id(self) -> int:
        """The identity that initdb gave to the cluster."""
        return int(self.control_data()["Database system identifier"])
