"""What strangers try at the API's public name: refused with the right code, and no service notices.

After each attempt every unit runs on, started when it was before. A control beside each group shows that the same
request passes when it is honest, so that a refusal is no accident.
"""

import base64
import hashlib
import hmac
import itertools
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

from infra import components
from infra.tokens import elliptic_key, sign, symmetric_key
from ops.connect import Server
from tests.e2e.database import sql
from tests.e2e.edge import Answer, Edge, Headers
from tests.e2e.mail import newest_link
from tests.e2e.platform import Platform

TABLE, SECRET_TEXT = "e2e_attacked", "what nobody else should read"
DOMAIN = "attacks.test"
NOBODY = "7b1c7a4e-3c5b-4d5e-9a51-000000000001"
MAKE = f"""
begin;
insert into auth.users (id, email) values ('{NOBODY}', 'nobody@{DOMAIN}');
insert into public.organizations (name, slug) values ('attacked', 'e2e-attacked');
create table public.{TABLE} (id bigint generated always as identity primary key, org_id uuid, text text);
insert into public.{TABLE} (org_id, text)
select o.id, '{SECRET_TEXT}' from public.organizations as o where o.slug = 'e2e-attacked';
select tenancy.isolate('public.{TABLE}');
commit;
"""
REMOVE = f"""
drop table if exists public.{TABLE};
delete from public.organizations as o using auth.users as u where o.slug = u.id::text and u.email like '%@{DOMAIN}';
delete from auth.users where email like '%@{DOMAIN}';
delete from public.organizations where slug = 'e2e-attacked';
"""
REST, ROWS, ADMIN, USER = "/rest/v1/", f"/rest/v1/{TABLE}", "/auth/v1/admin/users", "/auth/v1/user"
REFUSALS = range(400, 500)
SLEEP_SECONDS = 4
JSON = ("Content-Type", "application/json")


@dataclass(frozen=True)
class Api:
    """The edge with the platform's keys."""

    edge: Edge
    secrets: Mapping[str, str] = field(repr=False)

    def ask(self, path: str, *more: tuple[str, str], key: str = "publishable_key", **options: Any) -> Answer:
        """A request with one of the platform's keys, and further headers; without a key when it is empty."""
        given = [("apikey", self.secrets[key])] if key else []
        return self.edge.ask(self.edge.api, path, headers=[*given, *more], **options)


@pytest.fixture(scope="module")
def api(platform: Platform, edge: Edge, server: Server) -> Iterator[Api]:
    found = Api(edge, platform.outputs["secrets"])
    sql(server, REMOVE + MAKE)
    deadline = time.monotonic() + 20
    while found.ask(ROWS, key="secret_key").status != 200 and time.monotonic() < deadline:
        time.sleep(0.5)  # until REST has heard of the table
    yield found
    sql(server, REMOVE)


def running(server: Server) -> str:
    """Which units run since when; a restart of a program changes it, by whomever."""
    units = " ".join(row.unit for row in components.load() if not row.planned and row.phase == 1)
    shown = "Id,ActiveState,MainPID,NRestarts,ActiveEnterTimestampMonotonic"
    return server.run(f"systemctl show --property={shown} {units}")


@pytest.fixture(scope="module")
def unharmed(server: Server) -> str:
    return running(server)


@pytest.fixture(autouse=True)
def nobody_falls(server: Server, api: Api, unharmed: str) -> Iterator[None]:
    yield
    assert running(server) == unharmed
    assert api.ask(ROWS, key="secret_key").status == 200


@pytest.fixture(scope="module", autouse=True)
def no_process_dies(server: Server) -> Iterator[None]:
    """A worker that crashes is replaced by its master before anybody looks at the unit."""
    began = server.run("date +%s")
    yield
    # sudo writes this very question down.
    dying = "(exited on|terminated by) signal|core dumped|segfault|Segmentation|Uncaught|panic:"
    said = server.run(
        f"journalctl --since=@{began} --output=cat --no-pager | grep -E '{dying}' | grep -v COMMAND= || true"
    )
    assert said == ""


