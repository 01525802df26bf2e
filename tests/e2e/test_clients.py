"""People use the platform with the real client libraries: public name, TLS, edge, gateway, Auth, REST, row policies.

Each story runs with supabase-py and with supabase-js, as they are: they know a URL and a key, nothing else.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import httpx
import psycopg
import pytest

from infra import components
from ops.connect import Server
from ops.errors import OperatorError
from sandbox import home
from sandbox.network import public_network
from tests.e2e.api import Api, api_of, as_a_client
from tests.e2e.database import sql
from tests.e2e.identity_provider import Provider, serving
from tests.e2e.libraries import Person, Refused, SupabaseJs, SupabasePy
from tests.e2e.mail import newest_link
from tests.e2e.platform import Platform

TABLE = "e2e_notes"
DOMAIN = "people.test"
# Reports read by a policy of their own; whoever else is not authenticated gets no rows.
MAKE = f"""
begin;
create table public.{TABLE} (id bigint generated always as identity primary key, org_id uuid, text text);
select tenancy.isolate('public.{TABLE}');
grant select on public.{TABLE} to workbench;
create policy workbench_select on public.{TABLE} for select to workbench using (true);
commit;
"""
# An account's own organisation goes with it, and the memberships with the organisation.
REMOVE = f"""
drop table if exists public.{TABLE};
delete from public.organizations as o using public.memberships as m, auth.users as u
where m.org_id = o.id and m.user_id = u.id and u.email like '%@{DOMAIN}';
delete from auth.users where email like '%@{DOMAIN}';
"""
INSUFFICIENT_PRIVILEGE = "42501"
SCHEMA_CACHE_SECONDS = 20.0

type Meet = Callable[[], Person]


class Member:
    """Somebody whose account is confirmed by mail, signed in."""

    def __init__(self, person: Person, name: str) -> None:
        self.person = person
        self.email = f"{name}-{secrets.token_hex(4)}@{DOMAIN}"
        self.password = secrets.token_urlsafe(16)
        person.sign_up(self.email, self.password)
        follow(newest_link(self.email))
        person.sign_in(self.email, self.password)
        (row,) = person.read("organizations")
        self.organization = row["id"]


def follow(link: str) -> str:
    """Open a mail's link as a browser does; returns where it leads to."""
    answer = httpx.get(link)
    assert answer.is_redirect, f"{answer.status_code}: {answer.text}"
    return answer.headers["Location"]


@pytest.fixture(scope="module")
def api(platform: Platform) -> Iterator[Api]:
    found = api_of(platform)
    with as_a_client(found):
        yield found


@pytest.fixture(scope="module")
def table(server: Server) -> Iterator[str]:
    sql(server, REMOVE + MAKE)
    yield TABLE
    sql(server, REMOVE)


@pytest.fixture(scope="module", params=[SupabasePy, SupabaseJs], ids=lambda library: library.library)
def meet(request: pytest.FixtureRequest, api: Api) -> Iterator[Meet]:
    with ExitStack() as clients:
        yield lambda: clients.enter_context(closing(request.param(api)))


@pytest.fixture(scope="module")
def alice(meet: Meet, table: str) -> Member:
    member = Member(meet(), "alice")
    deadline = time.monotonic() + SCHEMA_CACHE_SECONDS
    while True:
        try:
            assert member.person.read(table) == []
            return member
        except Refused as refused:  # REST has not heard of the table yet
            if refused.code not in {"PGRST205", "42P01"} or time.monotonic() > deadline:
                raise
            time.sleep(0.5)


@pytest.fixture(scope="module")
def bob(meet: Meet) -> Member:
    return Member(meet(), "bob")


def test_an_account_opens_with_the_mail_that_arrived(meet: Meet, table: str) -> None:
    person, email, password = meet(), f"new-{secrets.token_hex(4)}@{DOMAIN}", secrets.token_urlsafe(16)
    person.sign_up(email, password)
    with pytest.raises(Refused) as refused:
        person.sign_in(email, password)
    assert refused.value.code == "email_not_confirmed"
    follow(newest_link(email))
    with pytest.raises(Refused) as refused:
        person.sign_in(email, "not the password")
    assert refused.value.code == "invalid_credentials"
    person.sign_in(email, password)
    assert len(person.read("organizations")) == 1


def test_a_link_opens_once(meet: Meet, table: str) -> None:
    person, email = meet(), f"twice-{secrets.token_hex(4)}@{DOMAIN}"
    person.sign_up(email, secrets.token_urlsafe(16))
    link = newest_link(email)
    assert "error" not in follow(link)
    assert "error" in follow(link)


def test_a_session_is_refreshed(alice: Member) -> None:
    before = alice.person.refresh_token()
    alice.person.refresh()
    assert alice.person.refresh_token() != before
    assert len(alice.person.read("organizations")) == 1


def test_a_forgotten_password_is_reset_by_mail(bob: Member, meet: Meet) -> None:
    forgetful, fresh = meet(), secrets.token_urlsafe(16)
    forgetful.forget_password(bob.email)
    forgetful.return_from(follow(newest_link(bob.email, "recovery")))
    forgetful.set_password(fresh)
    with pytest.raises(Refused) as refused:
        meet().sign_in(bob.email, bob.password)
    assert refused.value.code == "invalid_credentials"
    bob.password = fresh
    bob.person.sign_in(bob.email, fresh)


