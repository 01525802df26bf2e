import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infra.outside import Check, check_https, check_ports, check_records, port_state


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.fixture
def silent() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port


def test_a_listening_port_is_open_and_an_unused_one_closed(listening: int, silent: int) -> None:
    assert port_state("127.0.0.1", listening) == "open"
    assert port_state("127.0.0.1", silent) == "closed"


def test_an_unexpected_open_port_fails(listening: int, silent: int) -> None:
    rows = check_ports("127.0.0.1", open_ports=[], shut_ports=[listening, silent])
    assert {row.check: row.ok for row in rows} == {f"tcp port {listening}": False, f"tcp port {silent}": True}


def test_a_missing_open_port_fails(listening: int, silent: int) -> None:
    rows = check_ports("127.0.0.1", open_ports=[listening, silent], shut_ports=[])
    assert {row.check: row.ok for row in rows} == {f"tcp port {listening}": True, f"tcp port {silent}": False}


def test_a_name_server_that_does_not_answer_is_a_failed_check(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.outside.DNS_SECONDS", 0.2)
    rows = check_records([{"name": "a.test", "type": "A", "value": "192.0.2.1"}], nameserver=f"127.0.0.1:{silent}")
    assert [(row.check, row.expected, row.ok) for row in rows] == [("A a.test", "192.0.2.1", False)]


def test_rows_are_plain_data() -> None:
    assert Check("c", "e", "s", ok=True).as_dict() == {"check": "c", "expected": "e", "seen": "s", "ok": True}


def test_a_server_without_tls_fails_with_a_row_for_each_name(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.outside.HTTPS_PORT", silent)
    monkeypatch.setattr("infra.outside.HTTP_PORT", silent)
    rows = check_https("127.0.0.1", ["a.test", "api.a.test"])
    assert [row.check for row in rows] == [
        "certificate of a.test",
        "http://a.test leads to",
        "certificate of api.a.test",
        "http://api.a.test leads to",
    ]
    assert not any(row.ok for row in rows)


class Edge(BaseHTTPRequestHandler):
    """Answers as the edge does, with TLS or without."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Strict-Transport-Security", "max-age=1")
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(308)
        self.send_header("Location", f"https://{self.headers['Host']}/")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Edge) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_only_a_certificate_of_who_is_trusted_for_the_right_name_is_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    words = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "9", "-subj", "/CN=a.test"]
    files = ["-addext", "subjectAltName=DNS:a.test", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *words, *files], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    with serving(context) as https, serving() as http:
        monkeypatch.setattr("infra.outside.HTTPS_PORT", https)
        monkeypatch.setattr("infra.outside.HTTP_PORT", http)
        good = check_https("127.0.0.1", ["a.test"], certificate)
        other_name = check_https("127.0.0.1", ["b.test"], certificate)
        nobody_s = check_https("127.0.0.1", ["a.test"])
    assert [(row.ok, row.seen.split()[0]) for row in good] == [
        (True, "valid"),
        (True, "max-age=1"),
        (True, "https://a.test/"),
    ]
    assert [row.ok for row in other_name] == [False, True]
    assert "not valid for 'b.test'" in other_name[0].seen
    assert [row.ok for row in nobody_s] == [False, True]
    assert "self-signed" in nobody_s[0].seen
