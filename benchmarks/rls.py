"""What row policies cost: make bench NAME=rls.

1,000 tenants with 1,000 rows each on a throw-away cluster, three times over: without row security, as tenancy.isolate
makes it, and with the form that most projects copy, a security-definer function asked for every row. Each request is
what REST sends (begin, role and claims, one statement, commit) for a random tenant; the three sides take turns. A
tenant's rows lie together, so that reading them is cheap and the policy's share is as large as it gets. Beside the time
a client waits stands the processor time the server spends on the statement alone: it hardly depends on what else the
machine does, and has no network in it.
"""

import json
import os
import random
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.report import write
from plugins.filter.migrations import migration_bundle
from tests.sql.cluster import running
from tests.sql.runner import Runner

ROOT = Path(__file__).resolve().parent.parent
TENANTS = 1_000
ROWS = int(os.environ.get("ROWS", "1000"))  # of a tenant
ROUNDS = int(os.environ.get("ROUNDS", "1000"))
WARM_UP = 20
SLOW_ROUNDS = 3  # of what takes seconds
AIM = 1.15

SIDES = ["no row security", "isolated", "function per row"]
SCHEMAS = dict(zip(SIDES, ["bench_plain", "bench_isolated", "bench_per_row"], strict=True))

# What differs between the sides is the schema. {org} is the tenant of the request.
STATEMENTS = {
    "read one row by its key": "select body from {schema}.orders where id = {row}",
    "read a tenant's rows": "select count(*), sum(amount) from {schema}.orders where org_id = {org}",
    "join a tenant's rows": (
        "select c.name, sum(o.amount) from {schema}.orders as o "
        "join {schema}.customers as c on c.org_id = o.org_id and c.id = o.customer_id "
        "where o.org_id = {org} group by c.name"
    ),
    "insert one row": (
        "insert into {schema}.orders (org_id, customer_id, amount, body) values ({org}, {customer}, 1, 'new')"
    ),
    "insert 100 rows": (
        "insert into {schema}.orders (org_id, customer_id, amount, body) "
        "select {org}, {customer}, n, 'new' from generate_series(1, 100) as n"
    ),
}
UNFILTERED = "select count(*), sum(amount) from {schema}.orders"

WORLD = """
insert into auth.users (id, email)
select md5('user' || n)::uuid, format('user%s@example.test', n) from generate_series(1, {tenants}) as n;
insert into public.memberships (org_id, user_id, role)
select o.id, md5('user' || 1 + (n + 100 * k) % {tenants})::uuid, 'member'
from generate_series(1, {tenants}) as n
cross join generate_series(1, 9) as k
join public.organizations as o on o.slug = md5('user' || n)::uuid::text
on conflict do nothing;
"""

TABLES = """
create schema {schema};
create table {schema}.customers (
  id bigint generated always as identity primary key, org_id uuid not null, name text not null
);
create table {schema}.orders (
  id bigint generated always as identity primary key, org_id uuid not null, customer_id bigint not null,
  amount numeric(12, 2) not null, body text not null
);
insert into {schema}.customers (org_id, name)
select o.id, 'customer ' || n from public.organizations as o cross join generate_series(1, 20) as n order by o.slug;
insert into {schema}.orders (org_id, customer_id, amount, body)
select c.org_id, c.id, c.id % 1000 + n, 'order ' || n
from {schema}.customers as c cross join generate_series(1, {rows} / 20) as n order by c.id;
"""

# The grants, keys and indexes that tenancy.isolate gives, for the other two.
BY_HAND = """
alter table {schema}.{table} add foreign key (org_id) references public.organizations (id);
create index on {schema}.{table} (org_id);
grant select, insert, update, delete on {schema}.{table} to authenticated;
"""

PER_ROW = """
create function bench_per_row.is_member(org uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select from public.memberships where org_id = org and user_id = auth.uid())
$$;
grant execute on function bench_per_row.is_member(uuid) to authenticated;
"""