@pytest.fixture(scope="module")
def elsewhere(platform: Platform) -> Iterator[Provider]:
    """A provider like GitHub on this machine, which Auth knows for as long as the tests of this module run."""
    from infra.converge import converge

    _, subnet = public_network(home.current())
    # The first address of the sandbox's public network is this machine's.
    with serving(str(subnet[1]), f"dora-{secrets.token_hex(4)}@{DOMAIN}") as provider:
        known = {"client_id": provider.client_id, "secret": "e2e_client_secret", "url": provider.url}
        variables = {
            "auth_identity_providers": {"github": known},
            "platform_secrets": platform.outputs["inventory"]["all"]["vars"]["platform_secrets"]
            | {"e2e_client_secret": provider.client_secret},
        }
        try:
            told = converge(platform.outputs, check=False, tags="auth", variables=variables)
            assert told.ok, told.failure
            yield provider
        finally:
            assert converge(platform.outputs, check=False, tags="auth").ok


def test_an_identity_provider_vouches_for_somebody(elsewhere: Provider, meet: Meet, table: str) -> None:
    person = meet()
    agreed = follow(person.sign_in_elsewhere("github"))
    assert agreed.startswith(f"{elsewhere.url}/login/oauth/authorize?"), agreed
    person.return_from(follow(follow(agreed)))
    (own,) = person.read("profiles")
    assert own["display_name"]
    assert person.read(table) == []


def test_own_rows_are_written_read_changed_and_removed(alice: Member, table: str) -> None:
    written = alice.person.write(table, {"text": "first"})
    assert written["org_id"] == alice.organization, "the row belongs to whom it was not told"
    assert written in alice.person.read(table)
    (changed,) = alice.person.change(table, written["id"], {"text": "second"})
    assert changed == written | {"text": "second"}
    assert alice.person.remove(table, written["id"]) == [changed]
    assert written["id"] not in {row["id"] for row in alice.person.read(table)}


def test_another_tenants_rows_are_out_of_reach(alice: Member, bob: Member, table: str) -> None:
    written = alice.person.write(table, {"text": "alice's"})
    assert bob.person.read(table) == []
    assert bob.person.change(table, written["id"], {"text": "bob was here"}) == []
    assert bob.person.remove(table, written["id"]) == []
    with pytest.raises(Refused) as refused:
        bob.person.write(table, {"text": "bob's", "org_id": alice.organization})
    assert refused.value.code == INSUFFICIENT_PRIVILEGE
    own = bob.person.write(table, {"text": "bob's"})
    with pytest.raises(Refused) as refused:
        bob.person.change(table, own["id"], {"org_id": alice.organization})
    assert refused.value.code == INSUFFICIENT_PRIVILEGE
    assert written in alice.person.read(table)
    assert own not in alice.person.read(table)


def test_an_invitation_makes_a_member_and_removal_ends_it_at_once(
    alice: Member, bob: Member, meet: Meet, table: str
) -> None:
    carol = Member(meet(), "carol")
    shared = alice.person.write(table, {"text": "for members"})
    token = alice.person.call("invite_member", email=carol.email, role="member")
    with pytest.raises(Refused) as refused:
        bob.person.call("accept_invitation", token=token)
    assert refused.value.code == INSUFFICIENT_PRIVILEGE, "an invitation is for one address"
    assert carol.person.call("accept_invitation", token=token) == alice.organization
    carol.person.refresh()
    assert shared in carol.person.read(table)
    added = carol.person.write(table, {"text": "by a member"})
    assert added in alice.person.read(table)

    (membership,) = [
        row
        for row in alice.person.read("memberships")
        if row["org_id"] == alice.organization and row["role"] == "member"
    ]
    assert len(alice.person.remove("memberships", membership["id"])) == 1
    assert carol.person.read(table) == [], "the token is as good as before, the membership is gone"


def test_whoever_has_not_signed_in_gets_no_row(meet: Meet, alice: Member, table: str) -> None:
    alice.person.write(table, {"text": "not for strangers"})
    stranger = meet()
    for attempt in (
        lambda: stranger.read(table),
        lambda: stranger.write(table, {"text": "x"}),
        lambda: stranger.read("organizations"),
        lambda: stranger.call("create_organization", name="x", slug="x"),
    ):
        with pytest.raises(Refused) as refused:
            attempt()
        assert refused.value.code == INSUFFICIENT_PRIVILEGE


def test_reports_read_through_the_pooler_and_change_nothing(
    platform: Platform, server: Server, alice: Member, table: str
) -> None:
    alice.person.write(table, {"text": "for the report"})
    password = platform.outputs["secrets"]["db_workbench"]

    def psql(statement: str) -> str:
        port = components.load()["pgbouncer"].port("pool")
        script = (
            "read -r PGPASSWORD; export PGPASSWORD PGSSLMODE=require;"
            f" psql --host=127.0.0.1 --port={port} --username=workbench --dbname=postgres --no-psqlrc --tuples-only"
            f' --no-align --set=ON_ERROR_STOP=1 --command="{statement}"'
        )
        return server.run(script, f"{password}\n")

    assert int(psql(f"select count(*) from public.{table}")) >= 1
    with pytest.raises(OperatorError, match="read-only transaction"):
        psql(f"insert into public.{table} (text) values ('x')")
    with pytest.raises(OperatorError, match="permission denied"):
        psql(f"begin read write; delete from public.{table}")
    with pytest.raises(OperatorError, match="permission denied for schema bronze"):
        psql("select 1 from bronze.anything")
    # From a machine of one's own: through the tunnel of `make ssh`, with any client.
    with (
        server.forward("pgbouncer") as port,
        psycopg.connect(
            host="127.0.0.1", port=port, dbname="postgres", user="workbench", password=password, sslmode="require",
            autocommit=True, prepare_threshold=None,
        ) as session,
    ):  # fmt: skip
        assert session.execute("select current_setting('transaction_read_only')").fetchone() == ("on",)
