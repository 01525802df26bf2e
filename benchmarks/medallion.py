"""From bronze to gold: make bench NAME=medallion.

On a throw-away cluster with PostgreSQL's own settings, but for fsync, which is off: the disk is not compared. First the
way of a page: partners, invoices and lines as Odoo answers them, handed to `sync.ingest`, until they are in bronze,
silver and gold. Then what 10,000 changed partners cost when 100 thousand, 1 million and 10 million are stored: flat is
the aim, in seconds, and in blocks (8 KiB) of tables and indexes looked at, which no other load on the machine changes.
Beside it the same changes with dbt (incremental models on the same bronze), in the same run. dbt's models are less than
ours: no check of values, no history, no deletion; its time includes its start, as whoever schedules it pays.

SIZES=100000,1000000 measures fewer; the largest needs 25 GB of disk.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.report import write
from plugins.filter.migrations import migration_bundle
from tests.sql.cluster import running
from tests.sql.runner import Runner

ROOT = Path(__file__).resolve().parent.parent
SIZES = [int(size) for size in os.environ.get("SIZES", "100000,1000000,10000000").split(",")]
ROUNDS = int(os.environ.get("ROUNDS", "3"))
CHANGES = 10_000
PAGE = 1_000
LOADED = 20_000  # rows of each model in the first part
DATE = "Mon, 02 Mar 2026 10:00:00 GMT"
VERSION = {"server_version": "19.0", "server_version_info": [19, 0, 0, "final", 0, ""]}
DBT = ROOT / ".cache" / "dbt"

Session = psycopg.Connection[tuple[Any, ...]]

# What is stored already, in the order of columns that every partner has.
FILL = """
with made as (
  insert into bronze.raw_odoo_partners (run, source_id, write_date, company_id, payload, payload_hash)
  select 0, n, '2026-01-01', 1,
    jsonb_build_object('id', n, 'name', 'Partner ' || n, 'email', 'p' || n || '@example.test', 'city', 'Bern',
      'country_code', 'CH', 'is_company', false, 'active', true, 'company_id', 1, 'customer_rank', 0),
    sha256(n::text::bytea)
  from generate_series({first}, {last}) as n
  returning id, source_id, received_at, payload_hash
),
noted as (
  insert into sync.heads (model, source_id, raw_id, received_at, payload_hash, write_date, company_id)
  select 'res.partner', m.source_id, m.id, m.received_at, m.payload_hash, '2026-01-01', 1 from made as m
),
shown as (
  insert into silver.partners (
    org_id, id, company_id, write_date, raw_id, received_at, name, email, city, country_code, is_company, active,
    customer_rank
  )
  select c.org_id, m.source_id, 1, '2026-01-01', m.id, m.received_at, 'Partner ' || m.source_id,
    'p' || m.source_id || '@example.test', 'Bern', 'CH', false, true, 0
  from made as m
  cross join sync.companies as c
  returning org_id, id, name, email, city, country_code
)
insert into gold.dim_partner (
  org_id, partner_id, version, valid_from, name, email, city, country_code, is_company, active
)
select s.org_id, s.id, 1, '-infinity', s.name, s.email, s.city, s.country_code, false, true from shown as s
"""


def one(session: Session, query: str, *values: object) -> Any:
    """The one value that a query answers."""
    ((value,),) = session.execute(query.encode(), values).fetchall()
    return value


def carry(session: Session, model: str, rows: list[dict[str, Any]]) -> float:
    """Hand rows over in pages, as a poll brings them; returns the seconds until they are in gold."""
    session.execute("update sync.cursors set swept_at = clock_timestamp() where model = %s", (model,))
    step = one(session, "select sync.next_request(%s, 'poll', %s::jsonb)", model, json.dumps(VERSION))
    pages = [json.dumps(rows[first : first + PAGE]) for first in range(0, len(rows), PAGE)] + ["[]"]
    started = time.perf_counter()
    for page in pages:
        if step["more"]:
            step = one(session, "select sync.ingest(%s, %s::jsonb, %s)", step["run"], page, DATE)
        if step.get("again"):
            step = one(session, "select sync.next_request(%s, 'poll', %s::jsonb)", model, json.dumps(VERSION))
    took = time.perf_counter() - started
    assert not step["more"], step
    return took


def blocks(session: Session) -> int:
    """How many blocks were looked at until now to take pages in."""
    query = "select coalesce(sum(shared_blks_hit + shared_blks_read), 0)::bigint from extensions.pg_stat_statements"
    return int(one(session, f"{query} where query like 'select sync.ingest(%%'"))


def partner(number: int, name: str, when: str) -> dict[str, Any]:
    """A partner as Odoo answers it."""
    known = {"id": number, "name": name, "email": f"p{number}@example.test", "city": "Bern", "country_code": "CH"}
    rest = {"is_company": False, "active": True, "company_id": 1, "customer_rank": 0, "write_date": when}
    return {**known, **rest}


def invoice(number: int, line_ids: list[int]) -> dict[str, Any]:
    """A posted invoice as Odoo answers it."""
    amounts = ("amount_untaxed", "amount_total", "amount_residual")
    return {
        "id": number, "name": f"INV/{number}", "move_type": "out_invoice", "state": "posted",
        "payment_state": "not_paid", "partner_id": number, "journal_id": 1, "currency_id": 1, "company_id": 1,
        "invoice_date": f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}", "amount_tax": 0.0, "line_ids": line_ids,
        **dict.fromkeys(amounts, 100.0), **{f"{name}_signed": 100.0 for name in amounts},
        "write_date": "2026-03-01 10:00:00",
    }  # fmt: skip


def line(number: int, of_invoice: int) -> dict[str, Any]:
    """A line of an invoice as Odoo answers it."""
    return {
        "id": number, "move_id": of_invoice, "company_id": 1, "display_type": "product", "parent_state": "posted",
        "name": "Chair", "product_id": 1, "quantity": 1.0, "price_unit": 100.0, "price_subtotal": 100.0,
        "price_total": 100.0, "balance": -100.0, "currency_id": 1, "write_date": "2026-03-01 10:00:00",
    }  # fmt: skip


def through_all_layers(session: Session) -> list[dict[str, Any]]:
    """Rows a second of each model, from Odoo's answer to gold."""
    batches = {
        "res.partner": [partner(10**9 + n, f"Loaded {n}", "2026-03-01 10:00:00") for n in range(LOADED)],
        "account.move": [invoice(n, [n]) for n in range(1, LOADED + 1)],
        "account.move.line": [line(n, n) for n in range(1, LOADED + 1)],
    }
    measured = []
    for model, rows in batches.items():
        seconds = carry(session, model, rows)
        measured.append({"model": model, "rows": len(rows), "seconds": round(seconds, 2)})
    assert one(session, "select count(*) from gold.fact_invoice") == LOADED
    return measured


