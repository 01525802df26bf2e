"""The gateway's stand-in with the rendered kong.yml, asked over HTTP: what each route lets through and what it refuses.

The expectations follow from the component table; the texts are those of Kong 3.9.
"""

import copy
import http.client
import itertools
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.filter.kong import Route, gateway_routes, kong_configuration, kong_plugins
from sandbox import image
from sandbox.docker import DockerError, docker, remove_container
from tests.integration import gateway_upstreams
from tests.unit.project import components

pytestmark = pytest.mark.integration

NAME = f"test-gateway-{os.getpid()}"
PROXY, STATUS = (
    next(p["port"] for p in components()["gateway"]["ports"] if p["name"] == n) for n in ("http", "status")
)
ANON, ANON_BEFORE, PUBLISHABLE = "anon.token.now", "anon.token.before", "sb_publishable_now"
SERVICE, SECRET = "service.token.now", "sb_secret_now"
SECRETS = {
    "anon_key": ANON,
    "anon_key_previous": ANON_BEFORE,
    "publishable_key": PUBLISHABLE,
    "service_role_key": SERVICE,
    "secret_key": SECRET,
}
LIMITS = {"client": 5000, "service": 6000}
JWKS = "/auth/v1/.well-known/jwks.json"
START_SECONDS = 20


def table() -> dict[str, dict[str, Any]]:
    """The component table when nothing is planned, with one route whose limit can be reached."""
    rows = {name: {**copy.deepcopy(row), "planned": False} for name, row in components().items()}
    for route in rows["auth"]["routes"]:
        if route.get("exact") == JWKS:
            route["per_minute"] = 3
    return rows


ROUTES = gateway_routes(table(), 4)
OPEN = [route for route in ROUTES if route.access != "closed"]


def document(**changes: Any) -> str:
    inputs: dict[str, Any] = {
        "secrets": SECRETS,
        "limits": LIMITS,
        "origins": ["*"],
        "redis": {
            "host": "counters",
            "port": gateway_upstreams.REDIS_PORT,
            "username": gateway_upstreams.USER,
            "password": gateway_upstreams.PASSWORD,
        },
        "connect_seconds": START_SECONDS,
    }
    return yaml.safe_dump(kong_configuration(table(), 4, **{**inputs, **changes}), sort_keys=False)


