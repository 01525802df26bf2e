"""Whatever a client claims and asks, it neither sees nor changes a row of another tenant.

Hypothesis makes worlds of organisations, memberships and rows, changes memberships between requests, and sends random
statements with random claims. The oracle is a model in Python that knows only who is a member of what. Every secret in
the database carries its owner's number, so a leak is a number in an answer (or an error message) that the model does
not allow; a change is a fingerprint of the other tenants' rows, taken before and after. TENANCY_EXAMPLES sets how many
worlds are played.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.sql.cluster import Cluster

EXAMPLES = int(os.environ.get("TENANCY_EXAMPLES", "480"))
REQUESTS = 50
LEAST_STATEMENTS = 20_000
ORGS, USERS, ROWS = 3, 4, 3

Session = psycopg.Connection[tuple[Any, ...]]


def org(number: int) -> str:
    return f"00000000-0000-4000-8000-{100 + number:012}"


def user(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def membership(org_number: int, user_number: int) -> str:
    return f"5ec2e700-{org_number:04}-4000-8000-{user_number:012}"


SECRET = re.compile(r"secret-(?:row|org|user|invitation)-\d+|5ec2e700-\d{4}-4000-8000-\d{12}")

# --- what is sent ---

STATEMENTS = [
    paragraph.replace("\n", " ").strip().removesuffix(";")
    for paragraph in (Path(__file__).parent / "tenancy_statements.sql").read_text().split("\n\n")
    if not paragraph.startswith("--")
]
NONSENSE = ["null", "'00000000-0000-0000-0000-000000000000'", "gen_random_uuid()"]
CLAIMED_ORGS: list[object] = [
    *[org(number) for number in range(ORGS)] * 5,
    "00000000-0000-0000-0000-000000000000",
    "nonsense",
    "",
    " ",
    None,
    7,
    [],
    {"id": org(0)},
    org(0).upper(),
    "{" + org(1) + "}",
    "\u0000",
]
CLAIMED_USERS: list[object] = [
    *[user(number) for number in range(USERS)] * 6,
    user(99),
    "nonsense",
    "",
    None,
    7,
    "\u0000",
]
MALFORMED = ["", "{", "null", "[]", '"text"', '{"sub": "\\ud800"}', "\\u0000", '{"a": 1e999999, "sub": 1}']


@dataclass
class Request:
    """One statement of a client."""

    role: str
    claims: str
    statement: str


@dataclass
class Change:
    """A membership that the platform's operator changes between requests; no role ends it."""

    org: int
    user: int
    role: str | None


def identifiers(values: list[str]) -> st.SearchStrategy[str]:
    return st.sampled_from([f"'{value}'" for value in values] * 2 + NONSENSE)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    claims: str
    if draw(st.integers(0, 9)) == 0:
        claims = draw(st.sampled_from(MALFORMED))
    else:
        said: dict[str, object] = {"role": "authenticated", "user_metadata": {"org_id": org(0), "sub": user(0)}}
        said["sub"] = draw(st.sampled_from(CLAIMED_USERS))
        if draw(st.booleans()):
            said["org_id"] = draw(st.sampled_from(CLAIMED_ORGS))
        claims = json.dumps(said)
    orgs = identifiers([org(number) for number in range(ORGS)])
    statement = draw(st.sampled_from(STATEMENTS))
    if " returning " in statement and draw(st.booleans()):
        statement = statement.partition(" returning ")[0]
    for placeholder, value in {
        "{org}": orgs,
        "{other}": orgs,
        "{user}": identifiers([user(number) for number in range(USERS)]),
        "{id}": st.integers(1, ORGS * ROWS + 1),
    }.items():
        if placeholder in statement:
            statement = statement.replace(placeholder, str(draw(value)))
    role = draw(st.sampled_from(["authenticated"] * 8 + ["anon", "workbench"]))
    return Request(role, claims, statement)


changes = st.builds(
    Change, st.integers(0, ORGS - 1), st.integers(0, USERS - 1), st.sampled_from(["owner", "admin", "member", None])
)
events = st.lists(
    st.one_of(requests(), requests(), requests(), requests(), requests(), requests(), requests(), changes),
    min_size=REQUESTS,
    max_size=REQUESTS,
)
memberships = st.dictionaries(
    st.tuples(st.integers(0, ORGS - 1), st.integers(0, USERS - 1)),
    st.sampled_from(["owner", "admin", "member"]),
    min_size=3,
    max_size=ORGS * USERS,
)


