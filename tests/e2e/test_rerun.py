"""A second run changes nothing and interrupts nobody."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from ops.connect import Server
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
    seen, stop = Client(), threading.Event()

    def loop(port: int) -> None:
        with psycopg.connect(
            host="127.0.0.1", port=port, dbname="postgres", user="workbench", sslmode="require",
            password=platform.outputs["secrets"]["db_workbench"], autocommit=True, prepare_threshold=None,
        ) as connection:  # fmt: skip
            while not stop.is_set():
                began = time.monotonic()
                try:
                    assert connection.execute("select 1").fetchone() == (1,)
                    seen.queries += 1
                except psycopg.Error as error:
                    seen.errors.append(str(error))
                    return
                seen.slowest = max(seen.slowest, time.monotonic() - began)
                stop.wait(INTERVAL_SECONDS)

    with server.forward("pgbouncer") as port:
        thread = threading.Thread(target=loop, args=(port,))
        thread.start()
        try:
            yield seen
        finally:
            stop.set()
            thread.join()


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