@dataclass(frozen=True)
class Answer:
    """What came back; the echo's body says what the service saw."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def seen(self) -> dict[str, str]:
        headers: dict[str, str] = self.body["headers"]
        return headers


@dataclass(frozen=True)
class Gateway:
    address: str
    folder: Path

    def ask(
        self,
        path: str,
        key: str | None = None,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: bytes | Iterator[bytes] | None = None,
        port: int = PROXY,
    ) -> Answer:
        client = http.client.HTTPConnection(self.address, port, timeout=20)
        sent = {**({"apikey": key} if key else {}), **(headers or {})}
        client.request(
            method, path, body=body, headers=sent, encode_chunked=body is not None and not isinstance(body, bytes)
        )
        got = client.getresponse()
        text = got.read()
        client.close()
        found = {name.lower(): value for name, value in got.getheaders()}
        return Answer(got.status, found, json.loads(text) if text and "json" in found.get("content-type", "") else text)

    def declare(self, text: str) -> None:
        scratch = self.folder / "kong.yml.new"
        scratch.write_text(text)
        scratch.chmod(0o644)
        scratch.rename(self.folder / "kong.yml")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    built = image.build("gateway")
    folder = tmp_path_factory.mktemp("gateway")
    folder.chmod(0o755)
    ports = sorted({route.port for route in OPEN})
    aliases = [
        word for name in {route.component for route in OPEN} | {"counters"} for word in ("--network-alias", name)
    ]
    program = Path(gateway_upstreams.__file__)
    try:
        docker("network", "create", NAME)
        nearby = docker("network", "inspect", NAME, "--format", "{{(index .IPAM.Config 0).Gateway}}")
        docker(
            "run", "--detach", "--name", f"{NAME}-services", "--network", NAME, *aliases, "--user", "0",
            "--volume", f"{program}:/upstreams.py:ro", built, "python3", "/upstreams.py", *map(str, ports),
        )  # fmt: skip
        settings = {
            "DATABASE": "off",
            "DECLARATIVE_CONFIG": "/etc/gateway/kong.yml",
            "ADMIN_LISTEN": "off",
            "ADMIN_GUI_LISTEN": "off",
            "PROXY_LISTEN": f"0.0.0.0:{PROXY} reuseport backlog=16384",
            "STATUS_LISTEN": f"0.0.0.0:{STATUS}",
            "PLUGINS": kong_plugins({}),
            "TRUSTED_IPS": nearby,
            "REAL_IP_HEADER": "X-Real-IP",
            "PORT_MAPS": f"443:{PROXY}",
            "NGINX_WORKER_PROCESSES": "1",
            "UPSTREAM_KEEPALIVE_POOL_SIZE": "0",
        }
        made = Gateway("", folder)
        made.declare(document())
        docker(
            "run", "--detach", "--name", NAME, "--network", NAME, "--read-only", "--cap-drop", "all",
            "--security-opt", "no-new-privileges", "--tmpfs", "/run/kong:mode=1777",
            "--volume", f"{folder}:/etc/gateway:ro",
            *(word for name, value in settings.items() for word in ("--env", f"KONG_{name}={value}")), built,
        )  # fmt: skip
        address = docker("inspect", NAME, "--format", f'{{{{(index .NetworkSettings.Networks "{NAME}").IPAddress}}}}')
        made = Gateway(address, folder)
        wait_until_ready(made)
        yield made
    finally:
        for container in (NAME, f"{NAME}-services"):
            remove_container(container)
        docker("network", "rm", NAME)


def wait_until_ready(gateway: Gateway) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            assert gateway.ask("/status/ready", port=STATUS).status == 200
            return
        except OSError:
            if time.monotonic() > deadline:
                raise AssertionError(docker("logs", NAME)) from None
            time.sleep(0.1)


ADDRESSES = (f"203.0.{host // 256}.{host % 256}" for host in itertools.count(1024))


def somebody_else() -> dict[str, str]:
    """A client address with counters of its own, as the trusted proxy tells it."""
    return {"X-Real-IP": next(ADDRESSES)}


def below(route: Route) -> str:
    return route.path if route.exact else f"{route.path}some/thing?of=it"


every_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
every_open_route = pytest.mark.parametrize("route", OPEN, ids=lambda route: route.name)


@every_route
@pytest.mark.parametrize("key", [None, "", "wrong", ANON, ANON_BEFORE, PUBLISHABLE, SERVICE, SECRET], ids=repr)
def test_each_route_takes_the_keys_that_the_table_gives_it(gateway: Gateway, route: Route, key: str | None) -> None:
    service = key in {SERVICE, SECRET}
    known = service or key in {ANON, ANON_BEFORE, PUBLISHABLE}
    expected, text = {
        "public": (200, None),
        "optional": (200, None),
        "key": (200, None) if known else (401, "Unauthorized" if key else "No API key found in request"),
        "service": (200, None) if service else (403, "You cannot consume this service") if known
        else (401, "Unauthorized" if key else "No API key found in request"),
        "closed": (403, "This endpoint is not public"),
    }[route.access]  # fmt: skip
    answer = gateway.ask(below(route), headers={**somebody_else(), **({} if key is None else {"apikey": key})})
    assert answer.status == expected
    assert text is None or answer.body["message"] == text
    if expected == 200:
        assert answer.body["port"] == route.port
        assert answer.body["path"] == (route.to if route.exact else f"{route.to}some/thing?of=it")


@pytest.mark.parametrize(
    "path",
    [
        "/", "/pg", "/pg/", "/pg/query", "/mcp", "/api/mcp", "/metrics", "/status", "/rest/v1", "/auth/v1",
        "/rest/v1evil/x", "/REST/v1/x", "/graphql/v1", "/auth/v2/token", "/auth/v1evil", "/admin",
        "/realtime/v1/websocket", "/..", "//",
        "/rest/v1/../../pg/query", "/rest/v1/%2e%2e/%2E%2E/pg/query", "/rest/v1//../../..//metrics", "/%2e%2e/pg",
    ],
)  # fmt: skip
def test_what_the_table_does_not_have_is_not_there_even_with_every_right(gateway: Gateway, path: str) -> None:
    answer = gateway.ask(path, SERVICE)
    # nginx itself refuses a path that climbs above the root.
    assert answer.status in {404, 400}, answer
    assert answer.status == 400 or answer.body["message"] == "no Route matched with those values"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/rest/v1/../../auth/v1/admin/users", 403),
        ("/rest/v1/%2e%2e/%2e%2e/auth/v1/admin/users", 403),
        ("/auth/v1/verify/../admin/users", 403),
        ("/auth/v1/./admin//users", 403),
        ("/auth/v1//admin/users", 403),
        ("/auth/v1/%61dmin/users", 403),
        ("/rest/v1/.", 403),
        ("/rest/v1/%2e", 403),
        ("/rest/v1//", 403),
        ("/rest/v1/x/..", 403),
        ("/rest/v1/?select=*", 403),
        ("/storage/v1/x/../metrics", 403),
        ("/realtime/v1/api/%74enants", 403),
    ],
)
def test_a_path_is_judged_by_where_it_leads(gateway: Gateway, path: str, status: int) -> None:
    assert gateway.ask(path, ANON).status == status


def test_an_encoded_slash_stays_one_segment_of_the_path_that_was_judged(gateway: Gateway) -> None:
    assert gateway.ask("/rest/v1/..%2f..%2fauth/v1/admin/users", ANON).body["path"] == "/..%2F..%2Fauth/v1/admin/users"
    assert gateway.ask("/auth/v1/verify%2f..%2fadmin").status == 401


@pytest.mark.parametrize(
    ("key", "own", "given"),
    [
        (ANON, None, f"Bearer {ANON}"),
        (ANON_BEFORE, None, f"Bearer {ANON}"),
        (PUBLISHABLE, None, f"Bearer {ANON}"),
        (PUBLISHABLE, f"Bearer {PUBLISHABLE}", f"Bearer {ANON}"),
        (PUBLISHABLE, f"bearer {SECRET}", f"Bearer {ANON}"),
        (PUBLISHABLE, "Bearer a.users.token", "Bearer a.users.token"),
        (SECRET, None, f"Bearer {SERVICE}"),
        (SECRET, f"Bearer {SECRET}", f"Bearer {SERVICE}"),
        (SECRET, "Bearer a.users.token", "Bearer a.users.token"),
        (SERVICE, "", f"Bearer {SERVICE}"),
    ],
)
def test_services_get_a_token_and_never_a_key(gateway: Gateway, key: str, own: str | None, given: str) -> None:
    answer = gateway.ask("/rest/v1/rows", key, headers=None if own is None else {"Authorization": own})
    assert answer.seen["authorization"] == given
    assert "apikey" not in answer.seen
    assert "sb_" not in json.dumps(answer.seen)


def test_a_key_where_none_is_needed_counts_all_the_same(gateway: Gateway) -> None:
    assert gateway.ask("/storage/v1/object", SECRET).seen["authorization"] == f"Bearer {SERVICE}"
    assert "authorization" not in gateway.ask("/storage/v1/object").seen


def test_a_key_in_the_query_or_twice_is_none(gateway: Gateway) -> None:
    assert gateway.ask(f"/rest/v1/rows?apikey={SERVICE}").status == 401
    client = http.client.HTTPConnection(gateway.address, PROXY, timeout=10)
    client.putrequest("GET", "/rest/v1/rows")
    client.putheader("apikey", ANON)
    client.putheader("apikey", SERVICE)
    client.endheaders()
    got = client.getresponse()
    assert got.status == 401
    assert json.loads(got.read())["message"] == "Duplicate API key found"
    client.close()


def test_who_calls_is_said_by_the_gateway_alone(gateway: Gateway) -> None:
    smuggled = {
        "X-Consumer-Username": "service_role",
        "X-Consumer-Groups": "service_role",
        "X-Credential-Identifier": "x",
        "api_key": SERVICE,
        "apikey ": SERVICE,
        "X-Api-Key": SERVICE,
    }
    for name, value in smuggled.items():
        try:
            answer = gateway.ask("/rest/v1/rows", ANON, headers={name: value})
        except ValueError:
            continue  # The client refuses to send it.
        assert answer.status in {200, 400}
        if answer.status == 200:
            assert answer.seen["x-consumer-username"] == "anon"
            assert answer.seen["authorization"] == f"Bearer {ANON}"
            assert "x-consumer-groups" not in answer.seen
            assert "x-credential-identifier" not in answer.seen


FORWARDED = {
    "X-Real-IP": "198.51.100.7",
    "X-Forwarded-For": "198.51.100.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "api.example.test",
    "X-Forwarded-Port": "443",
}


def test_the_trusted_proxy_is_believed(gateway: Gateway) -> None:
    seen = gateway.ask("/rest/v1/rows", ANON, headers=FORWARDED).seen
    assert {name: seen[name.lower()] for name in FORWARDED} | {"X-Forwarded-For": "198.51.100.7"} == FORWARDED
    assert seen["x-forwarded-for"].split(", ")[0] == "198.51.100.7"
    assert seen["x-forwarded-prefix"] == "/rest/v1"
    assert seen["host"] == f"rest:{components()['rest']['ports'][0]['port']}"


def test_nobody_else_is(gateway: Gateway) -> None:
    ask = (
        "import json,urllib.request as u;"
        f"r=u.Request('http://{NAME}:{PROXY}/rest/v1/rows',headers={ {**FORWARDED, 'apikey': ANON}!r});"
        "print(u.urlopen(r).read().decode())"
    )
    seen = json.loads(docker("exec", f"{NAME}-services", "python3", "-c", ask))["headers"]
    address = docker(
        "inspect", f"{NAME}-services", "--format", f'{{{{(index .NetworkSettings.Networks "{NAME}").IPAddress}}}}'
    )
    assert seen["x-real-ip"] == address
    assert seen["x-forwarded-for"].endswith(address)
    assert seen["x-forwarded-proto"] == "http"
    assert seen["x-forwarded-host"] == NAME
    assert seen["x-forwarded-port"] == "443", "the port map holds"


def test_browsers_may_ask_from_anywhere_and_before_they_have_a_key(gateway: Gateway) -> None:
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "apikey,authorization",
    }
    answer = gateway.ask("/rest/v1/rows", method="OPTIONS", headers=asked)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-headers"] == "apikey,authorization"
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert gateway.ask("/rest/v1/rows", method="OPTIONS").status == 401, "this is no preflight"
    assert gateway.ask("/nowhere", method="OPTIONS", headers=asked).status == 404


@pytest.mark.parametrize(("path", "key"), [("/rest/v1/rows", ANON), ("/rest/v1/rows", None), ("/rest/v1/", ANON)])
def test_answers_allow_the_browser_to_read_them_once(gateway: Gateway, path: str, key: str | None) -> None:
    client = http.client.HTTPConnection(gateway.address, PROXY, timeout=10)
    client.request("GET", path, headers={"Origin": "https://app.example", **({"apikey": key} if key else {})})
    got = client.getresponse()
    got.read()
    assert got.msg.get_all("Access-Control-Allow-Origin") == ["*"]
    assert "Content-Range" in got.msg["Access-Control-Expose-Headers"]
    client.close()


@every_open_route
def test_a_body_may_be_as_large_as_the_table_says(gateway: Gateway, route: Route) -> None:
    allowed = b"x" * (route.body_mb * 1024 * 1024)

    def post(body: bytes | Iterator[bytes]) -> Answer:
        return gateway.ask(below(route), SERVICE, method="POST", body=body, headers=somebody_else())

    assert post(allowed).body["body_bytes"] == len(allowed)
    if route.streams:
        assert post(iter([allowed, b"more"])).body["body_bytes"] == len(allowed) + 4
        return
    for body in (allowed + b"x", iter([allowed, b"x"])):
        answer = post(body)
        assert answer.status == 413
        assert answer.body["message"] == "Request size limit exceeded"


def test_one_client_address_has_its_limit_and_another_one_its_own(gateway: Gateway) -> None:
    # Not across the end of a minute, where the counters begin anew.
    time.sleep(max(0, 5 - (60 - time.time() % 60)) + 0.1)
    answers = [gateway.ask(JWKS, headers={"X-Real-IP": "203.0.113.1"}) for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[0].headers["ratelimit-limit"] == "3"
    assert [answer.headers["ratelimit-remaining"] for answer in answers[:3]] == ["2", "1", "0"]
    refused = answers[-1]
    assert refused.body["message"] == "API rate limit exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert gateway.ask(JWKS, headers={"X-Real-IP": "203.0.113.2"}).status == 200


def test_each_key_has_the_limit_of_its_role_on_each_route(gateway: Gateway) -> None:
    for key, limit in ((ANON, "client"), (PUBLISHABLE, "client"), (SERVICE, "service"), (SECRET, "service")):
        answer = gateway.ask("/rest/v1/rows", key, headers={"X-Real-IP": "203.0.113.3"})
        assert answer.headers["ratelimit-limit"] == str(LIMITS[limit])
    auth = gateway.ask("/auth/v1/user", ANON, headers={"X-Real-IP": "203.0.113.3"})
    assert auth.headers["ratelimit-limit"] == "1200"
    assert auth.headers["ratelimit-remaining"] == "1199", "the requests to another route do not count here"


def test_every_request_has_a_name_that_service_and_client_see(gateway: Gateway) -> None:
    answer = gateway.ask("/rest/v1/rows", ANON)
    assert answer.headers["x-request-id"] == answer.seen["x-request-id"]
    assert len(answer.headers["x-request-id"]) == 36
    assert gateway.ask("/rest/v1/rows", ANON, headers={"X-Request-Id": "mine"}).headers["x-request-id"] == "mine"
    assert gateway.ask("/rest/v1/rows", "wrong").headers["x-request-id"]


def test_health_and_metrics_have_their_own_door(gateway: Gateway) -> None:
    gateway.ask("/rest/v1/rows", ANON)
    assert gateway.ask("/status", port=STATUS).body["configuration_hash"]
    metrics = gateway.ask("/metrics", port=STATUS).body.decode()
    assert 'kong_http_requests_total{service="rest-v1",route="rest-v1",code="200",source="service"}' in metrics
    assert gateway.ask("/rest/v1/rows", SERVICE, port=STATUS).status == 404
    assert docker("exec", NAME, "kong", "health") == "Kong is healthy"


def test_keys_change_under_a_request_that_is_under_way(gateway: Gateway) -> None:
    answers: list[Answer] = []
    slow = threading.Thread(target=lambda: answers.append(gateway.ask("/rest/v1/rows?sleep=3", ANON)))
    slow.start()
    time.sleep(0.5)
    gateway.declare(document(secrets={**SECRETS, "anon_key": "anon.token.next", "anon_key_previous": ANON}))
    docker("exec", NAME, "kong", "reload")
    try:
        deadline = time.monotonic() + START_SECONDS
        while gateway.ask("/rest/v1/rows", "anon.token.next").status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        slow.join()
        assert answers[0].status == 200
        assert gateway.ask("/rest/v1/rows", ANON).seen["authorization"] == "Bearer anon.token.next"
        assert gateway.ask("/rest/v1/rows", ANON_BEFORE).status == 401
    finally:
        gateway.declare(document())
        docker("exec", NAME, "kong", "reload")


def test_a_file_that_is_not_understood_changes_nothing(gateway: Gateway) -> None:
    strange = yaml.safe_load(document())
    strange["services"][0]["routes"][0]["methods"] = ["GET"]
    gateway.declare(yaml.safe_dump(strange))
    try:
        for command in (["kong", "reload"], ["kong", "config", "parse", "/etc/gateway/kong.yml"]):
            with pytest.raises(DockerError, match="in 'methods': unknown field"):
                docker("exec", NAME, *command)
        assert gateway.ask("/rest/v1/rows", ANON).status == 200
    finally:
        gateway.declare(document())


def test_counters_that_do_not_answer_stop_nobody(gateway: Gateway) -> None:
    gateway.declare(document(redis={"host": "counters", "port": 1, "username": "gateway", "password": "x"}))
    docker("exec", NAME, "kong", "reload")
    try:
        deadline = time.monotonic() + START_SECONDS
        while "ratelimit-limit" in gateway.ask("/rest/v1/rows", ANON).headers:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert gateway.ask("/rest/v1/rows", ANON).status == 200
        logs = subprocess.run(["docker", "logs", NAME], capture_output=True, text=True, check=True)
        assert "failed to get usage" in logs.stderr
    finally:
        gateway.declare(document())
        docker("exec", NAME, "kong", "reload")


def test_the_image_says_what_it_is() -> None:
    assert docker("image", "inspect", image.build("gateway"), "--format", '{{index .Config.Labels "stand-in"}}')