# --- what is allowed ---


@dataclass
class Model:
    """Who is a member of what, in the order of joining."""

    members: dict[tuple[int, int], str] = field(default_factory=dict)

    def change(self, change: Change) -> None:
        if change.role is None:
            self.members.pop((change.org, change.user), None)
        else:
            self.members[change.org, change.user] = change.role

    def person(self, request: Request) -> int | None:
        """The user of a request."""
        subject = self._claim(request, "sub")
        known = [number for number in range(USERS) if isinstance(subject, str) and subject.lower() == user(number)]
        return known[0] if known and request.role == "authenticated" else None

    def tenant(self, request: Request) -> int | None:
        """The one organisation that a request may touch."""
        person = self.person(request)
        if person is None:
            return None
        claimed = self._claim(request, "org_id")
        if claimed is None:
            return next((o for o, u in self.members if u == person), None)
        return next((o for o, u in self.members if u == person and org(o) == str(claimed).lower()), None)

    @staticmethod
    def _claim(request: Request, name: str) -> object:
        if request.claims in MALFORMED or "\\u0000" in request.claims:
            return None
        return json.loads(request.claims).get(name)

    def visible(self, request: Request) -> set[str]:
        """The secrets that may be in the answer."""
        person, tenant = self.person(request), self.tenant(request)
        allowed = {f"secret-user-{person}"} | {membership(o, u) for o, u in self.members if u == person}
        allowed |= {f"secret-org-{o}" for o, u in self.members if u == person}
        if tenant is not None:
            allowed |= {f"secret-row-{tenant}"} | {membership(o, u) for o, u in self.members if o == tenant}
            allowed |= {f"secret-user-{u}" for o, u in self.members if o == tenant}
            if self.members[tenant, person or 0] in {"owner", "admin"}:
                allowed.add(f"secret-invitation-{tenant}")
        return allowed


# --- the database's side ---

