"""What the database makes of Odoo's answers: nothing lost, nothing doubled, everything counted."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from ops import rebuild_silver
from roles.odoo_sync.files import odoo_sync as worker
from roles.odoo_sync.files.odoo_sync_status.metrics import CONFIGURED, HELP, REPORTED, WRITTEN, render
from roles.odoo_sync.files.odoo_sync_status.page import page
from roles.odoo_sync.files.odoo_sync_status.report import report
from tests.sql.cluster import Cluster
from tests.sql.odoo_double import OdooDouble
from tests.sql.synchronisation import FORGET, Sync, company, invoice, small_world


@pytest.fixture
def odoo() -> OdooDouble:
    return small_world()


@pytest.fixture
def sync(platform: Cluster, odoo: OdooDouble) -> Iterator[Sync]:
    with platform.connect() as session, session.transaction(force_rollback=True):
        yield Sync(session, odoo)


def content(sync: Sync) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that silver and gold show, without what says when it was written."""
    tables = [f"silver.{title}" for (title,) in sync.rows("select title from sync.models order by 1")]
    tables += ["gold.fact_invoice", "gold.agg_revenue_daily"]
    return {
        name: sync.rows(
            f"select to_jsonb(t) - 'received_at' - 'raw_id' from {name} as t order by 1::text, to_jsonb(t)::text"
        )
        for name in tables
    }


def test_a_first_load_brings_everything_to_its_tenants(sync: Sync) -> None:
    sync.round()
    assert sync.rows(
        "select o.slug, p.id, p.name from silver.partners p "
        "join public.organizations o on o.id = p.org_id order by 1, 2"
    ) == [
        ("odoo-1", 10, "Shared"),
        ("odoo-1", 11, "First"),
        ("odoo-2", 10, "Shared"),
        ("odoo-2", 12, "Second"),
    ]
    assert sync.rows("select line_id, amount_company from gold.fact_invoice order by 1") == [
        (1001, 100),
        (1002, 150.5 - 100),
        (2001, 70),
    ]
    assert sync.rows(
        "select o.slug, day::text, revenue, invoices, lines from gold.agg_revenue_daily a "
        "join public.organizations o on o.id = a.org_id order by 1"
    ) == [
        ("odoo-1", "2026-02-01", 150.5, 1, 2),
        ("odoo-2", "2026-02-01", 70, 1, 1),
    ]
    assert sync.rows("select model, agrees from sync.reconciliations where not agrees") == []


@pytest.fixture
def pair(platform: Cluster, odoo: OdooDouble) -> Iterator[tuple[Sync, Sync]]:
    """Two sessions whose transactions are not rolled back."""
    with platform.connect() as session, platform.connect() as other:
        try:
            yield Sync(session, odoo), Sync(other, odoo)
        finally:
            session.execute(FORGET)
            session.execute("set session_replication_role = replica")
            session.execute("delete from sync.company_choices")
            session.execute("delete from public.organizations where slug like 'odoo-%'")


def meet(pair: tuple[Sync, Sync], *steps: Callable[[Sync], object]) -> None:
    """The second step begins while the transaction of the first is still open, and waits for it or is over."""
    (first, second), (earlier, later) = pair, steps
    waits = "select exists (select from pg_locks where not granted)"
    with ThreadPoolExecutor() as pool:
        with first.session.transaction():
            earlier(first)
            arrives = pool.submit(later, second)
            deadline = time.monotonic() + 10
            while not arrives.done() and not first.one(waits):
                assert time.monotonic() < deadline
        arrives.result()


def page_of(sync: Sync, model: str) -> Callable[[Sync], object]:
    """What brings a page that was asked for already."""
    step = sync.next_request(model)
    answer = sync.odoo.post(step["path"], step["body"])
    return lambda one: one.ingest(step, answer)


@pytest.mark.parametrize("order", [1, -1])
def test_an_invoice_and_its_lines_that_arrive_at_the_same_moment_make_facts(
    pair: tuple[Sync, Sync], order: int
) -> None:
    first, _ = pair
    apart = ["account.move", "account.move.line"]
    for (model,) in first.rows("select sync.models()"):
        if model not in apart:
            first.model(model)
    meet(pair, *[page_of(first, model) for model in apart][::order])
    assert first.rows("select line_id from gold.fact_invoice order by 1") == [(1001,), (1002,), (2001,)]


