"""Odoo through n8n to gold: make bench NAME=odoo, on the running sandbox of phase 2 or later (make up PHASE=2).

First Odoo is filled while n8n stands still: PARTNERS (50,000), PRODUCTS (2,000) and INVOICES (20,000) with lines, half
of them paid. That is preparation; a second call fills what is missing, so one that was interrupted goes on. What the
platform had of Odoo is forgotten. Then n8n starts, and the first load is measured by what the platform says of its
runs, with the most memory that n8n held. Then random changes, and among them PROBES (100) that are watched on their way
to gold: as Odoo calls the platform about them, and again as only the clock asks. Latencies are by this machine's clock,
from the end of the call that made the change; a change is in gold when the transaction that wrote it there is over. At
the end Odoo is read by its API and compared with silver and gold field by field.

With the sizes above the filling takes by far the longest. Smaller: PARTNERS=2000 INVOICES=500 PROBES=40.
"""

import json
import os
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.report import write
from infra import components
from ops.errors import OperatorError
from ops.odoo_nudge import put, take_away
from ops.stack import SANDBOX, Stack
from tests.odoo.changes import Stream
from tests.odoo.generate import generate
from tests.odoo.live import LOOK_SECONDS, Change, Live, live, wait_until
from tests.sql.synchronisation import FORGET

PARTNERS = int(os.environ.get("PARTNERS", "50000"))
PRODUCTS = int(os.environ.get("PRODUCTS", "2000"))
INVOICES = int(os.environ.get("INVOICES", "20000"))
PROBES = int(os.environ.get("PROBES", "100"))
PARTNERS_AT_ONCE, INVOICES_AT_ONCE = 10_000, 1_000
EVERY_SECONDS = 2.0
LOAD_SECONDS = 7200
AIMS = {"webhook": 10.0, "poll": 60.0}
N8N = components.load()["n8n"].unit
SHARED = [("user_ids", "=", False), ("ref_company_ids", "=", False), ("company_id", "=", False), ("active", "=", True)]
INVOICE_REFERENCES = [("move_type", "!=", "entry"), ("ref", "=like", "_-%-%")]

# The greatest share of memory that each of n8n's programs held, of those that run now.
PEAK = "cat $(printf '/proc/%s/status ' $(podman top n8n hpid | tail --lines=+2)) | grep -E '^(Name|VmHWM)'"


def say(text: str) -> None:
    """Progress, for whoever waits."""
    print(f"[bench] {text}", flush=True)


def count(running: Live, model: str, domain: Sequence[Any]) -> int:
    """How many records there are, archived ones too."""
    found: int = running.admin.call(model, "search_count", domain=list(domain), context={"active_test": False})
    return found