SERVER = """
create function pgtap.leak(value text) returns boolean language plpgsql cost 0.0000001 as $$
begin
  raise exception 'leaked %', value;
end $$;

create table public.notes (
  id bigint generated always as identity primary key, org_id uuid, body text not null
);
create table public.tags (id bigint generated always as identity primary key, org_id uuid, note_id bigint, label text);
create view public.notes_view with (security_invoker = true) as select * from public.notes;
select tenancy.isolate('public.notes'), tenancy.isolate('public.tags');
grant select, insert, update, delete on public.notes_view to authenticated;
grant select on public.notes, public.tags, public.notes_view, public.memberships to workbench;

-- Everything that a request for one tenant and one user must leave as it is.
create function pgtap.fingerprint(tenant uuid, person uuid) returns text language plpgsql as $$
begin
  return concat_ws('/',
    (select string_agg(n::text, ',' order by n.id) from public.notes as n where n.org_id is distinct from tenant),
    (select string_agg(t::text, ',' order by t.id) from public.tags as t where t.org_id is distinct from tenant),
    (select string_agg(o::text, ',' order by o.id) from public.organizations as o
     where o.id is distinct from tenant and o.slug <> 'new'),
    (select string_agg(m::text, ',' order by m.id) from public.memberships as m
     where m.org_id is distinct from tenant and m.user_id is distinct from person),
    (select string_agg(p::text, ',' order by p.id) from public.profiles as p where p.id is distinct from person),
    (select string_agg(i::text, ',' order by i.id) from public.invitations as i where i.org_id is distinct from tenant),
    (select string_agg(c::text, ',' order by c.user_id) from tenancy.current_organizations as c
     where c.user_id is distinct from person)
  );
end $$;

-- One request, undone afterwards: what it answered, its error, and whether it changed what it must not.
create function pgtap.request(role_name text, claims text, statement text, tenant uuid, person uuid)
returns table (answer text, failure text, changed boolean) language plpgsql as $$
declare
  before text := pgtap.fingerprint(tenant, person);
  roles text[] := (select array_agg(m.id || m.role) from public.memberships as m);
  owner boolean := exists (
    select from public.memberships as m where m.org_id = tenant and m.user_id = person and m.role = 'owner'
  );
  detail text;
  hint text;
begin
  begin
    perform set_config('request.jwt.claims', claims, true), set_config('role', role_name, true);
    if statement like 'select %' or statement like 'with %' or statement like '% returning %' then
      execute format('with answer as (%s) select string_agg(answer::text, chr(10)) from answer', statement) into answer;
    else
      execute statement;
    end if;
    perform set_config('role', 'postgres', true);
    changed := before is distinct from pgtap.fingerprint(tenant, person)
      -- A new membership, or another role in an old one, is an owner's doing, or the start of an organisation.
      or exists (
        select from public.memberships as m join public.organizations as o on o.id = m.org_id
        where o.slug <> 'new' and m.id || m.role <> all (roles) and (not owner or m.org_id <> tenant)
      );
    raise exception 'undone' using errcode = 'P0999';
  exception
    when sqlstate 'P0999' then null;
    when others then
      get stacked diagnostics detail = pg_exception_detail, hint = pg_exception_hint;
      failure := concat_ws(' ', sqlstate, sqlerrm, detail, hint);
  end;
  return next;
end $$;

-- A request, or a change of a membership between two requests.
create function pgtap.event(e jsonb)
returns table (answer text, failure text, changed boolean) language plpgsql as $$
begin
  if e ? 'statement' then
    return query select * from pgtap.request(
      e ->> 'role', e ->> 'claims', e ->> 'statement', (e ->> 'tenant')::uuid, (e ->> 'person')::uuid
    );
  elsif e ->> 'role' is null then
    delete from public.memberships where id = (e ->> 'id')::uuid;
    return next;
  else
    insert into public.memberships (id, org_id, user_id, role, created_at)
    values ((e ->> 'id')::uuid, (e ->> 'org')::uuid, (e ->> 'user')::uuid, e ->> 'role', clock_timestamp())
    on conflict (org_id, user_id) do update set role = excluded.role;
    return next;
  end if;
end $$;

alter table public.memberships disable trigger keep_an_owner;
"""


def build(session: Session) -> None:
    """The part of the world that is the same in every example."""
    session.execute(SERVER.encode())
    for number in range(USERS):
        session.execute("insert into auth.users (id, email) values (%s, %s)", (user(number), f"{number}@x.test"))
        session.execute(
            "update public.profiles set display_name = %s where id = %s", (f"secret-user-{number}", user(number))
        )
    session.execute("delete from public.organizations")
    for number in range(ORGS):
        session.execute(
            "insert into public.organizations (id, name, slug) values (%s, %s, %s)",
            (org(number), f"secret-org-{number}", f"org-{number}"),
        )
        session.execute(
            "insert into public.invitations (org_id, email, token_hash) values (%s, %s, %s)",
            (org(number), f"secret-invitation-{number}@x.test", str(number)),
        )
        for row in range(ROWS):
            body = f"secret-row-{number} {row}"
            session.execute("insert into public.notes (org_id, body) values (%s, %s)", (org(number), body))
            session.execute(
                "insert into public.tags (org_id, note_id, label) values (%s, %s, %s)",
                (org(number), number * ROWS + row + 1, body),
            )


# --- the property ---