PARTNERS_OF_EACH = """
select o.slug, array_agg(p.id order by p.id)
from silver.partners as p
join public.organizations as o on o.id = p.org_id
group by o.slug
order by o.slug
"""


@pytest.mark.parametrize("order", [1, -1])
def test_a_new_company_gets_the_shared_partner_that_arrives_at_the_same_moment(
    pair: tuple[Sync, Sync], odoo: OdooDouble, order: int
) -> None:
    first, _ = pair
    first.round()
    odoo.pass_time(60)
    company(odoo, 3)
    odoo.write("res.partner", 13, name="New")
    meet(pair, *[page_of(first, model) for model in ("res.company", "res.partner")][::order])
    assert first.rows(PARTNERS_OF_EACH) == [("odoo-1", [10, 11, 13]), ("odoo-2", [10, 12, 13]), ("odoo-3", [10, 13])]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("model", ["res.partner", "res.company"])
def test_a_company_that_is_given_to_another_tenant_takes_along_what_arrives_at_the_same_moment(
    pair: tuple[Sync, Sync], odoo: OdooDouble, model: str, order: int
) -> None:
    first, _ = pair
    first.round()
    odoo.pass_time(60)
    company(odoo, 2, name="Another name")
    odoo.write("res.partner", 13, name="New")
    odoo.write("res.partner", 14, name="Second's", company_id=2)

    def given(sync: Sync) -> object:
        return sync.one("select sync.map_company(2, 'odoo-given')")

    meet(pair, *[given, page_of(first, model)][::order])
    odoo.pass_time(60)
    first.round()
    assert first.rows(PARTNERS_OF_EACH) == [("odoo-1", [10, 11, 13]), ("odoo-given", [10, 12, 13, 14])]
    owner = "select o.slug from sync.companies join public.organizations as o on o.id = org_id where company_id = 2"
    assert first.one(owner) == "odoo-given"


def test_odoo_silver_and_gold_are_compared(sync: Sync) -> None:
    sync.round()
    sync.sweep("account.move")
    last = "run = (select max(run) from sync.reconciliations where model = 'account.move') and model = 'account.move'"
    assert sync.rows(
        f"select company_id, odoo_records, silver_records, odoo_sums[1], silver_sums[1], gold_sum, agrees "
        f"from sync.reconciliations where {last} order by 1"
    ) == [
        (1, 1, 1, 150.5, 150.5, 150.5, True),
        (2, 1, 1, 70, 70, 70, True),
    ]
    sync.session.execute("set local sync.applying = 'on'")
    sync.session.execute("delete from gold.fact_invoice where line_id = 1002")
    sync.session.execute("delete from silver.invoices where id = 200")
    sync.sweep("account.move")
    assert sync.rows(
        f"select company_id, day::text, differing_ids, gold_sum from sync.reconciliations where {last} "
        f"and not agrees order by 1, 2"
    ) == [
        (1, "2026-02-01", [100], 100),
        (1, None, [100], 100),
        (2, "2026-02-01", [200], None),
        (2, None, [200], None),
    ]


def test_companies_are_read_first(sync: Sync) -> None:
    assert sync.next_request("res.partner") == {"more": False, "wait": "companies are read first"}
    sync.model("res.company")
    assert sync.next_request("res.partner")["more"]


def test_a_second_round_changes_nothing(sync: Sync) -> None:
    sync.round()
    before = content(sync)
    raw = sync.one("select count(*) from bronze.raw_odoo_partners")
    sync.odoo.pass_time(60)
    sync.round()
    assert content(sync) == before
    assert sync.one("select count(*) from bronze.raw_odoo_partners") == raw


def test_only_what_was_written_since_is_asked_for(sync: Sync) -> None:
    sync.round()
    sync.odoo.pass_time(3600)
    sync.odoo.requests.clear()
    sync.model("res.partner")
    (asked,) = sync.odoo.requests
    assert asked["body"]["domain"] == [["id", ">", 0], ["write_date", ">=", "2026-03-01 12:05:00"]]


