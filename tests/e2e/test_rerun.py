"""A second run changes nothing and interrupts nobody."""

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from ops.connect import Server
from tests.e2e.clients import at_work
from tests.e2e.platform import Platform

INTERVAL_SECONDS = 0.02


@dataclass
class Client:
    """What the client that queries all the time has seen."""

    queries: int = 0
    errors: list[str] = field(default_factory=list)
    slowest: float = 0.0


@contextmanager
def querying(platform: Platform, server: Server) -> Iterator[Client]:
    """Query through PgBouncer every 20 ms for as long as the block runs."""
    seen = Client()

    def client(port: int) -> Generator[None]:
        with psycopg.connect(
            host="127.0.0.1", port=port, dbname="postgres", user="workbench", sslmode="require",
            password=platform.outputs["secrets"]["db_workbench"], autocommit=True, prepare_threshold=None,
        ) as connection:  # fmt: skip
            while True:
                began = time.monotonic()
                try:
                    assert connection.execute("select 1").fetchone() == (1,)
                    seen.queries += 1
                except psycopg.Error as error:
                    seen.errors.append(str(error))
                    return
                seen.slowest = max(seen.slowest, time.monotonic() - began)
                yield

    with server.forward("pgbouncer") as port, at_work(client(port), pause=INTERVAL_SECONDS):
        yield seen


def test_a_second_up_changes_nothing_and_no_query_fails(platform: Platform, server: Server) -> None:
    with querying(platform, server) as client:
        run = platform.up()
    assert run.code == 0, run.text
    assert set(run.summary) == {"unchanged"}, run.text
    assert "0 changed" in run.text
    assert not client.errors
    assert client.queries > 100, "the client hardly ran, so its silence proves nothing"


def test_a_converged_playbook_run_changes_nothing_and_no_query_fails(platform: Platform, server: Server) -> None:
    from infra.converge import converge

    with querying(platform, server) as client:
        result = converge(platform.outputs, check=False)
    assert result.ok
    assert result.changed == []
    assert not client.errors
    assert client.queries > 100, "the client hardly ran, so its silence proves nothing"
