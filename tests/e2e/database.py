"""The platform's database as the tests of backups use it: statements as superuser, and clients that write."""

import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from ops.connect import Server
from ops.errors import OperatorError
from ops.stack import ROOT
from tests.e2e.clients import at_work
from tests.e2e.platform import Platform

WRITERS = 4
SCHEMA = "e2e_backup"
MAKE_TABLE = f"""
create schema if not exists {SCHEMA};
create table if not exists {SCHEMA}.written (id bigint primary key);
grant usage on schema {SCHEMA} to authenticator;
grant insert, select on {SCHEMA}.written to authenticator;
truncate {SCHEMA}.written;
"""


def sql(server: Server, statements: str) -> str:
    """Run statements as superuser; rows come back as lines."""
    return server.run(
        "psql --username=postgres --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1", statements
    )


def rows(server: Server) -> set[int]:
    """What the table holds."""
    return {int(line) for line in sql(server, f"select id from {SCHEMA}.written").splitlines()}


def wait_for_database(server: Server, seconds: float = 120) -> float:
    """Wait until the server takes statements again; returns how long that took."""
    began = time.monotonic()
    while True:
        try:
            sql(server, "select 1")
            return time.monotonic() - began
        except OperatorError:
            if time.monotonic() - began > seconds:
                raise
            time.sleep(0.5)


def ops(platform: Platform, *arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run an operator's command without a terminal; both outputs in one."""
    return subprocess.run(
        [sys.executable, "-m", "ops", *arguments, "--stack", platform.stack.name],
        cwd=ROOT, env=platform.stack.environment, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False,
    )  # fmt: skip


def metrics(server: Server) -> dict[str, float]:
    """What Prometheus would read now, by name with labels."""
    text = server.run("systemctl start supabase-backup-metrics; cat /var/lib/prometheus/node-exporter/backup.prom")
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name.removeprefix("supabase_backup_"): float(value) for name, value in lines}


@dataclass
class Written:
    """What the writers were told is committed, and what ended them."""

    acknowledged: set[int] = field(default_factory=set)
    ended: list[str] = field(default_factory=list)


@contextmanager
def writing(platform: Platform, server: Server) -> Iterator[Written]:
    """Several clients insert rows, each in a transaction of its own, until their server is gone or the block ends."""
    written = Written()

    def writer(port: int, first: int) -> Generator[None]:
        try:
            with psycopg.connect(
                host="127.0.0.1", port=port, dbname="postgres", user="authenticator", sslmode="require",
                password=platform.outputs["secrets"]["db_authenticator"], autocommit=True, keepalives_idle=5,
                tcp_user_timeout=10_000,
            ) as session:  # fmt: skip
                number = first
                while True:
                    session.execute(f"insert into {SCHEMA}.written values (%s)".encode(), (number,))
                    written.acknowledged.add(number)
                    number += WRITERS
                    yield
        except psycopg.Error as error:
            written.ended.append(str(error))

    with server.forward("postgresql") as port, at_work(*(writer(port, number) for number in range(WRITERS))):
        yield written