def test_changes_arrive_and_history_is_kept(sync: Sync) -> None:
    sync.round()
    sync.odoo.write("res.partner", 11, name="First renamed")
    sync.model("res.partner", "nudge")
    assert sync.rows("select name from silver.partners where id = 11") == [("First renamed",)]
    assert sync.rows(
        "select version, name, is_current, valid_from::text, valid_to::text from gold.dim_partner "
        "where partner_id = 11 order by 1"
    ) == [
        (1, "First", False, "-infinity", "2026-03-01 12:10:00"),
        (2, "First renamed", True, "2026-03-01 12:10:00", "infinity"),
    ]
    assert sync.rows("select reason, records from sync.latencies where model = 'res.partner'") == [("nudge", 1)]


def test_an_invoice_that_changes_moves_its_revenue(sync: Sync) -> None:
    sync.round()
    sync.odoo.pass_time(1)
    invoice(sync.odoo, 100, {1001: 80.0}, invoice_date="2026-02-03")
    sync.odoo.delete("account.move.line", 1002)
    sync.round()
    assert sync.rows("select id from silver.invoice_lines order by 1") == [(1001,), (2001,)]
    assert sync.rows("select day::text, revenue from gold.agg_revenue_daily where company_id = 1") == [
        ("2026-02-03", 80)
    ]
    assert (
        sync.one("select deleted from bronze.raw_odoo_invoice_lines where source_id = 1002 order by id desc limit 1")
        is True
    )


def test_a_draft_has_no_facts(sync: Sync) -> None:
    sync.round()
    sync.odoo.pass_time(1)
    invoice(sync.odoo, 100, {1001: 100.0, 1002: 50.5}, state="draft")
    sync.round()
    assert sync.rows("select line_id from gold.fact_invoice") == [(2001,)]
    assert sync.rows("select company_id from gold.agg_revenue_daily") == [(2,)]


def test_pages_are_followed_to_the_end(sync: Sync) -> None:
    sync.session.execute("update sync.models set page_size = 3")
    for number in range(300, 310):
        sync.odoo.write("res.partner", number, name=f"Partner {number}", is_company=False, company_id=1)
    sync.round()
    assert sync.one("select count(*) from silver.partners where id >= 300") == 10
    assert sync.one("select pages from sync.runs where model = 'res.partner' and kind = 'poll'") == 5


def test_after_so_many_pages_another_execution_goes_on_with_the_run(sync: Sync) -> None:
    sync.session.execute("update sync.models set page_size = 1")
    for number in range(300, 315):
        sync.odoo.write("res.partner", number, name=f"Partner {number}", is_company=False, company_id=1)
    sync.model("res.company")
    step = sync.next_request("res.partner")
    run, pages = step["run"], 0
    while step["more"]:
        step, pages = sync.carry(step), pages + 1
    assert (step, pages) == ({"more": False, "again": True, "run": run}, sync.one("select sync.pages_at_once()"))
    anew = sync.next_request("res.partner", "nudge")
    assert (anew["more"], anew["run"]) == (True, run)
    assert "going on" in sync.next_request("res.partner")["wait"]
    while anew["more"]:
        anew = sync.carry(anew)
        if anew.get("again"):
            anew = sync.next_request("res.partner")
    assert sync.one("select count(*) from silver.partners where id >= 300") == 15
    polls = "select state, received from sync.runs where model = 'res.partner' and kind = 'poll'"
    assert sync.rows(polls) == [("done", sync.one("select count(distinct id) from silver.partners"))]


def test_a_run_that_was_cut_off_goes_on(sync: Sync) -> None:
    sync.session.execute("update sync.models set page_size = 2")
    sync.model("res.company")
    step = sync.carry(sync.next_request("res.partner"))
    assert step["more"]
    assert "going on" in sync.next_request("res.partner")["wait"]
    sync.session.execute("update sync.runs set lease_until = now() - interval '1 minute'")
    # What is written before the place where it goes on is found by the next run, by the time of the first one.
    sync.odoo.pass_time(600)
    sync.odoo.write("res.partner", 10, name="Changed meanwhile")
    again = sync.next_request("res.partner")
    assert ["id", ">", 11] in again["body"]["domain"]
    assert sync.ingest(step, []) == {"more": False, "wait": f"run {step['run']} is over: abandoned"}
    while again["more"]:
        again = sync.carry(again)
    sync.model("res.partner")
    assert sync.rows("select distinct name from silver.partners where id = 10") == [("Changed meanwhile",)]


