"""Who may do what with which row: every role x table x verb, against the expectations in tenancy_matrix.csv.

A cell lists the rows that the role can read or change, each tried by itself in the world of actors.sql (users 1 owner,
2 admin, 3 member of tenant A; 4 owner, 6 member of tenant B; 5 was removed from A and still holds a token for it):

- `A`, `B` are rows of a tenant, `A3` the membership of user 3 in A, `3` the profile of user 3;
- `-` is a statement that runs and finds nothing;
- `denied` is a statement that fails for every row.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.sql.cluster import Cluster
from tests.sql.synchronisation import Sync, small_world

FILE = Path(__file__).parent / "tenancy_matrix.csv"
VERBS = ("select", "insert", "update", "move", "delete")
A, B = 101, 102

Session = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class Actor:
    """The role of a request and the numbers of its user and organisation."""

    role: str
    user: int | None = None
    org: int | None = None

    def claims(self) -> str:
        """The claims as REST sets them."""
        said: dict[str, str] = {"role": self.role}
        if self.user is not None:
            said["sub"] = uuid(self.user)
        if self.org is not None:
            said["org_id"] = uuid(self.org)
        return json.dumps(said)


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


ACTORS = {
    "anon": Actor("anon"),
    "member of A": Actor("authenticated", 3, A),
    "admin of A": Actor("authenticated", 2, A),
    "owner of A": Actor("authenticated", 1, A),
    "member of B": Actor("authenticated", 6, B),
    "removed member": Actor("authenticated", 5, A),
    "member of A claiming B": Actor("authenticated", 3, B),
    "no claims": Actor("authenticated"),
    "workbench": Actor("workbench", 1, A),
    "service_role": Actor("service_role"),
}


@dataclass(frozen=True)
class Table:
    """How the matrix names and touches the rows of a table."""

    label: str  # SQL: the row's name in a cell
    insert: str | None = None  # SQL: a new row for {org}
    update: str = ""  # SQL: assignments that change a row
    move: str | None = None  # SQL: assignments that give a row to {org}


TENANT = "case {} when pgtap.id(101) then 'A' when pgtap.id(102) then 'B' else 'other' end"
NUMBER = "ltrim(right({}::text, 3), '0')"

TABLES = {
    "public.organizations": Table(
        TENANT.format("id"), "(name, slug) values ('new', 'new-{number}')", "name = 'changed'", "id = {org}"
    ),
    "public.memberships": Table(
        TENANT.format("org_id") + " || " + NUMBER.format("user_id"),
        "(org_id, user_id, role) values ({org}, pgtap.id(5), 'member')",
        "role = case role when 'admin' then 'member' else 'admin' end",
        "org_id = {org}",
    ),
    "public.invitations": Table(
        TENANT.format("org_id"),
        "(org_id, email, token_hash) values ({org}, 'new@example.test', 'hash')",
        "role = 'owner'",
        "org_id = {org}",
    ),
    "public.profiles": Table(
        NUMBER.format("id"), "(id, display_name) values (pgtap.id(7), 'new')", "display_name = 'changed'"
    ),
    "public.notes": Table(
        TENANT.format("org_id"), "(org_id, body) values ({org}, 'new')", "body = 'changed'", "org_id = {org}"
    ),
    "auth.users": Table(NUMBER.format("id"), "(id) values (gen_random_uuid())", "email = 'changed'"),
    "tenancy.current_organizations": Table(
        TENANT.format("org_id") + " || " + NUMBER.format("user_id"),
        "(org_id, user_id) values ({org}, pgtap.id(3))",
        "org_id = org_id",
        "org_id = {org}",
    ),
    # What the synchronisation writes and members read.
    **{
        name: Table(TENANT.format("org_id"), "(org_id) values ({org})", "org_id = org_id")
        for name in (
            *(f"silver.{title}" for title in (
                "companies", "currencies", "invoice_lines", "invoices", "partners", "payments", "products",
                "reconciliations",
            )),
            "gold.dim_partner", "gold.dim_product", "gold.fact_invoice", "gold.agg_revenue_daily",
        )
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def world(platform: Cluster) -> Iterator[Session]:
    """Two tenants with a row of each kind, until the end of the tests here."""
    with platform.connect() as session, session.transaction(force_rollback=True):
        session.execute("select pgtap.two_tenants(); insert into auth.users (id) values (pgtap.id(7))")
        session.execute("delete from public.organizations where id not in (pgtap.id(101), pgtap.id(102))")
        session.execute("delete from public.profiles where id = pgtap.id(7)")
        session.execute(
            "insert into public.invitations (org_id, email, role, token_hash, invited_by) values "
            "(pgtap.id(101), 'a@example.test', 'member', 'a', pgtap.id(1)),"
            "(pgtap.id(102), 'b@example.test', 'member', 'b', pgtap.id(4))"
        )
        session.execute(
            "insert into tenancy.current_organizations (org_id, user_id) values "
            "(pgtap.id(101), pgtap.id(1)), (pgtap.id(102), pgtap.id(4))"
        )
        session.execute("create table public.notes (id bigint generated always as identity, org_id uuid, body text)")
        session.execute("insert into public.notes (org_id, body) values (pgtap.id(101), 'a'), (pgtap.id(102), 'b')")
        session.execute("select tenancy.isolate('public.notes')")
        session.execute("select sync.map_company(1, 'a'), sync.map_company(2, 'b')")
        Sync(session, small_world()).round()
        # What a hurried colleague might grant to reports.
        session.execute("grant select on public.notes, public.organizations, public.memberships to workbench")
        yield session


def attempt(session: Session, actor: Actor, query: str) -> int | None:
    """How many rows a statement touches for an actor, without lasting; None when it fails."""
    touched: int | None = None
    try:
        with session.transaction(force_rollback=True):
            session.execute("select pgtap.act_as(%s, %s)", (actor.role, actor.claims()))
            touched = session.execute(query.encode()).rowcount
    except psycopg.Error:
        pass
    return touched


def cell(session: Session, actor: Actor, name: str, verb: str) -> str:
    """What the matrix says for one actor, table and verb."""
    table = TABLES[name]
    rows = session.execute(
        sql.SQL("select {label}, ctid::text, {label} like 'A%%' from {name} order by 1").format(
            label=sql.SQL(table.label), name=sql.SQL(name)
        )
    ).fetchall()
    statements: dict[str, str] = {}
    if verb == "insert":
        for label, org in (("A", A), ("B", B)):
            statements[label] = f"insert into {name} " + (table.insert or "").format(org=f"pgtap.id({org})", number=org)
    for label, ctid, of_a in rows:
        move = (table.move or "").format(org=f"pgtap.id({B if of_a else A})")
        start = {
            "select": f"select from {name}",
            "delete": f"delete from {name}",
            "update": f"update {name} set {table.update}",
            "move": f"update {name} set {move}",
        }.get(verb)
        if start:
            statements[label] = start + f" where ctid = '{ctid}'"
    tried = {label: attempt(session, actor, statement) for label, statement in statements.items()}
    if all(touched is None for touched in tried.values()):
        return "denied"
    return " ".join(label for label, touched in tried.items() if touched) or "-"


def expectations() -> dict[tuple[str, str], dict[str, str]]:
    with FILE.open(newline="") as file:
        return {(row.pop("table"), row.pop("verb")): row for row in csv.DictReader(file)}


CELLS = [(name, verb) for name, table in TABLES.items() for verb in VERBS if verb != "move" or table.move]


@pytest.mark.parametrize(("name", "verb"), CELLS)
def test_matrix(world: Session, name: str, verb: str) -> None:
    seen = {title: cell(world, actor, name, verb) for title, actor in ACTORS.items()}
    assert seen == expectations()[name, verb]


def test_every_table_of_ours_is_in_the_matrix(world: Session) -> None:
    tables = world.execute(
        "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where c.relkind in ('r', 'p') and (n.oid in (select oid from tenancy.exposed_schemas) "
        "or n.nspname in ('auth', 'tenancy'))"
    ).fetchall()
    internal = {"tenancy.changed_relations"}
    assert {name for (name,) in tables} - internal == set(TABLES)
    assert set(expectations()) == set(CELLS)
