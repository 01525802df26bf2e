"""A real Odoo: who gets in, what the API tells, what a change leaves behind, and when it calls the platform."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ops.odoo_api import FIRST_WITH_JSON2, JsonRpc, Odoo, OdooError, connect, major_version
from ops.odoo_nudge import OWNER, Step, put, take_away
from plugins.filter.migrations import migration_bundle
from sandbox.cloud.account import Account
from sandbox.home import Home
from sandbox.network import public_network
from sandbox.services import odoo as service
from sandbox.tidy import remove_everything
from tests.odoo.changes import KINDS, Stream
from tests.odoo.compare import Difference, compare, differences, read_odoo
from tests.odoo.generate import generate
from tests.odoo.mapping import Table, read_tables
from tests.sql.cluster import Cluster, running
from tests.sql.runner import Runner
from tests.unit.project import ROOT

pytestmark = pytest.mark.integration

# A call that is still to come has come by then; those that come take a third of it.
QUIET_SECONDS = 1.5
STEPS = 120
WORKER = ROOT / "roles" / "odoo_sync" / "files" / "odoo_sync.py"


@dataclass(frozen=True)
class Server:
    home: Home
    url: str
    accounts: dict[str, Any]

    def as_(self, who: str, key: str) -> Odoo:
        return connect(self.url, service.DATABASE, self.accounts[who], self.accounts[key])

    @property
    def admin(self) -> Odoo:
        return self.as_("admin", "admin_key")

    @property
    def sync(self) -> Odoo:
        return self.as_("user", "api_key")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = Home(tmp_path_factory.mktemp("odoo"))
    home.make()
    try:
        yield Server(home, service.ensure(home), service.accounts(home))
    finally:
        remove_everything(Account(home))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A database with the platform's migrations."""
    bundle = tmp_path_factory.mktemp("bundle") / "migrations.json"
    bundle.write_text(migration_bundle(str(ROOT / "sql" / "migrations")))
    with running() as cluster:
        done = Runner(cluster.dsn()).run(bundle)
        assert done.returncode == 0, done.stderr
        yield cluster


@pytest.fixture(scope="module")
def tables(database: Cluster) -> dict[str, Table]:
    """What the migrations say is read from Odoo."""
    with database.connect() as session:
        return read_tables(session, FIRST_WITH_JSON2)


