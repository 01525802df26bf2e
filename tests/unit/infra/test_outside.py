import socket
from collections.abc import Iterator

import pytest

from infra.outside import Check, check_ports, check_records, port_state


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