def test_the_same_page_twice_changes_nothing(sync: Sync) -> None:
    sync.model("res.company")
    step = sync.next_request("res.partner")
    page = sync.odoo.post(step["path"], step["body"])
    sync.ingest(step, page)
    before = content(sync)
    assert sync.ingest(step, page)["more"] in (False, True)
    assert content(sync) == before
    assert sync.one("select count(*) from bronze.raw_odoo_partners") == 3


def test_a_nudge_during_a_run_is_not_forgotten(sync: Sync) -> None:
    sync.round()
    step = sync.next_request("res.partner")
    page = sync.odoo.post(step["path"], step["body"])
    sync.odoo.write("res.partner", 12, name="Written after the page was read")
    assert not sync.next_request("res.partner", "nudge")["more"]
    step = sync.ingest(step, page)
    while step["more"]:
        step = sync.carry(step)
    assert sync.rows("select name from silver.partners where id = 12") == [("Written after the page was read",)]


def test_what_is_gone_is_found_by_a_sweep(sync: Sync) -> None:
    sync.round()
    sync.odoo.delete("res.partner", 11)
    sync.sweep("res.partner")
    assert sync.rows("select id from silver.partners where id = 11") == []
    assert sync.rows("select is_current from gold.dim_partner where partner_id = 11") == [(False,)]
    assert sync.rows(
        "select deleted, payload from bronze.raw_odoo_partners where source_id = 11 order by id desc limit 1"
    ) == [(True, {})]


def test_what_comes_back_is_there_again(sync: Sync) -> None:
    sync.round()
    kept = dict(sync.odoo.records["res.partner"][11])
    sync.odoo.delete("res.partner", 11)
    sync.sweep("res.partner")
    sync.odoo.records["res.partner"][11] = kept
    sync.sweep("res.partner")
    assert sync.rows("select name from silver.partners where id = 11") == [("First",)]
    assert sync.rows("select version, is_current from gold.dim_partner where partner_id = 11 order by 1") == [
        (1, False),
        (2, True),
    ]


def test_what_a_poll_could_not_see_is_found_by_a_sweep(sync: Sync) -> None:
    """A transaction that took longer than the overlap leaves an old write_date behind the watermark."""
    sync.round()
    sync.odoo.records["res.partner"][11] |= {"name": "Committed late", "write_date": "2026-03-01 12:04:00"}
    sync.odoo.pass_time(3600)
    sync.model("res.partner")
    sync.odoo.pass_time(3600)
    sync.odoo.records["res.partner"][11] |= {"name": "Committed later", "write_date": "2026-03-01 12:20:00"}
    sync.model("res.partner")
    assert sync.rows("select name from silver.partners where id = 11") == [("First",)]
    sync.sweep("res.partner")
    assert sync.rows("select name from silver.partners where id = 11") == [("Committed later",)]


def watermark(sync: Sync) -> Any:
    return sync.one("select watermark from sync.cursors where model = 'res.partner'")


def test_shortly_after_a_poll_a_nudge_reads_only_what_is_new(sync: Sync) -> None:
    sync.round()
    polled = watermark(sync)
    sync.odoo.pass_time(20)
    sync.odoo.write("res.partner", 11, name="Renamed")
    # Written before the poll, committed after it.
    sync.odoo.records["res.partner"][12] |= {"name": "Committed late", "write_date": "2026-03-01 12:09:00"}
    done = sync.model("res.partner", "nudge")
    assert done["changed"] == 1
    assert ["write_date", ">=", "2026-03-01 12:09:30"] in sync.odoo.requests[-1]["body"]["domain"]
    assert watermark(sync) == polled
    sync.odoo.pass_time(10)
    assert sync.model("res.partner")["changed"] == 1
    assert sync.rows("select id, name from silver.partners where id in (11, 12) order by id") == [
        (11, "Renamed"),
        (12, "Committed late"),
    ]
    assert watermark(sync) > polled


def test_a_nudge_is_a_poll_where_none_was_for_a_minute(sync: Sync) -> None:
    sync.round()
    polled = watermark(sync)
    sync.session.execute("update sync.cursors set polled_at = polled_at - interval '1 minute'")
    sync.odoo.pass_time(60)
    sync.model("res.partner", "nudge")
    assert watermark(sync) > polled


