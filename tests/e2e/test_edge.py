"""The platform's names as strangers use them: TLS, what is refused, and what keeps working when certificates renew."""

import http.client
import json
import ssl
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from infra import components
from infra.outside import check_https
from ops.connect import Server
from tests.e2e.clients import at_work
from tests.e2e.edge import Edge
from tests.e2e.platform import Platform

INTERVAL_SECONDS = 0.02
SMUGGLED = "203.0.113.99"


def served_serial(edge: Edge, name: str) -> Any:
    with edge.connect(name) as connection:
        certificate = connection.getpeercert()
    assert certificate is not None
    return certificate["serialNumber"]


def test_every_name_has_a_valid_certificate_insists_on_it_and_leads_to_it(platform: Platform, edge: Edge) -> None:
    rows = check_https(edge.address, edge.names, platform.stack.ca_file)
    assert len(rows) == 3 * len(edge.names)
    assert [row for row in rows if not row.ok] == []


def test_all_names_are_in_one_certificate(edge: Edge) -> None:
    assert len({served_serial(edge, name) for name in edge.names}) == 1


@pytest.mark.parametrize("name", ["", "other.", "api.api."])
def test_an_unknown_name_gets_no_certificate(edge: Edge, name: str) -> None:
    unknown = f"{name}{edge.domain}" if name else edge.address
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name|handshake"):
        edge.connect(unknown)


def test_an_unknown_name_in_the_request_gets_no_answer(edge: Edge) -> None:
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        edge.ask(edge.api, "/", headers=[("Host", "other.test")])


@pytest.mark.parametrize(
    ("lowest", "highest", "ciphers"),
    [
        (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1, "DEFAULT@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA256"),
        (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, "AES128-GCM-SHA256"),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_old_versions_and_ciphers_are_refused(
    platform: Platform, edge: Edge, lowest: ssl.TLSVersion, highest: ssl.TLSVersion, ciphers: str
) -> None:
    context = ssl.create_default_context(cafile=platform.stack.ca_file)
    context.set_ciphers(ciphers)
    context.minimum_version, context.maximum_version = lowest, highest
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        edge.connect(edge.api, context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_modern_versions_and_http_2_are_spoken(platform: Platform, edge: Edge, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=platform.stack.ca_file)
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    with edge.connect(edge.api, context) as connection:
        assert connection.selected_alpn_protocol() == "h2"
        assert str(connection.version()).replace(".", "_") == version.name


def test_headers_protect_browsers_and_name_no_version(edge: Edge) -> None:
    for name in edge.names:
        answer = edge.ask(name, "/")
        assert answer.headers["X-Content-Type-Options"] == "nosniff", name
        assert answer.headers["Server"] == "nginx", name


@pytest.mark.parametrize(
    ("label", "path", "status"),
    [
        ("auth", "/rest/v1/t", 404),
        ("auth", "/", 404),
        ("auth", "/auth/v1/../../rest/v1/t", 400),
        ("auth", "/rest/v1/t%2f..%2f..%2f..%2fauth/v1/x", 400),
        ("", "/auth/v1/health", 404),
    ],
)
def test_a_name_lets_its_own_paths_through_alone(edge: Edge, label: str, path: str, status: int) -> None:
    assert edge.ask(f"{label}.{edge.domain}".lstrip("."), path).status == status


def test_an_oversized_body_is_refused(edge: Edge) -> None:
    assert edge.ask(edge.api, "/auth/v1/token", "POST", bytes(2 << 20)).status == 413


def test_studio_is_not_for_strangers(edge: Edge) -> None:
    studio = components.load()["studio"]
    assert edge.ask(f"studio.{edge.domain}", "/").status in ({503} if studio.planned else {401, 403})


def test_the_log_has_the_real_address_and_no_token(edge: Edge, server: Server) -> None:
    with edge.connect(edge.api) as connection:
        own = connection.getsockname()[0]
    path = f"/rest/v1/smuggling-{time.time_ns()}"
    forged = [("X-Forwarded-For", SMUGGLED), ("X-Real-IP", SMUGGLED), ("Referer", "https://a.test/?token=hidden-token")]
    edge.ask(edge.api, f"{path}?apikey=hidden-token", headers=forged)
    journal = server.run("sleep 1; journalctl --unit nginx --since '-1 min' --output cat --no-pager")
    lines = [json.loads(line) for line in journal.splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line["path"] == path]
    assert (line["address"], line["host"], line["tls"]) == (own, edge.api, "TLSv1.3")
    assert "hidden-token" not in journal
    assert SMUGGLED not in journal


@dataclass
class Seen:
    """What a client that asks all the time has seen."""

    requests: int = 0
    errors: list[str] = field(default_factory=list)
    serials: set[Any] = field(default_factory=set)


@contextmanager
def asking(edge: Edge) -> Iterator[Seen]:
    """Open a connection and ask, every 20 ms, for as long as the block runs."""
    seen = Seen()

    def client() -> Generator[None]:
        while True:
            try:
                seen.serials.add(served_serial(edge, edge.api))
                status = edge.ask(edge.domain, "/").status
                seen.requests += 1
                if status >= 500:
                    seen.errors.append(f"status {status}")
            except (OSError, http.client.HTTPException) as problem:
                seen.errors.append(f"{type(problem).__name__}: {problem}")
            yield

    with at_work(client(), pause=INTERVAL_SECONDS):
        yield seen


def test_a_renewal_loses_no_request(edge: Edge, server: Server) -> None:
    before = served_serial(edge, edge.api)
    with asking(edge) as seen:
        server.run("platform-certificate renew --force")
        deadline = time.monotonic() + 20
        while len(seen.serials) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
    assert seen.errors == []
    assert seen.requests > 20, "the client hardly ran, so its silence proves nothing"
    assert before in seen.serials
    assert len(seen.serials) == 2, "the client did not live through the change of certificates"


def test_a_renewed_certificate_is_no_drift(platform: Platform) -> None:
    from infra.converge import converge

    result = converge(platform.outputs, check=True, tags="nginx")
    assert result.ok
    assert result.drift == []