# Tokens --------------------------------------------------------------------------------------------------------------


def claims(**changed: Any) -> dict[str, Any]:
    now = int(datetime.now(UTC).timestamp())
    honest = {"sub": NOBODY, "role": "authenticated", "aud": "authenticated"}
    return {**honest, "iat": now, "exp": now + 600, **changed}


def encoded(value: Mapping[str, Any] | bytes) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def handmade(header: Mapping[str, Any], body: Mapping[str, Any], secret: bytes = b"") -> str:
    """A token whose header says what it likes; signed with HMAC when there is a secret."""
    signed = f"{encoded(header)}.{encoded(body)}"
    return f"{signed}.{encoded(hmac.new(secret, signed.encode(), hashlib.sha256).digest()) if secret else ''}"


def forged(platform_secrets: Mapping[str, str]) -> dict[str, str]:
    """Every token names the role that may do everything."""
    body = claims(role="service_role")
    secret = platform_secrets["jwt_secret"]
    own, stolen = symmetric_key(secret), symmetric_key(secrets.token_hex(32))
    honest = sign(body, own)
    header, _, signature = honest.split(".")
    public = json.loads(platform_secrets["jwks"])["keys"]
    (pair,) = [key for key in public if key["kty"] == "EC"][:1]
    point = base64.urlsafe_b64decode(pair["x"] + "==") + base64.urlsafe_b64decode(pair["y"] + "==")
    now = body["iat"]
    return {
        "alg none": handmade({"alg": "none", "typ": "JWT"}, body),
        "alg None": handmade({"alg": "None", "typ": "JWT"}, body),
        "alg none with the key's name": handmade({"alg": "none", "kid": own["kid"]}, body),
        "no algorithm": handmade({"typ": "JWT"}, body, secret.encode()),
        "no signature": ".".join((*honest.split(".")[:2], "")),
        "claims changed afterwards": f"{header}.{encoded(claims(role='postgres'))}.{signature}",
        "another key": sign(body, stolen),
        "another key under the name of ours": sign(body, {**stolen, "kid": own["kid"]}),
        "an empty key": handmade({"alg": "HS256", "typ": "JWT"}, body, b"\0"),
        "the public key as a shared secret": handmade({"alg": "HS256", "kid": pair["kid"]}, body, b"\x04" + point),
        "another pair under the name of ours": sign(body, {**elliptic_key(), "kid": pair["kid"]}),
        "a key of its own in the header": sign(body, {**stolen, "kid": own["kid"]}).replace(
            header, encoded({"alg": "HS256", "jwk": stolen, "kid": own["kid"]})
        ),
        "a key id that is a path": handmade({"alg": "HS256", "kid": "../../../dev/null"}, body, b"\0"),
        "expired": sign({**body, "iat": now - 7200, "exp": now - 3600}, own),
        "not valid yet": sign({**body, "nbf": now + 3600}, own),
        "two parts": honest.rsplit(".", 1)[0],
        "not a token": "a.b.c",
    }


TOKENS = (
    "alg none", "alg None", "alg none with the key's name", "no algorithm", "no signature", "claims changed afterwards",
    "another key", "another key under the name of ours", "an empty key", "the public key as a shared secret",
    "another pair under the name of ours", "a key of its own in the header", "a key id that is a path", "expired",
    "not valid yet", "two parts", "not a token",
)  # fmt: skip


def test_an_honest_token_passes(api: Api) -> None:
    honest = sign(claims(), symmetric_key(api.secrets["jwt_secret"]))
    answer = api.ask(ROWS, ("Authorization", f"Bearer {honest}"))
    assert (answer.status, answer.body.strip()) == (200, b"[]")
    assert set(TOKENS) == set(forged(api.secrets))


