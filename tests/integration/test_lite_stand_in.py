"""The stand-in for Auth and REST on a database with the platform's migrations, asked over HTTP as the gateway asks.

What is expected is what PostgREST 14 and GoTrue do with the same variables.
"""

import base64
import http.client
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.tokens import elliptic_key, key_set, sign, signing_keys, symmetric_key
from plugins.filter.migrations import migration_bundle
from sandbox import image
from sandbox.docker import DockerError, docker, remove_container
from tests.sql.cluster import Cluster, running
from tests.sql.runner import Runner
from tests.unit.project import ROOT

pytestmark = pytest.mark.integration

NAME = f"test-lite-{os.getpid()}"
PORT, ADMIN_PORT = 3000, 3001
START_SECONDS = 20
SECRET = "c0ffee" * 8
PRESENT, BEFORE, PAIR = symmetric_key(SECRET), symmetric_key("before" * 8), elliptic_key()
STRANGER = symmetric_key("stranger" * 6)
SOMEBODY = "00000000-0000-4000-8000-000000000001"
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp")


def now() -> int:
    return int(time.time())


def claims(**changes: Any) -> dict[str, Any]:
    held = {"role": "authenticated", "sub": SOMEBODY, "aud": "authenticated", "iat": now(), "exp": now() + 600}
    return {name: value for name, value in {**held, **changes}.items() if value is not None}


USER, SERVICE = sign(claims(), PRESENT), sign(claims(role="service_role", sub=None, aud=None), PRESENT)
ANON = sign(claims(role="anon", sub=None, aud=None), PRESENT)


def encoded(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Service:
    """A running container of the image."""

    name: str
    address: str

    def ask(
        self,
        path: str,
        token: str | None = None,
        *,
        method: str = "GET",
        body: Any = None,
        port: int = PORT,
        **headers: str,
    ) -> Answer:
        client = http.client.HTTPConnection(self.address, port, timeout=20)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            sent["Content-Type"] = "application/json"
        client.request(method, path, body=None if body is None else json.dumps(body), headers=sent)
        got = client.getresponse()
        text = got.read()
        client.close()
        found = {name.lower(): value for name, value in got.getheaders()}
        return Answer(got.status, found, json.loads(text) if text and "json" in found.get("content-type", "") else text)

    def wait(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                if ready():
                    return
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {START_SECONDS} s: {docker('logs', self.name)}")
            time.sleep(0.1)


def run(name: str, settings: Mapping[str, str], *options: str) -> Service:
    variables = [word for key, value in settings.items() for word in ("--env", f"{key}={value}")]
    docker("run", "--detach", "--name", name, *HARDENED, *options, *variables, image.build("lite"))
    return Service(name, docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", name))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running() as cluster:
        bundle = tmp_path_factory.mktemp("bundle") / "migrations.json"
        bundle.write_text(migration_bundle(str(ROOT / "sql" / "migrations")))
        done = Runner(cluster.dsn()).run(bundle)
        assert done.returncode == 0, done.stderr
        with cluster.connect() as session:
            session.execute(
                "insert into auth.users (id, email, email_confirmed_at) values (%s, 'one@example.test', now())",
                [SOMEBODY],
            )
        yield cluster


def rest_settings(database: Cluster) -> dict[str, str]:
    return {
        "PGRST_DB_URI": f"postgres://authenticator@{database.host}:5432/postgres?sslmode=disable",
        "PGRST_DB_SCHEMAS": "public,odoo,silver,gold",
        "PGRST_DB_EXTRA_SEARCH_PATH": "public,extensions",
        "PGRST_DB_ANON_ROLE": "anon",
        "PGRST_DB_PRE_REQUEST": "rest.check_request",
        "PGRST_DB_MAX_ROWS": "5",
        "PGRST_DB_CONFIG": "false",
        "PGRST_JWT_SECRET": "@/etc/rest/jwks.json",
        "PGRST_JWT_AUD": "authenticated",
        "PGRST_OPENAPI_SERVER_PROXY_URI": "https://api.example.test/rest/v1",
        "PGRST_SERVER_PORT": str(PORT),
        "PGRST_ADMIN_SERVER_HOST": "0.0.0.0",  # noqa: S104
        "PGRST_ADMIN_SERVER_PORT": str(ADMIN_PORT),
    }


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    folder.chmod(0o755)
    (folder / "jwks.json").write_text(key_set([PRESENT, BEFORE, PAIR]))
    return folder


@pytest.fixture(scope="module")
def rest(database: Cluster, keys: Path) -> Iterator[Service]:
    try:
        service = run(f"{NAME}-rest", rest_settings(database), f"--volume={keys}:/etc/rest:ro")
        service.wait(lambda: service.ask("/ready", port=ADMIN_PORT).status == 200)
        yield service
    finally:
        remove_container(f"{NAME}-rest")


def test_it_says_that_it_is_a_stand_in_and_runs_as_nobody() -> None:
    built = image.build("lite")
    assert "GoTrue and PostgREST" in docker(
        "image", "inspect", built, "--format", '{{index .Config.Labels "stand-in"}}'
    )
    assert docker("image", "inspect", built, "--format", "{{.Config.User}}") == "1000"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"PGRST_DB_SCHEMA": "public"}, "does not know PGRST_DB_SCHEMA"),
        ({"PGRST_DB_CONFIG": "true"}, "PGRST_DB_CONFIG the stand-in obeys only false"),
        ({"PGRST_JWT_SECRET": ""}, "PGRST_JWT_SECRET is missing"),
        ({"PGRST_DB_MAX_ROWS": "many"}, "PGRST_DB_MAX_ROWS is not a number: many"),
        ({"GOTRUE_SITE_URL": "https://example.test"}, "expected the variables of one service"),
    ],
)
def test_it_starts_only_with_what_it_obeys(database: Cluster, changes: dict[str, str], said: str) -> None:
    settings = {**rest_settings(database), **changes}
    variables = [word for key, value in settings.items() for word in ("--env", f"{key}={value}")]
    with pytest.raises(DockerError, match=said):
        docker("run", "--rm", *HARDENED, *variables, image.build("lite"))


