from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, ClassVar

import pytest

from ops.errors import OperatorError
from ops.odoo_api import Json2, Odoo, OdooError, major_version


class Numbers:
    """A model with the records 1 to n."""

    def __init__(self, last: int) -> None:
        self._last = last
        self.asked: list[Mapping[str, Any]] = []

    def call(self, _model: str, _method: str, _ids: Sequence[int] | None, arguments: Mapping[str, Any], /) -> Any:
        self.asked.append(arguments)
        first = max((bound + 1 for name, _, bound in arguments["domain"] if name == "id"), default=1)
        return [{"id": number} for number in range(first, self._last + 1)][: arguments["limit"]]


@pytest.mark.parametrize(("records", "calls"), [(0, 1), (9, 1), (10, 2), (25, 3)])
def test_all_pages_are_read_and_none_twice(records: int, calls: int) -> None:
    model = Numbers(records)
    rows = Odoo(model).read("any", [], ["name"], page=10)
    assert [row["id"] for row in rows] == list(range(1, records + 1))
    assert len(model.asked) == calls


def test_archived_records_are_read_and_related_ones_come_as_ids() -> None:
    model = Numbers(1)
    Odoo(model).read("any", [], [])
    assert model.asked[0]["context"] == {"active_test": False}
    assert model.asked[0]["load"] is None


class Answers(BaseHTTPRequestHandler):
    """Answers every POST with the same status and body."""

    status: ClassVar[int]
    body: ClassVar[bytes]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    handler = type("Handler", (Answers,), {"status": status, "body": body})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_refusal_says_what_was_refused_and_leaves_the_call_stack_out() -> None:
    body = b'{"name": "odoo.exceptions.AccessError", "message": "No.", "debug": "Traceback: secret"}'
    with answering(403, body) as url, pytest.raises(OdooError) as caught:
        Odoo(Json2(url, "db", "key")).create("res.partner", [{}])
    assert str(caught.value) == "res.partner.create: Odoo answered 403 odoo.exceptions.AccessError: No."


def test_what_is_no_odoo_is_named_with_its_address() -> None:
    with answering(200, b"<html>") as url, pytest.raises(OperatorError, match=f"{url}.* does not answer as Odoo does"):
        major_version(url)


@pytest.mark.parametrize("version", [b"19", b'"saas~19"'])
def test_the_version_is_a_number(version: bytes) -> None:
    with answering(200, b'{"result": {"server_version_info": [%s, 0, 0, "final", 0, ""]}}' % version) as url:
        assert major_version(url) == 19


def test_an_address_is_one_of_the_web() -> None:
    with pytest.raises(OperatorError, match="starts with https://"):
        major_version("file:///etc/passwd")