@pytest.mark.parametrize("kind", TOKENS)
def test_a_forged_token_opens_neither_rest_nor_auth(api: Api, kind: str) -> None:
    token = ("Authorization", f"Bearer {forged(api.secrets)[kind]}")
    assert api.ask(ROWS, token).status == 401
    assert api.ask(USER, token).status in {401, 403}
    assert api.ask(ADMIN, token).status == 403, "the gateway asks for a service key first"


def test_a_token_for_another_audience_opens_nothing(api: Api) -> None:
    own = symmetric_key(api.secrets["jwt_secret"])
    for audience in ("somebody-else", ["somebody-else", "another"]):
        token = sign(claims(aud=audience), own)
        assert api.ask(ROWS, ("Authorization", f"Bearer {token}")).status == 401, audience


@pytest.mark.parametrize("role", ["postgres", "supabase_admin", "supabase_auth_admin", "authenticator", "nobody", ""])
def test_a_signed_token_makes_nobody_a_role_that_requests_do_not_have(api: Api, role: str) -> None:
    token = sign(claims(role=role), symmetric_key(api.secrets["jwt_secret"]))
    answer = api.ask(ROWS, ("Authorization", f"Bearer {token}"))
    assert answer.status in {400, 401, 403}, answer
    assert SECRET_TEXT.encode() not in answer.body


# Keys ----------------------------------------------------------------------------------------------------------------


def bearer(api: Api, name: str) -> tuple[str, str]:
    return ("Authorization", f"Bearer {api.secrets[name]}")


@pytest.mark.parametrize("key", ["anon_key", "publishable_key"])
def test_a_key_for_everybody_is_no_service_key(api: Api, key: str) -> None:
    assert api.ask(ADMIN, key=key).status == 403
    assert api.ask(ADMIN, bearer(api, "service_role_key"), key=key).status == 403, "not even beside a service token"
    assert api.ask(REST, key=key).status == 403, "the OpenAPI document names every table"
    assert SECRET_TEXT.encode() not in api.ask(ROWS, key=key).body
    assert SECRET_TEXT.encode() not in api.ask(ROWS, bearer(api, key), key=key).body


@pytest.mark.parametrize("key", ["service_role_key", "secret_key"])
def test_a_service_key_does_not_raise_the_token_beside_it(api: Api, key: str) -> None:
    assert SECRET_TEXT.encode() in api.ask(ROWS, key=key).body
    assert SECRET_TEXT.encode() not in api.ask(ROWS, bearer(api, "anon_key"), key=key).body
    assert api.ask(REST, key=key).status == 200


@pytest.mark.parametrize("path", [ROWS, REST, ADMIN, USER, "/auth/v1/token?grant_type=password"])
def test_without_a_key_there_is_nothing(api: Api, path: str) -> None:
    assert api.ask(path, key="").status == 401
    for wrong in ("", "sb_publishable_wrong", "' or '1'='1", "x" * 4000, "null"):
        assert api.edge.ask(api.edge.api, path, headers=[("apikey", wrong)]).status == 401, wrong


def test_a_key_is_taken_from_its_header_alone(api: Api) -> None:
    good = api.secrets["secret_key"]
    elsewhere: dict[str, tuple[str, Headers]] = {
        "the query": (f"{ROWS}?apikey={good}", []),
        "a cookie": (ROWS, [("Cookie", f"apikey={good}")]),
        "another header": (ROWS, [("X-Api-Key", good)]),
        "an underscore": (ROWS, [("api_key", good)]),
        "the authorization": (ROWS, [("Authorization", f"Bearer {good}")]),
    }
    for place, (path, headers) in elsewhere.items():
        assert api.edge.ask(api.edge.api, path, headers=headers).status == 401, place
    for name in ("APIKEY", "ApiKey"):
        assert api.edge.ask(api.edge.api, ROWS, headers=[(name, good)]).status == 200, "a header has no case"


def test_two_keys_are_no_key(api: Api) -> None:
    good, wrong = api.secrets["secret_key"], "sb_secret_wrong"
    for first, second in itertools.product((good, wrong), (good, wrong)):
        headers = [("apikey", first), ("ApiKey", second)]
        assert api.edge.ask(api.edge.api, ROWS, headers=headers).status in {400, 401}, (first == good, second == good)