def test_health_commands_are_those_of_the_real_images(rest: Service) -> None:
    assert docker("exec", rest.name, "/bin/postgrest", "--ready") == ""
    with pytest.raises(DockerError, match="REFUSED"):
        docker("exec", "--env", "PGRST_ADMIN_SERVER_HOST=*", rest.name, "/bin/postgrest", "--ready")
    assert b"pgrst_db_pool_max" in rest.ask("/metrics", port=ADMIN_PORT).body


def test_a_row_is_for_whom_the_policy_says(rest: Service) -> None:
    own = rest.ask("/profiles?select=id,display_name", USER)
    assert (own.status, own.body) == (200, [{"id": SOMEBODY, "display_name": "one"}])
    assert rest.ask("/profiles", ANON).status == 401
    assert rest.ask("/profiles").body["code"] == "42501"
    assert rest.ask("/nothing", USER).body["code"] == "PGRST205"
    renamed = rest.ask(f"/profiles?id=eq.{SOMEBODY}", USER, method="PATCH", body={"display_name": "renamed"})
    assert renamed.status == 204
    assert rest.ask("/profiles?select=display_name", SERVICE).body == [{"display_name": "renamed"}]
    rest.ask(f"/profiles?id=eq.{SOMEBODY}", USER, method="PATCH", body={"display_name": "one"})


REFUSED = {
    "nothing signed": f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{encoded(claims())}.",
    "another key": sign(claims(), STRANGER),
    "another key under a known name": sign(claims(), {**STRANGER, "kid": PRESENT["kid"]}),
    "public key as a shared secret": sign(
        claims(), {**symmetric_key("x" * 32), "k": encoded({"x": PAIR["x"]}), "kid": PAIR["kid"]}
    ),
    "changed claims": USER.split(".")[0] + "." + encoded(claims(role="service_role")) + "." + USER.split(".")[2],
    "expired": sign(claims(exp=now() - 60), PRESENT),
    "not yet valid": sign(claims(nbf=now() + 600), PRESENT),
    "for somebody else": sign(claims(aud="elsewhere"), PRESENT),
    "no token": "sb_publishable_something",
    "times that are no numbers": sign(claims(exp="tomorrow"), PRESENT),
}


@pytest.mark.parametrize("token", REFUSED.values(), ids=REFUSED.keys())
def test_a_token_is_refused(rest: Service, token: str) -> None:
    refused = rest.ask("/profiles", token)
    assert refused.status == 401
    assert refused.body["code"] in {"PGRST301", "PGRST303"}
    assert refused.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("key", [BEFORE, PAIR], ids=["the key before", "the pair"])