def test_a_nudged_run_that_was_cut_off_goes_on_where_it_was(sync: Sync) -> None:
    sync.round()
    polled = watermark(sync)
    sync.session.execute("update sync.models set page_size = 1 where name = 'res.partner'")
    sync.odoo.pass_time(60)
    for number in (13, 14, 15):
        sync.odoo.write("res.partner", number, name=f"Partner {number}")
    sync.carry(sync.carry(sync.next_request("res.partner", "nudge")))
    sync.session.execute("update sync.runs set lease_until = clock_timestamp() where state = 'running'")
    assert sync.model("res.partner")["received"] == 1
    assert watermark(sync) == polled
    assert sync.rows("select id from silver.partners where id > 12 group by 1 order by 1") == [(13,), (14,), (15,)]
    sync.model("res.partner")
    assert watermark(sync) > polled


def test_what_becomes_due_while_a_run_goes_on_stays_due(sync: Sync) -> None:
    sync.round()
    sync.odoo.pass_time(60)
    step = sync.next_request("res.partner")
    # As a company does that is seen for the first time.
    sync.session.execute("update sync.cursors set watermark = null where model = 'res.partner'")
    assert sync.carry(step)["more"] is False
    assert watermark(sync) is None


def test_too_many_deletions_wait_for_a_word(sync: Sync) -> None:
    for number in range(300, 600):
        sync.odoo.write("res.partner", number, name=f"Partner {number}", is_company=False, company_id=1)
    sync.round()
    for number in range(300, 450):
        sync.odoo.delete("res.partner", number)
    assert sync.sweep("res.partner")["wait"] == "too many records are gone from Odoo"
    assert sync.one("select count(*) from silver.partners where id >= 300") == 300
    assert sync.one("select detail ->> 'cure' from sync.dead_letters where resolved_at is null") == (
        "If they were deleted on purpose: select sync.accept_deletions('res.partner')"
    )
    sync.session.execute("select sync.accept_deletions('res.partner')")
    sync.model("res.partner")
    assert sync.one("select count(*) from silver.partners where id >= 300") == 150
    assert sync.rows("select 1 from sync.dead_letters where resolved_at is null") == []


def test_a_company_that_is_hidden_keeps_its_records(sync: Sync) -> None:
    sync.round()
    before = content(sync)
    sync.odoo.companies = {1}
    for model in ("res.partner", "account.move", "account.move.line"):
        sync.sweep(model)
    assert content(sync) == before
    assert sync.rows("select company_id, visible from sync.companies order by 1") == [(1, True), (2, False)]


def test_a_company_that_appears_is_read_from_the_start(sync: Sync) -> None:
    sync.odoo.companies = {1}
    sync.round()
    assert sync.one("select count(*) from silver.invoices") == 1
    sync.odoo.pass_time(86400)
    sync.odoo.companies = {1, 2}
    sync.sweep("res.partner")
    sync.round()
    assert sync.rows("select id from silver.invoices order by 1") == [(100,), (200,)]
    assert sync.rows("select count(*) from silver.partners where id = 10") == [(2,)]


def test_a_record_that_breaks_a_check_is_set_aside_and_the_others_go_on(sync: Sync) -> None:
    sync.round()
    sync.odoo.pass_time(1)
    invoice(sync.odoo, 100, {1001: 100.0, 1002: 50.5}, state="odd", invoice_date="2026-02-31")
    invoice(sync.odoo, 101, {1011: 5.0})
    sync.model("account.move")
    assert sync.rows("select source_id, reason from sync.quarantine") == [
        (100, "state is not one of draft, posted, cancel: odd; invoice_date is no date: 2026-02-31")
    ]
    assert sync.rows("select id, state from silver.invoices order by 1") == [
        (100, "posted"),
        (101, "posted"),
        (200, "posted"),
    ]
    sync.odoo.pass_time(1)
    invoice(sync.odoo, 100, {1001: 100.0, 1002: 50.5}, state="cancel")
    sync.model("account.move")
    assert sync.rows("select source_id from sync.quarantine") == []
    assert sync.rows("select state from silver.invoices where id = 100") == [("cancel",)]