# Headers that say who somebody is ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Consumer-Username", "service_role"),
        ("X-Consumer-Groups", "service_role"),
        ("X-Consumer-Custom-ID", "service_role"),
        ("X-Authenticated-Groups", "service_role"),
        ("X-Credential-Identifier", "service_role"),
        ("X-Original-URL", ADMIN),
        ("X-Rewrite-URL", ADMIN),
        ("X-Forwarded-Prefix", "/auth/v1/admin"),
        ("X-Forwarded-Path", ADMIN),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Real-IP", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1;host=localhost;proto=http"),
        ("X-HTTP-Method-Override", "DELETE"),
    ],
)
def test_a_header_makes_nobody_somebody_else(api: Api, name: str, value: str) -> None:
    assert api.ask(ADMIN, (name, value)).status == 403
    answer = api.ask(ROWS, (name, value))
    assert SECRET_TEXT.encode() not in answer.body
    assert answer.status in REFUSALS, "nobody without an account reads this table"


def test_no_header_escapes_the_limit_of_an_address(api: Api) -> None:
    """The counter of an address goes on counting, whatever the request says about its origin."""

    def remaining(*headers: tuple[str, str]) -> int:
        return int(api.ask(ROWS, *headers).headers["RateLimit-Remaining"])

    for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP"):
        while datetime.now(UTC).second > 50:  # the counters begin anew with the minute
            time.sleep(1)
        before = remaining()
        assert remaining((name, f"203.0.113.{secrets.randbelow(250)}")) < before, name


def test_a_mail_leads_to_the_platform_whatever_the_request_says(api: Api) -> None:
    email = f"victim-{secrets.token_hex(4)}@{DOMAIN}"
    body = json.dumps({"email": email, "password": secrets.token_urlsafe(16)}).encode()
    elsewhere = [
        ("X-Forwarded-Host", "evil.test"), ("X-Forwarded-Proto", "http"), ("X-Forwarded-Port", "8443"),
        ("Forwarded", "host=evil.test;proto=http"), ("X-Host", "evil.test"), ("Origin", "https://evil.test"),
        ("Referer", "https://evil.test/"), ("redirect_to", "https://evil.test/"),
    ]  # fmt: skip
    path = "/auth/v1/signup?redirect_to=https://evil.test/"
    assert api.ask(path, JSON, *elsewhere, method="POST", body=body).status == 200
    link = newest_link(email)
    assert link.startswith(f"https://{api.edge.api}/auth/v1/verify?")
    answer = api.edge.ask(api.edge.api, link.removeprefix(f"https://{api.edge.api}"))
    assert answer.status in {302, 303}
    assert answer.headers["Location"].startswith(f"https://{api.edge.domain}"), answer.headers["Location"]


# Bodies and requests that are no requests ----------------------------------------------------------------------------


def test_oversized_bodies_are_refused(api: Api) -> None:
    pieces = (b"x" * 65536 for _ in range(32 * 16))
    large = ("Content-Length", str(1 << 40))
    assert api.ask("/auth/v1/token", JSON, method="POST", body=bytes(2 << 20)).status == 413
    assert api.ask(ROWS, JSON, method="POST", body=bytes(21 << 20)).status == 413
    assert api.ask(ROWS, JSON, method="POST", body=pieces).status == 413, "without a length, and it never ends"
    assert api.ask(ROWS, JSON, large, method="POST", body=b"").status == 413
    assert api.ask(ROWS, ("X-Large", "x" * 70_000)).status == 400
    assert api.ask(f"{ROWS}?id=eq.{'1' * 70_000}").status == 414


