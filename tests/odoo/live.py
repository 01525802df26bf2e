"""The running platform beside its Odoo: what tests and benchmarks do to the two, and ask of them."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import psycopg

from ops.connect import Server
from ops.odoo_api import Odoo, connect, major_version
from ops.stack import Stack
from sandbox import home
from sandbox.home import Home
from sandbox.services import odoo as service
from tests.e2e.edge import Edge, edge_of
from tests.e2e.platform import Platform
from tests.odoo.compare import Difference, differences
from tests.odoo.mapping import Session, read_tables

LOOK_SECONDS = 0.1


def wait_until(what: str, seconds: float, holds: Callable[[], bool]) -> float:
    """Wait until something holds; returns how long that took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, f"not within {seconds:.0f} s: {what}"
        time.sleep(LOOK_SECONDS)
    return time.monotonic() - began


@dataclass(frozen=True)
class Change:
    """Records that were changed in Odoo, each with the write_date it has now, and when that was by our clock."""

    written: tuple[tuple[str, int, str], ...]
    at: float


@dataclass
class Live:
    """A superuser's session that outlives restarts of the server, and Odoo as its administrator and as our account."""

    home: Home
    outputs: dict[str, Any] = field(repr=False)
    edge: Edge
    server: Server
    admin: Odoo
    reader: Odoo
    _port: int
    _session: Session | None = field(default=None, repr=False)

    @property
    def session(self) -> Session:
        """A session that commits each statement; another one when the last was cut."""
        if self._session is None or self._session.closed:
            self._session = psycopg.connect(
                host="127.0.0.1", port=self._port, dbname="postgres", user="supabase_admin", sslmode="require",
                password=self.outputs["secrets"]["db_supabase_admin"], autocommit=True, connect_timeout=5,
            )  # fmt: skip
        return self._session

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query; of a statement without rows, none."""
        done = self.session.execute(query.encode(), values or None)
        return done.fetchall() if done.description else []

    def one(self, query: str, *values: object) -> Any:
        """The one value that a query answers."""
        ((value,),) = self.ask(query, *values)
        return value

    def metric(self, name: str, **labels: str) -> float | None:
        """A measurement as monitoring reads it; None where there is none."""
        rows = self.ask(
            "select value from sync.metrics() where name = %s and labels = %s::jsonb", name, json.dumps(labels)
        )
        return float(rows[0][0]) if rows else None

    def now(self) -> Any:
        """The database's clock."""
        return self.one("select clock_timestamp()")

    @property
    def webhook(self) -> str:
        """What Odoo calls."""
        return f"{self.outputs['urls']['api']}/hooks/{self.outputs['secrets']['odoo_webhook_path']}"

    def call(self, ident: int = 1) -> int:
        """Call the platform as Odoo does when something changed; returns the status."""
        path = urlsplit(self.webhook).path
        body = json.dumps({"_model": "res.company", "_id": ident, "_action": "Platform sync"}).encode()
        return self.edge.ask(self.edge.api, path, "POST", body, [("Content-Type", "application/json")]).status

    def catch_up(self, seconds: float = 180, *, calling: bool = True) -> float:
        """Wait until every model was polled, and then swept for what is gone, after this moment; returns how long.

        Sweeps come every quarter of an hour; here they are due at once.
        """
        began = self.now()
        behind = """
          select m.name from sync.models as m
          where (
            select count(distinct r.kind) from sync.runs as r
            where r.model = m.name and r.state = 'done' and r.started_at >= %s
          ) < 2
        """
        due = f"update sync.cursors as c set swept_at = null where c.swept_at is not null and c.model in ({behind})"
        self.ask(due, began)
        if calling:
            self.call()

        def caught_up() -> bool:
            waiting = self.ask(behind, began)
            if waiting:
                # One that was under way has said since that it is over.
                self.ask(due, began)
            return not waiting

        try:
            return wait_until("every model polled and swept", seconds, caught_up)
        except AssertionError as problem:
            raise AssertionError(f"{problem}; {self.trouble(began)}") from None

    def trouble(self, since: Any) -> str:
        """What the platform says about runs since a moment, for whoever reads a failed test."""
        runs = self.ask(
            "select id, model, kind, state, phase, pages, message from sync.runs where started_at >= %s order by id",
            since,
        )
        letters = self.ask("select model, reason, detail, times from sync.dead_letters where last_at >= %s", since)
        return f"runs: {runs[-20:]}; dead letters: {letters}"

    def differences(self) -> list[Difference]:
        """Odoo against silver and gold."""
        return differences(
            self.reader, self.session, read_tables(self.session, self.one("select version from sync.odoo"))
        )

    def changed(self, *records: tuple[str, Sequence[int]]) -> Change:
        """What was changed just now: the records of each model."""
        at = time.monotonic()
        written = [
            (model, row["id"], row["write_date"])
            for model, ids in records
            for row in self.reader.read(model, [("id", "in", list(ids))], ["write_date"])
        ]
        assert len(written) == sum(len(ids) for _, ids in records), "a record that was changed is not there"
        return Change(tuple(written), at)

    def has(self, change: Change) -> bool:
        """Whether a change is in gold: a version holds in the transaction that wrote it to silver and gold."""
        models, ids, dates = zip(*change.written, strict=True)
        return bool(
            self.one(
                """
                select bool_and(h.write_date is not null and h.write_date >= w.write_date)
                from unnest(%s::text[], %s::bigint[], %s::timestamp[]) as w (model, id, write_date)
                left join sync.heads as h on h.model = w.model and h.source_id = w.id
                """,
                list(models), list(ids), list(dates),
            )
        )  # fmt: skip


@contextmanager
def live(stack: Stack) -> Iterator[Live]:
    """The running sandbox and its Odoo, for as long as the block runs."""
    outputs, sandbox = stack.outputs(), home.current()
    known, values = service.accounts(sandbox), service.values(sandbox)
    url, database = values["odoo_url"], values["odoo_database"]
    major_version(url)  # says so where it does not answer
    admin = connect(url, database, known["admin"], known["admin_key"])
    reader = connect(url, database, known["user"], known["api_key"])
    with Server(outputs) as server, server.forward("postgresql") as port:
        found = Live(sandbox, outputs, edge_of(Platform(stack, outputs)), server, admin, reader, port)
        try:
            yield found
        finally:
            if found._session is not None:
                found._session.close()