def test_a_row_that_is_no_record_is_a_dead_letter(sync: Sync) -> None:
    sync.model("res.company")
    step = sync.next_request("res.currency")
    sync.ingest(step, ["nonsense", {"id": 7}, {"id": 1, "name": "EUR", "write_date": "2026-03-01 12:00:00"}])
    assert sync.rows("select detail, times from sync.dead_letters order by id") == [("nonsense", 1), ({"id": 7}, 1)]
    assert sync.rows("select distinct name from silver.currencies") == [("EUR",)]


def test_an_older_version_that_arrives_later_loses(sync: Sync) -> None:
    sync.round()
    old = sync.odoo.post("/json/2/res.partner/search_read", sync.next_request("res.partner")["body"] | {"domain": []})
    sync.session.execute("update sync.runs set lease_until = now() - interval '1 hour' where state = 'running'")
    sync.odoo.write("res.partner", 11, name="Newer")
    sync.model("res.partner")
    step = sync.next_request("res.partner")
    for row in old:
        if row["id"] == 11:
            row["name"] = "Older"
    sync.ingest(step, old)
    assert sync.rows("select name from silver.partners where id = 11") == [("Newer",)]
    assert sync.rows("select kind, winner, lost -> 'row' ->> 'name' from sync.conflicts") == [
        ("older version arrived later", "the newer version", "Older")
    ]


@pytest.mark.parametrize("name", ["First", "Third"], ids=["the version before", "another version"])
def test_a_version_that_odoo_went_back_to_comes_with_a_sweep(sync: Sync, name: str) -> None:
    """A copy of Odoo was restored, or its clock was put right, and what it has is older than what we have."""
    sync.round()
    sync.odoo.pass_time(300)
    sync.odoo.write("res.partner", 11, name="Second")
    sync.model("res.partner")
    sync.odoo.pass_time(-600)
    sync.odoo.write("res.partner", 11, name=name)
    sync.sweep("res.partner")
    sync.sweep("res.partner")
    assert sync.rows("select name from silver.partners where id = 11") == [(name,)]
    assert sync.rows("select name from gold.dim_partner where partner_id = 11 and is_current") == [(name,)]
    assert ("older version arrived later", "the older version") in sync.rows(
        "select kind, winner from sync.conflicts where source_id = 11"
    )
    assert sync.rows("select pages from sync.runs where model = 'res.partner' order by id desc limit 1") == [(1,)]
    sync.odoo.pass_time(1)
    sync.odoo.write("res.partner", 11, name="Fourth")
    sync.model("res.partner")
    assert sync.rows("select name from silver.partners where id = 11") == [("Fourth",)]
    sync.one("select count(*) from sync.rebuild_silver()")
    assert sync.rows("select name from silver.partners where id = 11") == [("Fourth",)]


def test_what_somebody_edits_in_silver_is_written_again(sync: Sync) -> None:
    sync.round()
    sync.session.execute("set local sync.applying = ''")
    sync.session.execute("update silver.partners set name = 'By hand' where id = 11")
    sync.session.execute("delete from silver.partners where id = 12")
    sync.model("res.partner")
    assert sync.rows("select name from silver.partners where id in (11, 12) order by id") == [("First",), ("Second",)]
    assert sync.rows("select kind, winner, source_id from sync.conflicts order by id") == [
        ("edited by hand", "Odoo", 11),
        ("edited by hand", "Odoo", 12),
    ]


@pytest.mark.parametrize("table", ["silver", "gold"])
def test_silver_made_again_from_bronze_is_the_same(sync: Sync, table: str) -> None:
    sync.round()
    sync.odoo.write("res.partner", 11, name="Renamed")
    sync.odoo.delete("res.partner", 12)
    invoice(sync.odoo, 100, {1001: 80.0})
    sync.odoo.delete("account.move.line", 1002)
    sync.round()
    sync.sweep("res.partner")
    before = content(sync)
    sync.session.execute("set local sync.applying = 'on'")
    for name in before:
        sync.session.execute(f"delete from {name}".encode())
    if table == "silver":
        sync.session.execute("delete from sync.heads")
    sync.session.execute("select sync.rebuild_silver()")
    assert content(sync) == before