NO_BODIES = {
    "empty": b"",
    "cut off": b"{",
    "null": b"null",
    "deep lists": b"[" * 50_000,
    "deep objects": b'{"a":' * 20_000,
    "no text": b"\xff\xfe\xfd",
    "a zero in a text": b'{"text": "\\u0000"}',
    "a list in a list": b"[[]]",
    "a text": b'"text"',
    "a number beyond numbers": b'{"id": 1e999}',
    "a prototype": b'{"__proto__": {"role": "service_role"}}',
    "a constructor": b'{"constructor": {"prototype": {"x": 1}}}',
}


@pytest.mark.parametrize("body", NO_BODIES.values(), ids=NO_BODIES)
def test_bodies_that_mean_nothing_are_refused(api: Api, body: bytes) -> None:
    honest = ("Authorization", f"Bearer {sign(claims(), symmetric_key(api.secrets['jwt_secret']))}")
    assert api.ask(ROWS, JSON, honest, method="POST", body=body).status in REFUSALS
    assert api.ask("/auth/v1/token?grant_type=password", JSON, method="POST", body=body).status in REFUSALS
    assert api.ask("/auth/v1/signup", JSON, method="POST", body=body).status in REFUSALS


def raw(edge: Edge, request: bytes) -> bytes:
    """The first line of the answer to bytes as they are; nothing when the connection is closed without one."""
    with edge.connect(edge.api) as connection:
        connection.sendall(request)
        try:
            return connection.recv(4096).split(b"\r\n", 1)[0]
        except (ConnectionResetError, TimeoutError):
            return b""


@pytest.mark.parametrize(
    "lines",
    [
        ["POST {path} HTTP/1.1", "Host: {host}", "Content-Length: 5", "Transfer-Encoding: chunked", "", "0", "", ""],
        ["POST {path} HTTP/1.1", "Host: {host}", "Content-Length: 5", "Content-Length: 6", "", "hello"],
        ["POST {path} HTTP/1.1", "Host: {host}", "Transfer-Encoding: xchunked", "", "0", "", ""],
        ["POST {path} HTTP/1.1", "Host: {host}", "Transfer-Encoding: chunked, identity", "", "0", "", ""],
        ["POST {path} HTTP/1.1", "Host: {host}", "Content-Length: -1", "", ""],
        ["GET {path} HTTP/1.1", "Host: {host}", "Host: localhost", "", ""],
        ["GET {path} HTTP/1.1", "Host : {host}", "", ""],
        ["GET {path} HTTP/1.1", "", ""],
        ["GET {path}\x00 HTTP/1.1", "Host: {host}", "", ""],
        ["GET http://localhost{path} HTTP/1.1", "Host: localhost", "", ""],
        ["TRACE {path} HTTP/1.1", "Host: {host}", "", ""],
        ["CONNECT localhost:5432 HTTP/1.1", "Host: localhost:5432", "", ""],
        ["\x16\x03\x01 nonsense", "", ""],
    ],
)
def test_requests_that_two_readers_would_read_differently_get_no_answer(api: Api, lines: list[str]) -> None:
    request = "\r\n".join(lines).format(path=ROWS, host=api.edge.api)
    first = raw(api.edge, request.encode())
    assert first == b"" or first.split()[1] in {b"400", b"405", b"501"}, first


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "DEBUG", "get", "X" * 200])
def test_methods_that_nothing_has_are_refused(api: Api, method: str) -> None:
    assert api.ask(ROWS, key="secret_key", method=method).status in REFUSALS


# Paths ---------------------------------------------------------------------------------------------------------------