def fill(running: Live) -> dict[str, Any]:
    """Odoo has at least as many records as are wanted; returns how many were made and in how many seconds."""
    made: dict[str, Any] = {"partners": 0, "invoices": 0, "seconds": 0.0}

    def some(title: str, companies: Iterable[int | None] = (None,), **sizes: int) -> None:
        began = time.monotonic()
        # A seed of its own each time; the records there are say how often that was.
        seed = count(running, "res.partner", []) + count(running, "account.move", [])
        wanted = {"seed": seed, "partners": 0, "products": 0, "invoices": 0, **sizes}
        with ThreadPoolExecutor() as pool:
            for one in [pool.submit(generate, running.home, company=company, **wanted) for company in companies]:
                one.result()
        took = time.monotonic() - began
        made["seconds"] = round(made["seconds"] + took, 1)
        say(f"{title} in {took:.0f} s")

    def missing(model: str, domain: Sequence[Any], wanted: int, at_once: int) -> Iterator[int]:
        while (lacking := wanted - count(running, model, domain)) > 0:
            # Of both companies alike.
            yield min(at_once, lacking + lacking % 2)

    for size in missing("res.partner", [("ref", "=like", "P%")], PARTNERS, PARTNERS_AT_ONCE):
        some(f"{size:,} partners", partners=size)
        made["partners"] += size
    if not count(running, "product.product", [("default_code", "=like", "A%")]):
        some(f"{PRODUCTS:,} products", products=PRODUCTS)
    # The first invoices of a year make what both companies count with, so they come one company after the other.
    companies: Sequence[int | None] = [None]
    for size in missing("account.move", INVOICE_REFERENCES, INVOICES, INVOICES_AT_ONCE):
        some(f"{size:,} invoices", companies, invoices=size // len(companies))
        made["invoices"] += size
        companies = running.admin.search("res.company", [])
    return made


def first_load(running: Live, totals: dict[str, int]) -> dict[str, Any]:
    """Wait until every model was read and swept once; returns what the platform says of these runs."""
    began, said = time.monotonic(), -30.0
    rows = "select coalesce(sum(received), 0) from sync.runs where kind = 'poll'"
    open_models = """
      select m.name from sync.models as m
      where not exists (select from sync.runs as r where r.model = m.name and r.kind = 'sweep' and r.state = 'done')
    """

    def loaded() -> bool:
        nonlocal said
        if time.monotonic() - said > 10:
            said = time.monotonic()
            say(f"{running.one(rows):,} of {sum(totals.values()):,} rows read after {said - began:.0f} s")
        return not running.ask(open_models)

    wait_until("the first load", LOAD_SECONDS, loaded)
    first = running.one("select min(started_at) from sync.runs")
    ended = """
      select max(f.ended)
      from (
        select min(r.finished_at) as ended from sync.runs as r where r.state = 'done' and r.kind = %s group by r.model
      ) as f
    """
    read, swept = running.one(ended, "poll"), running.one(ended, "sweep")
    models = [
        {"model": model, "rows": received, "pages": pages, "runs": runs, "seconds": round(float(seconds), 1)}
        for model, received, pages, runs, seconds in running.ask(
            "select r.model, sum(r.received), sum(r.pages), count(*),"
            " sum(extract(epoch from r.finished_at - r.started_at)) from sync.runs as r"
            " where r.kind = 'poll' and r.started_at <= %s group by r.model order by min(r.id)",
            read,
        )
    ]
    received, seconds = sum(row["rows"] for row in models), (read - first).total_seconds()
    return {
        "rows": received, "seconds": round(seconds, 1), "rows_per_second": round(received / seconds),
        "seconds_with_sweeps": round((swept - first).total_seconds(), 1), "models": models,
        "failed_runs": running.one("select count(*) from sync.runs where state in ('failed', 'abandoned')"),
        "agrees": running.one("select bool_and(agrees) from sync.reconciliations"),
    }  # fmt: skip


def peak(running: Live) -> dict[str, Any]:
    """The most memory that n8n's programs held since they started, and how often the unit was started again."""
    held = running.server.run(PEAK)
    megabytes = [round(int(kilobytes) / 1024) for kilobytes in re.findall(r"VmHWM:\s+(\d+) kB", held)]
    restarts = int(running.server.run(f"systemctl show --property=NRestarts --value {N8N}"))
    return {"megabytes_of_each_program": megabytes, "megabytes": sum(megabytes), "restarts": restarts}


def prober(running: Live, chance: random.Random) -> Callable[[int], Change]:
    """What makes a change that is watched: by turns a new partner, a renamed one, a price, an invoice, a payment."""
    admin = running.admin
    partners = admin.search("res.partner", SHARED, limit=5000)
    products = admin.search("product.product", [("active", "=", True)], limit=2000)
    row = {"name": "Probe", "is_company": True}
    (customer,) = admin.create("res.partner", [row])

    def bill(number: int) -> int:
        """One of a kind that the random changes leave alone."""
        line = {"product_id": chance.choice(products), "quantity": 1, "price_unit": 50.0 + number}
        values = {
            "move_type": "in_invoice",
            "partner_id": customer,
            "invoice_date": "2026-10-01",
            "ref": f"Probe {number}",
        }
        (made,) = admin.create("account.move", [{**values, "invoice_line_ids": [(0, 0, line)]}])
        admin.call("account.move", "action_post", [made])
        return made

    def new_partner(number: int) -> Change:
        return running.changed(("res.partner", admin.create("res.partner", [{**row, "name": f"Probe {number}"}])))

    def renamed(number: int) -> Change:
        ident = chance.choice(partners)
        admin.write("res.partner", [ident], {"name": f"Renamed as probe {number}"})
        return running.changed(("res.partner", [ident]))

    def price(number: int) -> Change:
        ident = chance.choice(products)
        admin.write("product.product", [ident], {"lst_price": 100.0 + number})
        return running.changed(("product.product", [ident]))

    def posted(number: int) -> Change:
        made = bill(number)
        lines = admin.search("account.move.line", [("move_id", "=", made)])
        return running.changed(("account.move", [made]), ("account.move.line", lines))

    def paid(number: int) -> Change:
        made = bill(number)
        selected = {"active_model": "account.move", "active_ids": [made]}
        wizard = admin.create("account.payment.register", [{"amount": 20.0}], **selected)
        admin.call("account.payment.register", "action_create_payments", wizard, context=selected)
        (payment,) = admin.search("account.payment", [("partner_id", "=", customer)])[-1:]
        return running.changed(("account.move", [made]), ("account.payment", [payment]))

    kinds = (new_partner, renamed, price, posted, paid)
    return lambda number: kinds[number % len(kinds)](number)


def latencies(running: Live, way: str, seed: int) -> dict[str, Any]:
    """Random changes, and among them some that are watched until they are in gold."""
    stream, chance = Stream(running.admin, seed=seed), random.Random(seed)  # noqa: S311 - chooses rows, guards nothing
    began, since = time.monotonic(), running.now()
    waiting: list[Change] = []
    took: list[float] = []
    probe = prober(running, chance)
    made, due = 0, began
    while made < PROBES or waiting:
        now = time.monotonic()
        if made < PROBES and now >= due:
            due = now + EVERY_SECONDS
            waiting.append(probe(seed * 10_000 + made))
            made += 1
            if made % 20 == 0:
                say(f"by {way}: {made} of {PROBES} changes made, {len(took)} in gold, {len(stream.steps)} others")
        elif made < PROBES:
            stream.run(1)
        else:
            time.sleep(LOOK_SECONDS)
        arrived = [change for change in waiting if running.has(change)]
        took += [time.monotonic() - change.at for change in arrived]
        waiting = [change for change in waiting if change not in arrived]
        if waiting and time.monotonic() - waiting[0].at > 600:
            raise OperatorError(f"{waiting[0].written[0]} is not in gold after ten minutes; {running.trouble(since)}")
    seconds = time.monotonic() - began
    ((pages, records, median, p95, worst),) = running.ask(
        "select count(*), sum(records), percentile_disc(0.5) within group (order by median_seconds),"
        " percentile_disc(0.95) within group (order by p95_seconds), max(worst_seconds)"
        " from sync.latencies where at >= %s and reason = %s",
        since, "nudge" if way == "webhook" else "poll",
    )  # fmt: skip
    done = sum(step.done for step in stream.steps)
    exported = {"pages": pages, "records": records, "median": median, "p95": p95, "worst": worst}
    return {
        "changes": len(took), "seconds": {str(rank): percentile(took, rank) for rank in (50, 95, 99)},
        "worst_seconds": round(max(took), 2), "others": done, "kinds": stream.summary(),
        "changes_per_second": round((done + len(took)) / seconds, 2), "aim_p95_seconds": AIMS[way],
        "exported": {name: None if value is None else float(value) for name, value in exported.items()},
    }  # fmt: skip


def percentile(seconds: Sequence[float], rank: int) -> float:
    """The smallest of the measured that so many in a hundred do not exceed."""
    ordered = sorted(seconds)
    return round(ordered[max(0, -(-len(ordered) * rank // 100) - 1)], 2)


def main() -> None:
    """Measure, print the table, write the JSON."""
    with live(Stack(SANDBOX)) as running:
        if running.outputs["phase"] < components.load()["n8n"].phase:
            raise OperatorError("this platform has no sync yet; bring it up with: make up PHASE=2")
        for _ in take_away(running.admin):
            pass
        say("n8n stands still while Odoo is filled")
        running.server.run(f"systemctl stop {N8N}")
        try:
            filled = fill(running)
            running.ask(FORGET)
        finally:
            running.server.run(f"systemctl start {N8N}")
        totals = {
            model: count(running, model, domain)
            for model, domain in running.ask("select name, domain from sync.models order by position")
        }
        say(f"Odoo has {sum(totals.values()):,} rows: {json.dumps(totals)}")
        load = first_load(running, totals)
        memory = peak(running)
        say(f"loaded in {load['seconds']} s; n8n held {memory['megabytes']} MB at most")
        measured = {}
        for _ in put(running.admin, running.webhook):
            pass
        measured["webhook"] = latencies(running, "webhook", 1)
        for _ in take_away(running.admin):
            pass
        measured["poll"] = latencies(running, "poll", 2)
        say("every change is made; waiting until all is quiet, then comparing")
        running.catch_up(600)
        began = time.monotonic()
        differing = running.differences()
        compared = round(time.monotonic() - began, 1)
        quarantined = running.one("select count(*) from sync.quarantine")
        letters = running.one("select count(*) from sync.dead_letters where resolved_at is null")
        memory_at_the_end = peak(running)
    rows = [
        [f"first load: {load['rows']:,} rows", f"{load['seconds']:.0f} s", f"{load['rows_per_second']} rows/s"],
        *(
            [f"  {row['model']}: {row['rows']:,} rows", f"{row['seconds']:.0f} s", f"{row['pages']} pages"]
            for row in load["models"]
        ),
        ["n8n's memory, first load", f"{memory['megabytes']} MB", f"{memory['restarts']} restarts"],
        *(
            [f"change to gold by {way}, p50 / p95 / p99", " / ".join(f"{s:.1f} s" for s in seen["seconds"].values()),
             f"aim p95 {AIMS[way]:.0f} s"]
            for way, seen in measured.items()
        ),
        ["differences, field by field", str(len(differing)), f"compared in {compared:.0f} s"],
    ]  # fmt: skip
    write(
        "odoo",
        ["Odoo through n8n to gold", "measured", ""],
        rows,
        {
            "sizes": {"partners": PARTNERS, "products": PRODUCTS, "invoices": INVOICES, "probes": PROBES},
            "rows_in_odoo": totals, "filling": filled, "load": load, "n8n_memory": memory,
            "n8n_memory_at_the_end": memory_at_the_end, "latency": measured, "equal": not differing,
            "differences": [str(found) for found in differing[:100]], "compare_seconds": compared,
            "quarantined": quarantined, "open_dead_letters": letters,
        },
    )  # fmt: skip
    late = [way for way, seen in measured.items() if seen["seconds"]["95"] >= AIMS[way]]
    if differing or late:
        raise SystemExit(f"{len(differing)} differences; later than the aim: {', '.join(late) or 'none'}")


if __name__ == "__main__":
    main()