def test_a_fingerprint_tells_what_another_silver_would_be(sync: Sync) -> None:
    sync.round()
    known = sync.rows("select * from sync.fingerprints()")
    assert {name for name, records, _ in known if records} > {"silver.partners", "gold.fact_invoice"}
    sync.session.execute("select sync.rebuild_silver()")
    assert sync.rows("select * from sync.fingerprints()") == known
    sync.session.execute("set local sync.applying = 'on'")
    sync.session.execute("update silver.partners set name = 'Edited' where id = 11")
    now = sync.rows("select * from sync.fingerprints()")
    assert {(name, records) for name, records, _ in now} == {(name, records) for name, records, _ in known}
    assert [new[0] for old, new in zip(known, now, strict=True) if old != new] == ["silver.partners"]
    done = sync.session.execute(rebuild_silver.SQL.encode())
    while done.description is None:
        assert done.nextset()
    ((said,),) = done.fetchall()
    assert rebuild_silver.verdict(said).endswith(": silver.partners")
    assert sync.rows("select * from sync.fingerprints()") == known


def test_failures_are_counted_and_wait_longer(sync: Sync) -> None:
    sync.round()
    for _ in range(3):
        sync.session.execute("update sync.cursors set retry_at = null")
        assert sync.next_request("res.partner")["more"]
        sync.session.execute("select sync.fail('res.partner', 'Odoo is down')")
    assert sync.rows(
        "select failures, extract(epoch from retry_at - clock_timestamp()) between 55 and 61 "
        "from sync.cursors where model = 'res.partner'"
    ) == [(3, True)]
    assert "failed 3 times" in sync.next_request("res.partner")["wait"]
    assert sync.rows("select times, detail ->> 'message' from sync.dead_letters") == [(3, "Odoo is down")]
    sync.session.execute("update sync.cursors set retry_at = null")
    sync.model("res.partner")
    assert sync.rows("select failures, retry_at from sync.cursors where model = 'res.partner'") == [(0, None)]
    assert sync.rows("select 1 from sync.dead_letters where resolved_at is null") == []


def test_the_clock_of_this_machine_has_no_say(sync: Sync) -> None:
    """Odoo's clock may be minutes from ours, in either direction."""
    sync.odoo.now = sync.odoo.now.replace(year=2030)
    sync.round()
    sync.odoo.write("res.partner", 11, name="From the future")
    sync.odoo.pass_time(1)
    sync.model("res.partner")
    assert sync.rows("select name from silver.partners where id = 11") == [("From the future",)]
    assert sync.rows("select watermark::text from sync.cursors where model = 'res.partner'") == [
        ("2030-03-01 12:05:01",)
    ]


@pytest.mark.parametrize(
    ("response", "date", "said"),
    [
        ({"error": {"data": {"message": "Access Denied"}}}, "now", "Odoo refused: Access Denied"),
        ({"strange": 1}, "now", "Odoo's answer is no list of records"),
        ([], None, "Odoo's answer has no usable Date header"),
    ],
)
def test_an_answer_that_cannot_be_used_changes_nothing(sync: Sync, response: Any, date: str | None, said: str) -> None:
    step = sync.next_request("res.company")
    with pytest.raises(psycopg.errors.RaiseException, match=said), sync.session.transaction():
        sync.one("select sync.ingest(%s, %s::jsonb, %s)", step["run"], json.dumps(response), date and sync.odoo.date())
    assert sync.one("select pages from sync.runs") == 0


def test_odoo_18_is_asked_over_json_rpc_with_its_own_fields(sync: Sync) -> None:
    sync.odoo.version = 18
    sync.odoo.write("res.partner", 11, mobile="+41 79 000 00 00")
    sync.round()
    assert sync.rows("select mobile from silver.partners where id = 11") == [("+41 79 000 00 00",)]
    assert {request["path"] for request in sync.odoo.requests} == {"/jsonrpc"}


def test_a_company_goes_to_the_organisation_that_was_chosen(sync: Sync) -> None:
    sync.session.execute("select sync.map_company(1, 'acme')")
    sync.round()
    assert sync.rows(
        "select distinct o.slug from silver.invoices i join public.organizations o on o.id = i.org_id order by 1"
    ) == [("acme",), ("odoo-2",)]
    sync.session.execute("select sync.map_company(2, 'acme')")
    assert sync.rows(
        "select distinct o.slug from silver.invoices i join public.organizations o on o.id = i.org_id"
    ) == [("acme",)]
    assert sync.rows("select count(*) from silver.partners where id = 10") == [(1,)]
    assert sync.rows(
        "select distinct o.slug from gold.fact_invoice i join public.organizations o on o.id = i.org_id"
    ) == [("acme",)]


