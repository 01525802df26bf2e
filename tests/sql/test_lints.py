"""Every lint in sql/lints finds nothing on the platform, finds its cause, and finds nothing again after the cure."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from plugins.filter.migrations import migration_bundle
from tests.sql.cluster import Cluster
from tests.sql.runner import Runner
from tests.unit.project import ROOT

LINTS = {path.stem: path for path in sorted((ROOT / "sql" / "lints").glob("*.sql"))}
COLUMNS = ["name", "level", "detail", "remediation", "metadata"]

Session = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class Case:
    """What brings a finding, what takes it away, and what the finding says."""

    cause: str
    cure: str
    level: str
    detail: str


TABLE = (
    "create table public.things (id int, org_id uuid not null); alter table public.things enable row level security;"
)

CASES = {
    "0001_rls_off": [
        Case(
            "create table public.things (id int)",
            "alter table public.things enable row level security",
            "ERROR",
            "table public.things has no row security",
        ),
    ],
    "0002_always_true_policy": [
        Case(
            TABLE + "create policy everything on public.things for select to authenticated using (true)",
            "alter policy everything on public.things using (org_id = (select auth.org_id()))",
            "ERROR",
            "policy everything on public.things is always true",
        ),
        Case(
            TABLE + "create policy anything on public.things for insert to authenticated with check (1 = 1)",
            "drop policy anything on public.things",
            "ERROR",
            "policy anything on public.things is always true",
        ),
        Case(
            "create table gold.countries (code text); alter table gold.countries enable row level security;"
            "create policy known on gold.countries for select to authenticated using (true)",
            "drop policy known on gold.countries",
            "WARN",
            "policy known on gold.countries is always true",
        ),
    ],
    "0003_unwrapped_claim_function": [
        Case(
            TABLE + "create policy slow on public.things for select to authenticated using (org_id = auth.org_id())",
            "alter policy slow on public.things using (org_id = (select auth.org_id()))",
            "WARN",
            "policy slow on public.things asks for the claims at every row",
        ),
        Case(
            TABLE + "create policy nested on public.things for select to authenticated using "
            "(org_id in (select m.org_id from public.memberships as m where m.user_id = auth.uid()))",
            "alter policy nested on public.things using "
            "(org_id in (select m.org_id from public.memberships as m where m.user_id = (select auth.uid())))",
            "WARN",
            "policy nested on public.things asks for the claims at every row",
        ),
        Case(
            TABLE + "create policy claim on public.things for select to authenticated using "
            "((auth.jwt() ->> 'org_id')::uuid = org_id)",
            "alter policy claim on public.things using ((select (auth.jwt() ->> 'org_id')::uuid) = org_id)",
            "WARN",
            "policy claim on public.things asks for the claims at every row",
        ),
    ],
    "0004_definer_without_search_path": [
        Case(
            "create function public.risky() returns int language sql security definer as 'select 1'",
            "alter function public.risky() set search_path = ''",
            "ERROR",
            "function public.risky() runs as its owner without a search path of its own",
        ),
    ],
    "0005_policy_without_index": [
        Case(
            TABLE + "create policy scan on public.things for select to authenticated using "
            "(org_id = (select auth.org_id()))",
            "create index on public.things (org_id)",
            "WARN",
            "policy scan on public.things compares columns that lead no index",
        ),
    ],
    "0006_relation_past_row_security": [
        Case(
            "create view public.things as select 1 as id",
            "alter view public.things set (security_invoker = true)",
            "ERROR",
            "view public.things reads past row security",
        ),
        Case(
            "create materialized view gold.totals as select 1 as id; grant select on gold.totals to authenticated",
            "revoke select on gold.totals from authenticated",
            "ERROR",
            "materialised view gold.totals reads past row security",
        ),
    ],
    "0007_policy_for_every_role": [
        Case(
            TABLE + "create policy everybody on public.things for select using (org_id = (select auth.org_id()))",
            "alter policy everybody on public.things to authenticated",
            "ERROR",
            "policy everybody on public.things names no role",
        ),
    ],
    "0008_row_without_tenant": [
        Case(
            TABLE + "alter table public.things alter column org_id drop not null",
            "alter table public.things alter column org_id set not null",
            "ERROR",
            "column org_id of public.things may be null",
        ),
    ],
    "0009_foreign_key_across_tenants": [
        Case(
            TABLE + "alter table public.things add unique (id), add unique (org_id, id);"
            "create table public.parts (id int, org_id uuid, thing int references public.things (id))",
            "alter table public.parts drop constraint parts_thing_fkey,"
            "add foreign key (org_id, thing) references public.things (org_id, id)",
            "WARN",
            "foreign key parts_thing_fkey of public.parts may refer to another tenant's row",
        ),
    ],
}


@pytest.fixture
def session(platform: Cluster) -> Iterator[Session]:
    with platform.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute("set local search_path = ''")
        yield connection


def findings(session: Session, lint: str) -> list[tuple[Any, ...]]:
    cursor = session.execute(LINTS[lint].read_bytes())
    assert cursor.description is not None
    assert [column.name for column in cursor.description] == COLUMNS
    return cursor.fetchall()


def test_a_live_server_is_linted_too(platform: Cluster, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.json"
    bundle.write_text(migration_bundle(str(ROOT / "sql" / "migrations")))
    runner = Runner(platform.dsn())
    with platform.connect() as session:
        try:
            healthy = runner.run(bundle, "--verify")
            session.execute("create function public.risky() returns int language sql security definer as 'select 1'")
            wrong = runner.run(bundle, "--verify")
        finally:
            session.execute("drop function if exists public.risky()")
    assert healthy.returncode == 0, healthy.stderr
    assert json.loads(healthy.stdout)["linted"] == list(LINTS)
    assert wrong.returncode == 1
    assert "0004_definer_without_search_path: function public.risky() runs as its owner" in wrong.stderr
    assert "Remedy: alter function public.risky() set search_path = ''" in wrong.stderr


def test_every_lint_has_a_case() -> None:
    assert set(LINTS) == set(CASES)


@pytest.mark.parametrize("lint", LINTS)
def test_the_platform_has_no_findings(session: Session, lint: str) -> None:
    assert findings(session, lint) == []


@pytest.mark.parametrize(("lint", "case"), [(lint, case) for lint, cases in CASES.items() for case in cases])
def test_lint_sees_its_cause_and_its_cure(session: Session, lint: str, case: Case) -> None:
    session.execute(case.cause.encode())
    [(name, level, detail, remediation, metadata)] = findings(session, lint)
    assert (lint[5:], case.level, case.detail) == (name, level, detail)
    assert remediation
    assert metadata["schema"] in case.detail
    session.execute(case.cure.encode())
    assert findings(session, lint) == []