def dbt(host: str) -> float:
    """One run of dbt's models; returns its seconds."""
    environment = {**os.environ, "PGHOST": host, "DBT_PROFILES_DIR": str(ROOT / "benchmarks" / "dbt")}
    with tempfile.TemporaryDirectory() as scratch:
        command = [str(DBT / "bin" / "dbt"), "run", "--quiet", "--target-path", scratch, "--log-path", scratch]
        started = time.perf_counter()
        done = subprocess.run(
            command, cwd=ROOT / "benchmarks" / "dbt", env=environment, capture_output=True, text=True, check=False
        )
        took = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"dbt failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return took


def changes(session: Session, host: str, stored: int, generator: random.Random) -> dict[str, Any]:
    """What 10,000 changes cost, ours and dbt's taking turns on the same rows of bronze."""
    ours, theirs, looked_at = [], [], []
    dbt(host)
    for turn in range(ROUNDS):
        ids = sorted(generator.sample(range(1, stored + 1), CHANGES))
        name, when = f"Changed {stored} {turn}", f"2026-03-01 {10 + SIZES.index(stored)}:{turn:02}:00"
        before = blocks(session)
        ours.append(carry(session, "res.partner", [partner(n, name, when) for n in ids]))
        looked_at.append(blocks(session) - before)
        theirs.append(dbt(host))
        changed = one(session, "select count(*) from silver.partners where name = %s", name)
        seen = one(session, "select count(*) from bench_dbt.current_partners where name = %s", name)
        history = one(session, "select count(*) from gold.dim_partner where is_current and name = %s", name)
        assert (changed, seen, history) == (CHANGES, CHANGES, CHANGES), (changed, seen, history)
    return {"stored": stored, "ours_seconds": ours, "ours_blocks": looked_at, "dbt_seconds": theirs}


def install_dbt() -> None:
    """An environment of its own, from its own lock file."""
    if not (DBT / "bin" / "dbt").exists():
        uv = ROOT / ".cache" / "venv" / "bin" / "uv"
        subprocess.run([sys.executable, "-m", "venv", str(DBT)], check=True)
        lock = ROOT / "requirements" / "dbt.txt"
        subprocess.run(
            [str(uv), "pip", "sync", "--quiet", "--require-hashes", "--python", str(DBT / "bin" / "python"), str(lock)],
            check=True,
        )


def main() -> None:
    """Measure, print and write the results."""
    install_dbt()
    generator = random.Random(1)  # noqa: S311 - chooses rows, guards nothing
    with running() as cluster, tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "migrations.json"
        bundle.write_text(migration_bundle(str(ROOT / "sql" / "migrations")))
        done = Runner(cluster.dsn()).run(bundle)
        assert done.returncode == 0, done.stderr
        with cluster.connect() as session:
            session.execute("alter system set max_wal_size = '4GB'")
            session.execute("select pg_reload_conf()")
            session.execute("create schema bench_dbt")
            # Whoever else writes silver is noted and overruled.
            session.execute("set sync.applying = 'on'")
            company = {
                "id": 1,
                "name": "Company",
                "currency_id": 1,
                "write_date": "2026-01-01 00:00:00",
                "active": True,
            }
            carry(session, "res.company", [company])
            loaded = through_all_layers(session)
            stored, costs = 0, []
            for size in SIZES:
                print(f"storing {size:,} partners", flush=True)
                while stored < size:
                    last = min(stored + 500_000, size)
                    session.execute(FILL.format(first=stored + 1, last=last).encode())
                    stored = last
                session.execute("vacuum analyze")
                costs.append(changes(session, cluster.host, size, generator))
                print(json.dumps(costs[-1]), flush=True)
    rows = [
        [f"{row['model']}, {row['rows']:,} rows to gold", f"{row['rows'] / row['seconds']:,.0f} rows/s", "", ""]
        for row in loaded
    ]
    for cost in costs:
        ours, theirs = statistics.median(cost["ours_seconds"]), statistics.median(cost["dbt_seconds"])
        touched = statistics.median(cost["ours_blocks"])
        what = f"{CHANGES:,} changes to {cost['stored']:,} rows"
        rows.append([what, f"{ours:.2f} s", f"{touched:,.0f}", f"{theirs:.2f} s"])
    write("medallion", ["what", "ours", "blocks", "dbt"], rows, {"loaded": loaded, "changes": costs, "rounds": ROUNDS})


if __name__ == "__main__":
    main()