def play(
    session: Session, members: dict[tuple[int, int], str], script: list[Request | Change], seen: Counter[str]
) -> None:
    """Send one script and compare every answer with the model."""
    model = Model()
    sent: list[dict[str, object]] = []
    expected: list[tuple[Request, int | None, set[str]] | None] = []
    for event in [*(Change(o, u, role) for (o, u), role in members.items()), *script]:
        if isinstance(event, Change):
            model.change(event)
            sent.append(
                {
                    "id": membership(event.org, event.user),
                    "org": org(event.org),
                    "user": user(event.user),
                    "role": event.role,
                }
            )
            expected.append(None)
            continue
        person, tenant = model.person(event), model.tenant(event)
        sent.append(
            {
                "role": event.role,
                "claims": event.claims,
                "statement": event.statement,
                "tenant": None if tenant is None else org(tenant),
                "person": None if person is None else user(person),
            }
        )
        expected.append((event, tenant, model.visible(event)))
    with session.transaction(force_rollback=True):
        answers = session.execute(
            "select o.* from jsonb_array_elements(%s) with ordinality as e (value, n) "
            "cross join lateral pgtap.event(e.value) as o order by e.n",
            (json.dumps(sent),),
        ).fetchall()
    assert len(answers) == len(sent)
    for (answer, failure, changed), expectation in zip(answers, expected, strict=True):
        if expectation is None:
            continue
        request, tenant, visible = expectation
        said = f"{answer or ''} {failure or ''}"
        seen["statements"] += 1
        seen["refused" if failure else "answered"] += 1
        seen["own rows"] += bool(answer and SECRET.search(answer))
        assert not changed, f"{request} changed rows of others"
        assert set(SECRET.findall(said)) <= visible, f"{request} saw {said}, and may see {visible}"
        if "'count'" in request.statement and not failure:
            assert answer == f"({ROWS if tenant is not None else 0},count)", f"{request} counted {answer}"


def explore(session: Session, examples: int, *, shrink: bool) -> Counter[str]:
    """Play so many worlds; returns what was seen."""
    seen: Counter[str] = Counter()

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(members=memberships, script=events)
    def prop(members: dict[tuple[int, int], str], script: list[Request | Change]) -> None:
        play(session, members, script, seen)

    prop()
    return seen


@pytest.fixture
def world(platform: Cluster) -> Iterator[Session]:
    """Four tenants, five users, and a table of each kind, until the end of the test."""
    with platform.connect() as session, session.transaction(force_rollback=True):
        build(session)
        yield session


def test_no_statement_reaches_another_tenant(world: Session) -> None:
    seen = explore(world, EXAMPLES, shrink=True)
    print(dict(seen))
    assert seen["statements"] >= (LEAST_STATEMENTS if EXAMPLES >= 480 else EXAMPLES)
    # Statements that all fail would prove nothing.
    assert seen["answered"] > seen["statements"] * 0.4
    assert seen["own rows"] > seen["statements"] * 0.05


MUTANTS = {
    "reading without a condition": "alter policy tenant_select on public.notes using (true)",
    "inserting without a check": "alter policy tenant_insert on public.notes with check (true)",
    "updating without a check": "alter policy tenant_update on public.notes with check (true)",
    "updating what is another's": "alter policy tenant_update on public.notes using (true) with check (true);"
    "alter policy tenant_select on public.notes using (true)",
    "deleting without a condition": "alter policy tenant_delete on public.tags using (true);"
    "alter policy tenant_select on public.tags using (true)",
    "row security off": "alter table public.tags disable row level security",
    "a view with its owner's rights": "alter view public.notes_view reset (security_invoker)",
    "the plan's auth.org_id(), which believes the token": "create or replace function auth.org_id() returns uuid "
    "language sql stable as $$ select coalesce((current_setting('request.jwt.claims', true)::json ->> 'org_id')::uuid, "
    "'00000000-0000-0000-0000-000000000000'::uuid) $$",
    "a membership that ended still counts": "create table pgtap.ever as select org_id, user_id from public.memberships;"
    "create function pgtap.remember() returns trigger language plpgsql security definer as "
    "$$ begin insert into pgtap.ever values (new.org_id, new.user_id); return null; end $$;"
    "create trigger remember after insert on public.memberships for each row execute function pgtap.remember();"
    "create or replace function auth.org_id() returns uuid language sql stable security definer as "
    "$$ select org_id from pgtap.ever where org_id = tenancy.to_uuid(tenancy.claims() ->> 'org_id') "
    "and user_id = tenancy.user_id() limit 1 $$",
    "joining by inserting": "grant insert on public.memberships to authenticated; create policy join_any on "
    "public.memberships for insert to authenticated with check (user_id = (select auth.uid()))",
    "everybody's profile": "alter policy profiles_select on public.profiles using (true)",
    "a policy for every role": "create policy open on public.notes for select using (org_id is not null)",
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_property_notices(world: Session, mutant: str) -> None:
    world.execute(MUTANTS[mutant].encode())
    with pytest.raises(AssertionError, match=r"changed rows of others|saw|counted"):
        explore(world, 60, shrink=False)