def test_bronze_is_never_changed(sync: Sync) -> None:
    sync.round()
    for statement in (
        "update bronze.raw_odoo_partners set run = 0",
        "delete from bronze.raw_odoo_partners",
        "truncate bronze.raw_odoo_partners",
    ):
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege, match="rows are added and never changed"),
            sync.session.transaction(),
        ):
            sync.session.execute(statement.encode())


def test_old_months_go_and_what_holds_stays(sync: Sync) -> None:
    sync.round()
    before = content(sync)
    sync.session.execute(
        "create table bronze.raw_odoo_partners_2020_01 partition of bronze.raw_odoo_partners "
        "for values from ('2020-01-01') to ('2020-02-01')"
    )
    sync.session.execute(
        "insert into bronze.raw_odoo_partners "
        "(received_at, run, source_id, write_date, company_id, payload, payload_hash) "
        "select '2020-01-05', run, source_id, write_date, company_id, payload, payload_hash "
        "from bronze.raw_odoo_partners where source_id = 11"
    )
    sync.session.execute(
        "update sync.heads h set raw_id = r.id, received_at = r.received_at "
        "from bronze.raw_odoo_partners r where h.model = 'res.partner' and h.source_id = 11 "
        "and r.source_id = 11 and r.received_at < '2021-01-01'"
    )
    assert sync.rows("select sync.retire_partitions('24 months')") == [("raw_odoo_partners_2020_01",)]
    sync.session.execute("select sync.rebuild_silver()")
    assert content(sync) == before


def calls() -> list[Callable[[Sync], Any]]:
    return [
        lambda s: s.rows("select * from sync.heads"),
        lambda s: s.rows("select * from silver.partners"),
        lambda s: s.rows("select * from bronze.raw_odoo_partners"),
        lambda s: s.rows("select sync.rebuild_silver()"),
        lambda s: s.rows("select sync.accept_deletions('res.partner')"),
    ]


@pytest.mark.parametrize("call", calls())
def test_who_synchronises_may_only_call_functions(sync: Sync, call: Callable[[Sync], Any]) -> None:
    sync.session.execute("set local role odoo_sync")
    sync.round()
    with pytest.raises(psycopg.errors.InsufficientPrivilege), sync.session.transaction():
        call(sync)


def test_status_and_metrics_say_how_it_is(sync: Sync) -> None:
    sync.round()
    status = sync.one("select sync.status()")
    assert [model["model"] for model in status["models"]] == [name for (name,) in sync.rows("select sync.models()")]
    assert status["odoo"]["version"] == 19
    assert all(row["agrees"] for row in status["reconciliation"])
    assert ("odoo_sync_failures", {"model": "res.partner"}, 0) in sync.rows("select * from sync.metrics()")


def test_the_page_the_metrics_and_the_report_are_written_from_what_the_database_says(sync: Sync) -> None:
    """As the role that may ask for nothing else, of a database in which something happened."""
    sync.round()
    sync.odoo.write("res.partner", 11, name="Renamed")
    sync.round()
    sync.session.execute("select sync.fail('res.partner', 'HTTP 401: Invalid apikey')")
    sync.session.execute("set local role odoo_status")
    status = sync.one("select sync.status()")
    measured = sync.rows("select * from sync.metrics()")
    assert "Odoo refuses the key" in page(status, [], reads=True)
    assert {name for name, _, _ in measured} == set(HELP) - {WRITTEN, CONFIGURED, REPORTED}
    assert 'odoo_sync_refused{what="key"} 1' in render(measured, datetime.now(UTC), reads=True)
    assert report(status, reads=True).line.endswith(" 0 differences")


def test_the_worker_reads_every_model(sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        worker.Odoo, "post", lambda _, path, body: worker.Answer(sync.odoo.post(path, body), sync.odoo.date())
    )
    odoo, database = worker.Odoo("https://odoo.example.test", "erp", "", "key"), worker.Database(sync.session)
    for model in database.models():
        assert not worker.read_model(database, odoo, model, sync.odoo.say_version(), None)["more"]
    assert sync.one("select count(*) from gold.fact_invoice") == 3