def test_every_key_of_the_set_is_accepted(rest: Service, key: dict[str, Any]) -> None:
    assert rest.ask("/profiles?select=id", sign(claims(), key)).body == [{"id": SOMEBODY}]


def test_keys_change_without_a_restart(rest: Service, keys: Path) -> None:
    token = sign(claims(), STRANGER)
    started = docker("inspect", "--format", "{{.State.StartedAt}}", rest.name)
    (keys / "jwks.json").write_text(key_set([STRANGER]))
    docker("kill", "--signal=USR2", rest.name)
    rest.wait(lambda: rest.ask("/profiles", token).status == 200)
    assert rest.ask("/profiles", USER).status == 401
    (keys / "jwks.json").write_text(key_set([PRESENT, BEFORE, PAIR]))
    docker("kill", "--signal=USR2", rest.name)
    rest.wait(lambda: rest.ask("/profiles", USER).status == 200)
    assert docker("inspect", "--format", "{{.State.StartedAt}}", rest.name) == started


def test_the_account_of_a_token_is_looked_at(rest: Service, database: Cluster) -> None:
    with database.connect() as session:
        session.execute("update auth.users set banned_until = now() + interval '1 hour'")
        try:
            banned, service = rest.ask("/profiles", USER), rest.ask("/profiles", SERVICE)
        finally:
            session.execute("update auth.users set banned_until = null")
    assert (banned.status, banned.body["message"]) == (403, "the account of this token is closed")
    assert service.status == 200
    assert rest.ask("/", sign(claims(sub=None), PRESENT)).status == 403


def test_only_the_schemas_that_are_named_are_served(rest: Service) -> None:
    assert rest.ask("/profiles", SERVICE, Accept_Profile="bronze").body["code"] == "PGRST106"
    assert rest.ask("/nothing", SERVICE, Accept_Profile="gold").body["code"] == "PGRST205"


@pytest.fixture
def probe(database: Cluster) -> Iterator[str]:
    with database.connect() as session:
        session.execute(
            """
            create function public.probe() returns json language sql volatile as $$
              select json_build_object(
                'timeout', current_setting('statement_timeout'), 'path', current_setting('search_path'),
                'method', current_setting('request.method'), 'role', current_user,
                'claims', current_setting('request.jwt.claims')::json
              )
            $$;
            grant execute on function public.probe() to anon, authenticated;
            """
        )
        yield "/rpc/probe"
        session.execute("drop function public.probe()")


def test_a_new_function_is_served_at_once_with_the_settings_of_the_role(rest: Service, probe: str) -> None:
    rest.wait(lambda: rest.ask(probe, SERVICE, method="POST", body={}).status == 200)
    got = {role: rest.ask(probe, token, method="POST", body={}).body for role, token in
           {"anon": ANON, "authenticated": USER, "service_role": SERVICE}.items()}  # fmt: skip
    assert {role: answer["timeout"] for role, answer in got.items()} == {
        "anon": "3s", "authenticated": "8s", "service_role": "8s",
    }  # fmt: skip
    assert {role: answer["role"] for role, answer in got.items()} == {role: role for role in got}
    assert got["authenticated"]["claims"]["sub"] == SOMEBODY
    assert got["anon"]["path"] == '"public", "public", "extensions"'
    assert rest.ask(probe).body["claims"] == {"role": "anon"}


def test_reading_does_not_write(rest: Service, database: Cluster) -> None:
    with database.connect() as session:
        session.execute(
            "create function public.writes() returns void language sql volatile as "
            "$$ insert into public.organizations (name, slug) values ('x', 'x') $$; "
            "grant execute on function public.writes() to service_role"
        )
        try:
            rest.wait(lambda: rest.ask("/rpc/writes", SERVICE, method="GET").status != 404)
            assert rest.ask("/rpc/writes", SERVICE, method="GET").status == 405
        finally:
            session.execute("drop function public.writes()")


def test_an_answer_has_no_more_rows_than_allowed(rest: Service, database: Cluster) -> None:
    with database.connect() as session:
        session.execute(
            "insert into public.organizations (name, slug) select 'o', 'o-' || n from generate_series(1, 9) as n"
        )
        try:
            assert len(rest.ask("/organizations", SERVICE).body) == 5
        finally:
            session.execute("delete from public.organizations where name = 'o'")


