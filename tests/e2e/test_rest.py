"""REST as clients reach it: by name, through TLS, edge and gateway, with each kind of key."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ops.connect import Server
from tests.e2e.edge import Answer, Edge
from tests.e2e.platform import Platform

SECONDS = 10
FUNCTION = "e2e_seconds_allowed"


@pytest.fixture(scope="module")
def keys(platform: Platform) -> dict[str, str]:
    secrets: dict[str, str] = platform.outputs["secrets"]
    return {name: secrets[name] for name in ("anon_key", "publishable_key", "service_role_key", "secret_key")}


def ask(edge: Edge, path: str, key: str | None = None, **headers: str) -> Answer:
    sent = [("apikey", key)] if key else []
    return edge.ask(edge.api, f"/rest/v1{path}", headers=[*sent, *headers.items()])


def document(answer: Answer) -> Any:
    assert answer.status == 200, answer
    return json.loads(answer.body)


@pytest.mark.parametrize("key", ["anon_key", "publishable_key"])
def test_nobody_in_particular_reads_no_table(edge: Edge, keys: dict[str, str], key: str) -> None:
    refused = ask(edge, "/profiles", keys[key])
    assert refused.status == 401
    assert json.loads(refused.body)["code"] == "42501"
    assert ask(edge, "/", keys[key]).status == 403


@pytest.mark.parametrize("key", ["service_role_key", "secret_key"])
def test_a_service_key_reads_what_is_served_and_nothing_else(edge: Edge, keys: dict[str, str], key: str) -> None:
    assert isinstance(document(ask(edge, "/profiles?limit=1", keys[key])), list)
    assert ask(edge, "/rows", keys[key], **{"Accept-Profile": "bronze"}).status == 406
    described = document(ask(edge, "/", keys[key]))
    assert {"/organizations", "/memberships", "/profiles"} <= set(described["paths"])
    assert (described["host"], described["basePath"]) == (edge.api, "/rest/v1")


def test_without_a_key_there_is_nothing(edge: Edge) -> None:
    assert ask(edge, "/profiles").status == 401


@pytest.fixture
def function(server: Server) -> Iterator[str]:
    def psql(statements: str) -> None:
        server.run("sudo -u postgres psql --quiet --set=ON_ERROR_STOP=1 --dbname=postgres", stdin=statements)

    psql(
        f"create or replace function public.{FUNCTION}() returns text language sql stable "
        "return current_setting('statement_timeout'); "
        f"grant execute on function public.{FUNCTION}() to anon;"
    )
    yield f"/rpc/{FUNCTION}"
    psql(f"drop function public.{FUNCTION}();")


def test_a_new_function_is_there_at_once_with_the_time_of_the_role(
    edge: Edge, keys: dict[str, str], function: str
) -> None:
    deadline = time.monotonic() + SECONDS
    while (found := ask(edge, function, keys["anon_key"])).status == 404 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert document(found) == "3s"
    assert document(ask(edge, function, keys["service_role_key"])) == "8s"