def build(session: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Fill the database and vacuum it."""
    session.execute(WORLD.format(tenants=TENANTS).encode())
    for schema in SCHEMAS.values():
        session.execute(TABLES.format(schema=schema, rows=ROWS).encode())
        if schema == "bench_per_row":
            session.execute(PER_ROW.encode())
        for table in ("orders", "customers"):
            if schema == "bench_isolated":
                session.execute("select tenancy.isolate(%s)", (f"{schema}.{table}",))
                continue
            session.execute(BY_HAND.format(schema=schema, table=table).encode())
            if schema == "bench_per_row":
                session.execute(
                    f"alter table {schema}.{table} enable row level security;"
                    f"create policy members on {schema}.{table} to authenticated "
                    "using (bench_per_row.is_member(org_id)) with check (bench_per_row.is_member(org_id))".encode()
                )
        session.execute(f"grant usage on schema {schema} to authenticated".encode())
    session.execute("vacuum analyze")


def processor_clock(session: psycopg.Connection[tuple[Any, ...]]) -> int:
    """The clock of the processor time of the server's process for a session, which runs in a container here."""
    row = session.execute("select pg_backend_pid(), inet_client_port()").fetchone()
    assert row is not None
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_text()
            inner = next(line for line in (folder / "status").read_text().splitlines() if line.startswith("NSpid:"))
        except (OSError, StopIteration):  # ended in the meantime
            continue
        if title.startswith("postgres:") and f"({row[1]})" in title and inner.split()[-1] == str(row[0]):
            return (~int(folder.name) << 3) | 2  # as clock_getcpuclockid(3) makes it
    raise SystemExit("the server's process is not visible here: run the benchmark on the machine of the container")


class Client:
    """A connection of REST's."""

    def __init__(self, session: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.cursor = session.cursor()
        self.clock = processor_clock(session)
        rows = session.execute(
            "select m.org_id::text, m.user_id::text, min(c.id), min(o.id) from public.memberships as m "
            "join bench_plain.customers as c on c.org_id = m.org_id "
            "join bench_plain.orders as o on o.org_id = m.org_id and o.customer_id = c.id "
            "where m.role = 'owner' group by 1, 2 order by 1"
        ).fetchall()
        self.tenants = [dict(zip(("org", "user", "customer", "row"), row, strict=True)) for row in rows]

    def request(self, statement: str, tenant: dict[str, Any]) -> tuple[float, float]:
        """The seconds that the whole request takes, and those of the server's processor for its statement."""
        claims = {
            "iss": "https://api.example.test/auth/v1",
            "sub": tenant["user"],
            "aud": "authenticated",
            "exp": 1_900_000_000,
            "iat": 1_899_996_400,
            "email": "user@example.test",
            "phone": "",
            "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": {"email_verified": True, "name": "User"},
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": 1_899_996_400}],
            "session_id": tenant["user"],
            "is_anonymous": False,
            "org_id": tenant["org"],
            "org_role": "owner",
        }
        started = time.perf_counter()
        self.cursor.execute("begin")
        self.cursor.execute(
            "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', %s, true)",
            (json.dumps(claims),),
            prepare=True,
        )
        asked = time.clock_gettime(self.clock)
        self.cursor.execute(statement.encode(), tenant, prepare=True)
        answered = time.clock_gettime(self.clock)
        self.cursor.execute("commit")
        return time.perf_counter() - started, answered - asked


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Median, 95th percentile and the best tenth, which a busy machine hardly touches, in microseconds."""
    return {
        "best_tenth_us": round(statistics.quantiles(seconds, n=10)[0] * 1e6, 1),
        "median_us": round(statistics.median(seconds) * 1e6, 1),
        "p95_us": round(statistics.quantiles(seconds, n=20)[18] * 1e6, 1),
    }


def prepared(statement: str, schema: str) -> str:
    """A statement for one side, with psycopg's placeholders."""
    return statement.format(schema=schema, org="%(org)s::uuid", row="%(row)s::bigint", customer="%(customer)s::bigint")


def measure(client: Client) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Operation, then side, then request (the client's time) or statement (the processor's)."""
    dice = random.Random(4)  # noqa: S311 - the same tenants in every run
    result: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for operation, statement in STATEMENTS.items():
        whole: dict[str, list[float]] = defaultdict(list)
        alone: dict[str, list[float]] = defaultdict(list)
        for turn in range(ROUNDS + WARM_UP):
            tenant = dice.choice(client.tenants)
            for side in dice.sample(SIDES, len(SIDES)):
                request, asked = client.request(prepared(statement, SCHEMAS[side]), tenant)
                if turn >= WARM_UP:
                    whole[side].append(request)
                    alone[side].append(asked)
        result[operation] = {
            side: {"request": percentiles(whole[side]), "statement": percentiles(alone[side])} for side in SIDES
        }
        print(operation, {side: result[operation][side]["statement"]["median_us"] for side in SIDES}, flush=True)
    return result


def unfiltered(client: Client) -> dict[str, float]:
    """Milliseconds of a read that leaves the choice of rows to the policy; without one the statement has to choose."""
    found = {}
    for side, rounds in {"no row security": 100, "isolated": 100, "function per row": SLOW_ROUNDS}.items():
        statement = STATEMENTS["read a tenant's rows"] if side == "no row security" else UNFILTERED
        seconds = [client.request(prepared(statement, SCHEMAS[side]), client.tenants[0])[1] for _ in range(rounds)]
        found[side] = round(statistics.median(seconds) * 1e3, 3)
    return found


def main() -> None:
    """Measure, print the table, write the JSON."""
    with running() as cluster, tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "migrations.json"
        bundle.write_text(migration_bundle(str(ROOT / "sql" / "migrations")))
        done = Runner(cluster.dsn()).run(bundle)
        assert done.returncode == 0, done.stderr
        with cluster.connect() as session:
            session.execute("set statement_timeout = 0")
            build(session)
            client = Client(session)
            session.execute("alter role authenticated reset statement_timeout")
            result = measure(client)
            whole_table = unfiltered(client)
    rows = []
    for operation, sides in result.items():
        for title, part, figure in (
            (operation, "request", "median_us"),
            ("  processor, its statement", "statement", "median_us"),
            ("  the same, best tenth", "statement", "best_tenth_us"),
        ):
            figures = [sides[side][part][figure] for side in SIDES]
            tails = [f" ({sides[side][part]['p95_us']:.0f})" if figure == "median_us" else "" for side in SIDES]
            rows.append(
                [
                    title,
                    *(f"{value:.0f}{tail}" for value, tail in zip(figures, tails, strict=True)),
                    *(f"{value / figures[0]:.2f}" for value in figures[1:]),
                ]
            )
    plain_us = whole_table[SIDES[0]] * 1e3
    rows.append(
        [
            "read without naming the tenant",
            *(f"{whole_table[side] * 1e3:.0f}" for side in SIDES),
            *(f"{whole_table[side] * 1e3 / plain_us:.2f}" for side in SIDES[1:]),
        ]
    )
    write(
        "rls",
        ["median (p95) in us", *SIDES, "isolated, times", "per row, times"],
        rows,
        {
            "tenants": TENANTS,
            "rows": TENANTS * ROWS,
            "rounds": ROUNDS,
            "aim": AIM,
            "operations": result,
            "unfiltered_read_ms": whole_table,
            "load_average": [round(load, 1) for load in os.getloadavg()],
            "ratios": {
                operation: {
                    f"{part}_{figure}": round(sides["isolated"][part][figure] / sides[SIDES[0]][part][figure], 3)
                    for part in ("request", "statement")
                    for figure in ("median_us", "best_tenth_us")
                }
                for operation, sides in result.items()
            },
        },
    )


if __name__ == "__main__":
    main()