def test_the_document_at_the_root_has_what_the_role_may_use(rest: Service) -> None:
    for_all, for_users = rest.ask("/", ANON).body, rest.ask("/", USER).body
    assert set(for_all["paths"]) == {"/"}
    assert {"/profiles", "/organizations", "/rpc/create_organization"} <= set(for_users["paths"])
    assert set(for_users["paths"]["/profiles"]) == {"get", "patch"}
    assert for_users["definitions"]["profiles"]["properties"]["id"]["format"] == "uuid"
    assert (for_users["host"], for_users["basePath"]) == ("api.example.test", "/rest/v1")


@pytest.mark.parametrize(
    "path",
    [
        "/profiles?id=eq.1';drop table x;--",
        "/profiles?select=%00",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/%ff%fe",
        "/profiles?display_name=eq.a%00b",
        "/profiles?order=id;select",
        "/rpc/%22;select",
    ],
)
def test_odd_requests_are_refused_and_harm_nothing(rest: Service, path: str) -> None:
    assert 400 <= rest.ask(path.replace(" ", "%20"), USER).status < 500
    assert rest.ask(path.replace(" ", "%20"), USER, method="TRACE").status == 405
    assert rest.ask("/ready", port=ADMIN_PORT).status == 200


@pytest.fixture(scope="module")
def auth(database: Cluster) -> Iterator[Service]:
    settings = {
        "GOTRUE_DB_DRIVER": "postgres",
        "GOTRUE_DB_DATABASE_URL": f"postgres://supabase_auth_admin@{database.host}:5432/postgres?sslmode=disable",
        "GOTRUE_DB_MAX_POOL_SIZE": "5",
        "GOTRUE_API_PORT": str(PORT),
        "API_EXTERNAL_URL": "https://api.example.test/auth/v1",
        "GOTRUE_SITE_URL": "https://example.test",
        "GOTRUE_JWT_SECRET": SECRET,
        "GOTRUE_JWT_KEYS": signing_keys([PAIR, PRESENT]),
        "GOTRUE_JWT_AUD": "authenticated",
        "GOTRUE_MAILER_AUTOCONFIRM": "true",
        "GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_ENABLED": "true",
        "GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_URI": "pg-functions://postgres/tenancy/access_token_hook",
        "GOTRUE_RATE_LIMIT_OTP": "30",
    }
    try:
        service = run(f"{NAME}-auth", settings)
        service.wait(lambda: service.ask("/health").status == 200)
        yield service
    finally:
        remove_container(f"{NAME}-auth")


def test_a_session_of_auth_opens_rest(auth: Service, rest: Service) -> None:
    account = {"email": "two@example.test", "password": "c0ffee-c0ffee", "data": {"name": "Two"}}
    signed_up = auth.ask("/signup", ANON, method="POST", body=account)
    assert signed_up.status == 200
    token = signed_up.body["access_token"]
    header, held = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    assert (header["alg"], header["kid"]) == ("ES256", PAIR["kid"])
    assert held["iss"] == "https://api.example.test/auth/v1"
    assert held["org_role"] == "owner"
    assert held["user_metadata"]["name"] == "Two"
    assert [row["id"] for row in rest.ask("/organizations?select=id", token).body] == [held["org_id"]]
    assert auth.ask("/user", token).body["email"] == account["email"]

    renewed = auth.ask(
        "/token?grant_type=refresh_token", method="POST", body={"refresh_token": signed_up.body["refresh_token"]}
    )
    assert rest.ask("/profiles?select=display_name", renewed.body["access_token"]).body == [{"display_name": "Two"}]
    wrong = auth.ask("/token?grant_type=password", method="POST", body={**account, "password": "wrong"})
    assert (wrong.status, wrong.body["error_code"]) == (400, "invalid_credentials")


def test_auth_takes_no_token_of_others(auth: Service) -> None:
    for token in (REFUSED["nothing signed"], REFUSED["another key"], REFUSED["expired"]):
        assert auth.ask("/user", token).status in {401, 403}


def test_auth_publishes_the_public_half_alone(auth: Service) -> None:
    (published,) = auth.ask("/.well-known/jwks.json").body["keys"]
    assert published["kid"] == PAIR["kid"]
    assert "d" not in published


def test_auth_says_what_only_the_real_service_obeys(auth: Service) -> None:
    assert "only the real service obeys GOTRUE_RATE_LIMIT_OTP" in docker("logs", auth.name)
    assert docker("exec", auth.name, "wget", "--quiet", "--spider", f"http://localhost:{PORT}/health") == ""