AROUND = [
    "/rest/v1/../../auth/v1/admin/users", "/rest/v1/%2e%2e/%2e%2e/auth/v1/admin/users",
    "/rest/v1/..%2f..%2fauth/v1/admin/users", "/rest/v1/%252e%252e/%252e%252e/auth/v1/admin/users",
    "/rest/v1/..%252f..%252fauth/v1/admin/users", "/rest/v1/..;/..;/auth/v1/admin/users",
    "/auth/v1/./admin/users", "/auth/v1/x/../admin/users", "/auth/v1/x/%2e%2e/admin/users", "/auth/v1/admin%2fusers",
    "/auth/v1/%61dmin/users", "/auth/v1//admin/users", "//auth/v1/admin/users", "/auth//v1/admin//users",
    "/auth/v1/admin/./users", "/auth/v1/ADMIN/users", "/auth/v1/admin;x=1/users", "/auth/v1/admin%00/users",
    "/auth/v1/admin%20/users", "/auth/v1/admin%5cusers", "/auth/v1\\admin\\users", "/AUTH/v1/admin/users",
    "/auth/v1/verify/../admin/users", "/auth/v1/verify%2f..%2fadmin/users", "/auth/v1/callback/%2e%2e/admin/users",
    "/auth/v1/.well-known/jwks.json/../../admin/users", "/auth/v1/%c0%ae%c0%ae/admin/users",
    "/auth/v1/admin/users%0d%0aX-Injected:%201", "/auth/v1/%25%36%31dmin/users",
]  # fmt: skip


@pytest.mark.parametrize("path", AROUND)
def test_no_way_around_leads_to_the_administration(api: Api, path: str) -> None:
    service = bearer(api, "service_role_key")
    for answer in (api.ask(path, service), api.ask(path), api.ask(path, service, key="")):
        assert answer.status in {400, 401, 403, 404, 405}, answer
        assert "X-Injected" not in answer.headers
        assert b'"users"' not in answer.body


@pytest.mark.parametrize(
    "path", ["/rest/v1/%2e", "/rest/v1/./", "/rest/v1/x/..", "/rest//v1/", "/rest/v1/?", "/rest/v1//"]
)
def test_no_way_around_leads_to_the_openapi_document(api: Api, path: str) -> None:
    answer = api.ask(path)
    assert answer.status in REFUSALS, answer
    assert b"swagger" not in answer.body


UNKNOWN = [
    "/", "/rest", "/rest/v2/", "/rest/v1", "/rest/v1x/", "/auth", "/auth/v2/user", "/graphql/v1", "/pg/tables",
    "/pg-meta/", "/mcp", "/api/mcp", "/api/platform/profile", "/.env", "/.git/config", "/metrics", "/status",
    "/status/ready", "/health", "/rest-admin/v1/ready", "/rest/v1-admin/", "/live", "/ready", "/analytics/v1/",
    "/sso/saml/acs", "/routes", "/services", "/consumers", "/config", "/nginx_status", "/server-status",
    "/storage/v1/metrics", "/storage/v1/object/x", "/realtime/v1/api/tenants", "/realtime/v1/api/openapi",
    "/realtime/v1/websocket", "/functions/v1/x",
]  # fmt: skip


@pytest.mark.parametrize("path", UNKNOWN)
def test_what_the_table_does_not_open_is_not_there(platform: Platform, api: Api, path: str) -> None:
    assert platform.outputs["phase"] == 1, "what a later phase opens is asked for there"
    for key in ("", "publishable_key", "secret_key"):
        assert api.ask(path, key=key).status == 404, key


@pytest.mark.parametrize("path", [ADMIN, "/auth/v1/admin/generate_link", "/auth/v1/admin/audit", REST])
def test_administration_takes_a_service_key(api: Api, path: str) -> None:
    assert api.ask(path, key="").status == 401
    assert api.ask(path).status == 403
    assert api.ask(path, bearer(api, "service_role_key")).status == 403


# SQL -----------------------------------------------------------------------------------------------------------------

