"""The database goes back to a moment, in place; what cannot be done is refused before anything is touched."""

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
import pytest

from ops.connect import Server
from ops.errors import OperatorError
from tests.e2e.clients import at_work
from tests.e2e.database import MAKE_TABLE, SCHEMA, metrics, ops, rows, sql
from tests.e2e.platform import Platform

DATA = "/srv/data/postgresql/17"
# What a client of the pooler may have to wait for its error: query_wait_timeout, and some.
PATIENCE_SECONDS = 40.0


def process(server: Server) -> str:
    """The running server's process id and start."""
    return server.run(f"head -3 {DATA}/main/postmaster.pid")


def replaced(server: Server) -> list[str]:
    """Data directories that a restore replaced."""
    return server.run(f"ls {DATA} | grep replaced || true").split()


@dataclass
class Attempts:
    """How long each attempt of a client took, and whether it got its answer."""

    answered: int = 0
    failed: int = 0
    slowest: float = 0.0
    errors: set[str] = field(default_factory=set)


@contextmanager
def attempting(platform: Platform, server: Server) -> Iterator[Attempts]:
    """A client that connects to the pooler and asks, again and again."""
    seen = Attempts()

    def client(port: int) -> Generator[None]:
        while True:
            began = time.monotonic()
            try:
                with psycopg.connect(
                    host="127.0.0.1", port=port, dbname="postgres", user="workbench", sslmode="require",
                    password=platform.outputs["secrets"]["db_workbench"], autocommit=True, prepare_threshold=None,
                ) as session:  # fmt: skip
                    session.execute("select 1")
                seen.answered += 1
            except psycopg.Error as error:
                seen.failed += 1
                seen.errors.add(str(error).strip().splitlines()[-1])
            seen.slowest = max(seen.slowest, time.monotonic() - began)
            yield

    with server.forward("pgbouncer") as port, at_work(client(port), pause=0.2):
        yield seen


@pytest.fixture(scope="module", autouse=True)
def table(server: Server) -> Iterator[None]:
    sql(server, MAKE_TABLE)
    yield
    sql(server, f"drop schema if exists {SCHEMA} cascade")


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("--time 2020-01-01T00:00:00Z", "outside the archived range; what can be restored: 20"),
        ("--time 2099-01-01T00:00:00Z", "outside the archived range; what can be restored: 20"),
        ("--time tomorrow", "is no time.*ISO 8601"),
        ("--lsn FF/0", "outside the archived log"),
        ("--lsn nowhere", "no position of the log"),
        ("--name never-made", "no restore point never-made; the newest are"),
    ],
)
def test_impossible_targets_are_refused(server: Server, target: str, says: str) -> None:
    before = process(server)
    with pytest.raises(OperatorError, match=says):
        server.run(f"platform-backup restore {target} --confirm supabase")
    assert process(server) == before


def test_a_restore_without_room_is_refused(server: Server) -> None:
    before = process(server)
    server.run("fallocate --length $(($(stat --file-system --format='%a*%S' /srv/data) - 100000000)) /srv/data/filler")
    try:
        with pytest.raises(OperatorError, match="the restored copy needs"):
            server.run("platform-backup restore --confirm supabase")
    finally:
        server.run("rm /srv/data/filler")
    assert process(server) == before


@pytest.mark.parametrize("confirm", [[], ["--confirm", "another-platform"]])
def test_a_restore_that_nobody_confirmed_is_refused(platform: Platform, server: Server, confirm: list[str]) -> None:
    before = process(server)
    done = ops(platform, "restore", *confirm)
    assert done.returncode == 1
    assert "what can be restored" in done.stdout
    assert "nothing was touched" in done.stdout
    assert process(server) == before


def test_a_target_that_is_not_reached_leaves_everything_as_it_was(server: Server) -> None:
    kept = replaced(server)
    sql(server, f"insert into {SCHEMA}.written values (0)")
    forged = '{"name": "forged", "at": "2026-01-01T00:00:00+00:00", "timeline": %s, "lsn": "FF/0"}'
    timeline = sql(server, "select timeline_id from pg_control_checkpoint()")
    server.run(f"echo '{forged % timeline}' >> /var/lib/supabase-platform/backup/points.jsonl")
    try:
        with pytest.raises(
            OperatorError, match=r"(?s)recovery ended before configured.*Nothing was changed.*runs again"
        ):
            server.run("platform-backup restore --name forged --confirm supabase")
    finally:
        server.run("sed -i '/forged/d' /var/lib/supabase-platform/backup/points.jsonl")
    assert rows(server) == {0}
    assert replaced(server) == kept


def test_back_to_a_time_and_forth_again(platform: Platform, server: Server) -> None:
    sql(server, f"truncate {SCHEMA}.written; insert into {SCHEMA}.written values (1)")
    moment = sql(server, "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
    time.sleep(0.1)
    sql(server, f"insert into {SCHEMA}.written values (2)")

    kept = replaced(server)
    with attempting(platform, server) as client:
        done = ops(platform, "restore", "--time", moment, "--confirm", platform.outputs["platform"])
    assert done.returncode == 0, done.stdout
    assert "lost is:              everything committed since then" in done.stdout
    assert rows(server) == {1}
    assert len(replaced(server)) == len(kept) + 1
    assert client.answered > 0
    assert client.slowest > 1, "the client saw no interruption: it did not ask while the server was away"
    assert client.slowest < PATIENCE_SECONDS, f"a client hung for {client.slowest:.0f} s"
    print(f"clients: {client.failed} errors, the slowest attempt {client.slowest:.1f} s: {client.errors}")

    point = server.run("tail -1 /var/lib/supabase-platform/backup/points.jsonl | cut -d'\"' -f4")
    assert point.startswith("before-restore-")
    forth = ops(platform, "restore", "--name", point, "--confirm", platform.outputs["platform"])
    assert forth.returncode == 0, forth.stdout
    assert rows(server) == {1, 2}

    backup = ops(platform, "backup", "--type", "incr")
    assert backup.returncode == 0, backup.stdout
    assert replaced(server) == [], "a successful backup makes the replaced directories superfluous"
    known = metrics(server)
    assert known["archiver_ok"] == 1
    assert known['last_run_ok{type="incr"}'] == 1
    assert known["replaced_directories"] == 0


def test_a_restored_platform_is_as_declared(platform: Platform) -> None:
    done = ops(platform, "drift")
    assert done.returncode == 0, done.stdout