def ask(url: str, parameters: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps({"jsonrpc": "2.0", "params": parameters}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)
    return found


@pytest.mark.parametrize("name", ["admin", "demo", "portal"])
def test_nobody_s_name_is_the_password(server: Server, name: str) -> None:
    login = {"db": service.DATABASE, "login": name, "password": name}
    answer = ask(f"{server.url}/web/session/authenticate", login)
    assert answer["error"]["data"]["name"] == "odoo.exceptions.AccessDenied"


def test_databases_are_not_listed(server: Server) -> None:
    assert "error" in ask(f"{server.url}/web/database/list", {})


def test_the_platform_s_user_sees_every_company_and_changes_nothing(server: Server) -> None:
    invoices = [("move_type", "=", "out_invoice")]
    assert server.sync.search("account.move", invoices) == server.admin.search("account.move", invoices)
    companies = {row["company_id"] for row in server.sync.read("account.move", invoices, ["company_id"])}
    assert {str(company) for company in companies} == set(server.accounts["companies"])
    assert len(companies) == 2
    some = server.sync.search("account.move", invoices, limit=1)
    for model, method, ids, arguments in (
        ("res.partner", "create", None, {"vals_list": [{"name": "x"}]}),
        ("res.partner", "write", [1], {"vals": {"name": "x"}}),
        ("account.move", "write", some, {"vals": {"ref": "x"}}),
        ("product.product", "create", None, {"vals_list": [{"name": "x"}]}),
    ):
        with pytest.raises(OdooError) as caught:
            server.sync.call(model, method, ids, **arguments)
        assert (caught.value.status, caught.value.name) == (403, "odoo.exceptions.AccessError")


def test_what_is_there_already_is_left_alone(server: Server) -> None:
    assert service.ensure(server.home) == server.url
    assert service.accounts(server.home) == server.accounts
    assert service.values(server.home) == {
        "odoo_url": server.url,
        "odoo_database": "odoo",
        "odoo_user": "platform_sync",
        "odoo_api_key": server.accounts["api_key"],
    }


def test_every_field_that_is_asked_for_is_there_and_readable(server: Server, tables: dict[str, Table]) -> None:
    for table in tables.values():
        rows = server.sync.read(table.model, table.domain, [*table.columns, "write_date"])
        # The demo data have no payments.
        assert rows or table.model in {"account.payment", "account.partial.reconcile"}


def test_both_protocols_tell_the_same(server: Server, tables: dict[str, Table]) -> None:
    assert major_version(server.url) == FIRST_WITH_JSON2
    older = Odoo(JsonRpc(server.url, service.DATABASE, server.accounts["user"], server.accounts["api_key"]))
    for table in tables.values():
        assert list(compare(table.model, read_odoo(older, table), read_odoo(server.sync, table))) == []


def test_the_older_protocol_makes_changes_and_names_what_is_refused(server: Server) -> None:
    older = Odoo(JsonRpc(server.url, service.DATABASE, server.accounts["admin"], server.accounts["admin_key"]))
    made = older.create("res.partner", [{"name": "Older"}])
    older.write("res.partner", made, {"name": "Older still"})
    assert [row["name"] for row in server.sync.read("res.partner", [("id", "in", made)], ["name"])] == ["Older still"]
    older.unlink("res.partner", made)
    assert server.sync.search("res.partner", [("id", "in", made)]) == []
    with pytest.raises(OdooError, match="Invalid field"):
        older.read("res.partner", [], ["nonsense"])
    with pytest.raises(OdooError, match="the key is not theirs"):
        JsonRpc(server.url, service.DATABASE, server.accounts["admin"], "wrong")


def seen(odoo: Odoo, table: Table) -> tuple[dict[int, dict[str, Any]], dict[int, str]]:
    """Every row of a table, and when Odoo says that it was written."""
    written = {row["id"]: row["write_date"] for row in odoo.read(table.model, table.domain, ["write_date"])}
    return read_odoo(odoo, table), written


def test_a_poll_by_write_date_sees_every_change_of_the_fields_that_we_keep(
    server: Server, tables: dict[str, Table]
) -> None:
    made = generate(server.home, seed=7, partners=300, products=40, invoices=60)
    assert (made["partners"], made["products"], made["invoices"]) == (300, 40, 60)
    states = {row["payment_state"] for row in server.sync.read("account.move", [], ["payment_state"])}
    assert {"not_paid", "partial"} < states
    assert states & {"paid", "in_payment"}

    before = {model: seen(server.sync, table) for model, table in tables.items()}
    time.sleep(1.1)  # write_date comes in whole seconds
    stream = Stream(server.admin, seed=7)
    for kind in KINDS:
        stream.step(kind)
    stream.run(STEPS)
    done = sum(step.done for step in stream.steps)
    assert done > 0.7 * len(stream.steps), [step for step in stream.steps if not step.done]
    assert len(stream.summary()) > 0.8 * len(KINDS), stream.summary()

    unseen: list[Difference] = []
    for model, table in tables.items():
        (old, written), (new, rewritten) = before[model], seen(server.sync, table)
        changed = list(compare(model, new, old))
        assert changed or model in {"res.company", "res.currency"}, model
        unseen += [found for found in changed if written.get(found.id) == rewritten.get(found.id)]
    assert unseen == []


def read_into(database: Cluster, server: Server, folder: Path) -> str:
    """One round of the worker, deletions too; returns what it said."""
    with database.connect() as session:
        session.execute("update sync.cursors set swept_at = null")
    (folder / "odoo_api_key").write_text(server.accounts["api_key"])
    environment = {
        "PGHOST": database.host,
        "PGUSER": "odoo_sync",
        "PGDATABASE": "postgres",
        "ODOO_URL": server.url,
        "ODOO_DATABASE": service.DATABASE,
        "CREDENTIALS_DIRECTORY": str(folder),
    }
    done = subprocess.run(
        [sys.executable, str(WORKER)], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_silver_is_what_odoo_has_field_by_field_also_after_changes(
    server: Server, database: Cluster, tables: dict[str, Table], tmp_path: Path
) -> None:
    with database.connect() as session:
        read_into(database, server, tmp_path)
        assert differences(server.sync, session, tables) == []
        (count,) = session.execute("select count(*) from silver.invoice_lines").fetchall()
        assert count[0] > 100
        Stream(server.admin, seed=11).run(STEPS // 2)
        assert differences(server.sync, session, tables) != []
        read_into(database, server, tmp_path)
        assert differences(server.sync, session, tables) == []


def test_one_change_is_one_difference(server: Server, tables: dict[str, Table]) -> None:
    table = tables["res.partner"]
    ours = read_odoo(server.sync, table)
    ident = server.admin.create("res.partner", [{"name": "Newcomer"}])[0]
    (extra,) = compare(table.model, read_odoo(server.sync, table), ours)
    assert (extra.id, extra.odoo, extra.ours) == (ident, "a row", None)
    ours = read_odoo(server.sync, table)
    server.admin.write("res.partner", [ident], {"phone": "+41 1"})
    (other,) = compare(table.model, read_odoo(server.sync, table), ours)
    assert (other.field, other.odoo, other.ours) == ("phone", "+41 1", None)


class Hooks:
    """A server that counts what it is called with."""

    def __init__(self, address: str) -> None:
        calls: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                calls.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self.calls = calls
        self._server = ThreadingHTTPServer((address, 0), Handler)
        self.url = f"http://{address}:{self._server.server_port}/hooks/a-secret"
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @contextmanager
    def counting(self) -> Iterator[list[dict[str, Any]]]:
        """What came in during a piece of work, and in the quiet after it."""
        time.sleep(QUIET_SECONDS)
        first = len(self.calls)
        found: list[dict[str, Any]] = []
        yield found
        time.sleep(QUIET_SECONDS)
        found += self.calls[first:]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def hooks(server: Server) -> Iterator[Hooks]:
    _, subnet = public_network(server.home)
    counting = Hooks(str(subnet[1]))  # this machine, as a container sees it
    steps = list(put(server.admin, counting.url))
    assert {step.done for step in steps} == {"made"}
    yield counting
    counting.close()


def test_shown_is_not_done(server: Server, hooks: Hooks) -> None:
    assert {step.done for step in put(server.admin, "http://elsewhere.test/", show=True)} == {
        "unchanged",
        "changed: webhook_url",
    }
    assert {step.done for step in take_away(server.admin, show=True)} == {"removed"}
    assert {step.done for step in put(server.admin, hooks.url)} == {"unchanged"}


def test_a_transaction_is_one_call_and_no_change_is_none(server: Server, hooks: Hooks) -> None:
    admin = server.admin
    with hooks.counting() as calls:
        admin.search("res.partner", [])
    assert calls == []

    with hooks.counting() as calls:
        started = time.monotonic()
        (customer,) = admin.create("res.partner", [{"name": "Hooked", "is_company": True}])
        assert time.monotonic() - started < 1, "the user waits for the call"
    assert [call["_model"] for call in calls] == ["res.company"]

    with hooks.counting() as calls:
        started = time.monotonic()
        admin.create("res.partner", [{"name": f"Many {number}"} for number in range(500)])
        assert time.monotonic() - started < 5, "the rules are asked for each record"
    assert len(calls) == 1

    lines = [(0, 0, {"name": str(number), "price_unit": 10.0}) for number in range(5)]
    with hooks.counting() as calls:
        (invoice,) = admin.create(
            "account.move", [{"move_type": "out_invoice", "partner_id": customer, "invoice_line_ids": lines}]
        )
    assert len(calls) == 1

    with hooks.counting() as calls:
        admin.call("account.move", "action_post", [invoice])
    assert len(calls) == 1

    with hooks.counting() as calls:
        selected = {"active_model": "account.move", "active_ids": [invoice]}
        wizard = admin.create("account.payment.register", [{"amount": 10.0}], **selected)
        admin.call("account.payment.register", "action_create_payments", wizard, context=selected)
    # Odoo counts how often a known customer buys and pays in a transaction after the first.
    assert len(calls) in {1, 2}

    (template,) = admin.search("product.template", [("active", "=", True)], limit=1)
    with hooks.counting() as calls:
        admin.write("product.template", [template], {"list_price": 4321.0})
    assert len(calls) == 1

    with hooks.counting() as calls:
        admin.unlink("res.partner", admin.search("res.partner", [("name", "=", "Many 7")]))
    assert len(calls) == 1


def test_a_change_by_somebody_who_may_not_see_scheduled_actions_calls_too(server: Server, hooks: Hooks) -> None:
    (clerk,) = server.admin.create(
        "res.users",
        [
            {
                "name": "Clerk",
                "login": "clerk",
                "group_ids": [(6, 0, [group(server, "base.group_user"), group(server, "base.group_partner_manager")])],
            }
        ],
        no_reset_password=True,
    )
    made = f"env['res.users.apikeys'].with_user({clerk}).sudo()._generate('rpc', 'clerk', None)"
    key = service.shell(server.home, f"print('KEY', {made})\nenv.cr.commit()").rpartition("KEY ")[2]
    somebody = connect(server.url, service.DATABASE, "clerk", key.strip())
    with hooks.counting() as calls:
        somebody.create("res.partner", [{"name": "By a clerk"}])
    assert len(calls) == 1


def group(server: Server, name: str) -> int:
    module, _, short = name.partition(".")
    (row,) = server.admin.read("ir.model.data", [("module", "=", module), ("name", "=", short)], ["res_id"])
    return int(row["res_id"])


def test_what_was_made_is_kept_up_and_taken_away_whole(server: Server, hooks: Hooks) -> None:
    admin = server.admin
    (webhook,) = admin.read("ir.actions.server", [("state", "=", "webhook")], ["name"])
    admin.write("ir.actions.server", [webhook["id"]], {"name": "Renamed by hand"})
    changed = [step for step in put(admin, hooks.url) if step.done != "unchanged"]
    assert changed == [Step("webhook", "ir.actions.server", "changed: name")]

    assert {step.done for step in take_away(admin)} == {"removed"}
    assert admin.search("ir.model.data", [("module", "=", OWNER)]) == []
    for model in ("base.automation", "ir.cron", "ir.actions.server"):
        assert admin.search(model, [("name", "like", "Platform sync")]) == [], model
    with hooks.counting() as calls:
        admin.create("res.partner", [{"name": "Unheard"}])
    assert calls == []
    assert {step.done for step in put(admin, hooks.url)} == {"made"}


def test_a_stopped_odoo_comes_back_with_its_data(server: Server) -> None:
    (ident,) = server.admin.create("res.partner", [{"name": "Kept"}])
    service.stop(server.home)
    service.start(server.home)
    assert server.sync.search("res.partner", [("name", "=", "Kept")]) == [ident]