SLEEP = f"pg_sleep({SLEEP_SECONDS})"
QUESTIONS = [
    f"id=eq.0;drop table public.{TABLE}", "id=eq.0 or 1=1", "id=eq.0) or (1=1", "id=eq.0'--", 'id=eq.0"',
    "id=in.(0) or 1=1", "id=in.(0,(select 1))", "text=eq.' or '1'='1", f"text=eq.'||{SLEEP}||'", f"id=eq.{SLEEP}",
    "text=eq.x' union select rolpassword from pg_authid--", "text=like.x' or 'a' like 'a", "and=(id.eq.0)) or ((1=1",
    "or=(id.eq.0,text.eq.') or (1=1)", "not.id=eq.0)or(1=1", 'id"=eq.0', "id%00=eq.0", "text=fts(english').x",
    "text=match.(x+x+)+y", "id=gt.0::bigint or true", "id=eq.99999999999999999999999999",
    # What else there is in a question, beside a condition that no row meets.
    f"id=eq.0&select={SLEEP}", "id=eq.0&select=*,(select rolname from pg_authid)",
    "id=eq.0&select=id::text;drop table x",
    f"id=eq.0&order=(select 1 from {SLEEP})", f"id=eq.0&order={SLEEP}", "id=eq.0&order=id;select 1", "id=eq.0&limit=-1",
    "id=eq.0&limit=1;drop table x", "id=eq.0&limit=(select 1)", "id=eq.0&offset=1 union select 1",
    "id=eq.0&columns=id);drop table x", "id=eq.0&on_conflict=id) do update set text='x'--",
]  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS)
def test_sql_in_a_question_is_text(api: Api, question: str) -> None:
    """Asked with the service key, which no row policy holds back: what got through would be seen."""
    began = time.monotonic()
    answer = api.ask(f"{ROWS}?{quote(question, safe='=&.,()*:%')}", key="secret_key")
    assert time.monotonic() - began < SLEEP_SECONDS, "the database was made to sleep"
    assert answer.status < 500, answer
    assert SECRET_TEXT.encode() not in answer.body, "a condition was widened"
    rows = api.ask(ROWS, key="secret_key")
    assert [row["text"] for row in json.loads(rows.body)] == [SECRET_TEXT]


HIDDEN = [
    "pg_catalog.pg_authid", "pg_authid", "auth.users", "users", "bronze.anything", "information_schema.tables",
    "x;select 1", "%22pg_authid%22", "rpc/pg_sleep", "rpc/pg_read_file", "rpc/isolate", "rpc/home_of",
]  # fmt: skip


@pytest.mark.parametrize("path", HIDDEN)
def test_only_what_is_exposed_has_a_path(api: Api, path: str) -> None:
    assert api.ask(REST + quote(path, safe="/%"), key="secret_key").status in {400, 404}


@pytest.mark.parametrize(
    "schema", ["auth", "bronze", "tenancy", "pg_catalog", "information_schema", "storage", "vault", "x;y"]
)
@pytest.mark.parametrize("key", ["publishable_key", "secret_key"])
def test_a_hidden_schema_is_not_served(api: Api, key: str, schema: str) -> None:
    assert api.ask(ROWS, ("Accept-Profile", schema), key=key).status == 406
    assert api.ask(ROWS, ("Content-Profile", schema), JSON, key=key, method="POST", body=b"{}").status == 406


def test_a_plan_is_not_shown(api: Api) -> None:
    plan = ("Accept", "application/vnd.pgrst.plan+json")
    answer = api.ask(ROWS, plan, key="secret_key")
    assert answer.status == 406, answer


# Floods --------------------------------------------------------------------------------------------------------------


def test_a_flood_is_told_when_to_come_back(api: Api) -> None:
    path = "/auth/v1/callback"
    (route,) = [r for r in _routes("auth") if r.get("exact") == path]
    refused = None
    for number in range(2 * route["per_minute"] + 1):  # the counters begin anew with the minute
        answer = api.ask(path, ("X-Forwarded-For", f"203.0.113.{number % 250}"), key="")
        if answer.status == 429:
            refused = answer
            break
        assert answer.status < 500, answer
    assert refused is not None, "nobody was told to slow down"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["RateLimit-Remaining"] == "0"
    assert int(refused.headers["RateLimit-Limit"]) == route["per_minute"]
    assert api.ask(ROWS, key="secret_key").status == 200, "the limit is of one route"


def _routes(component: str) -> list[dict[str, Any]]:
    import yaml

    table = yaml.safe_load((components.VARIABLES / "components.yml").read_text())
    routes: list[dict[str, Any]] = table["components"][component]["routes"]
    return routes
