"""What people see: the documentation and the dashboard, in a real browser, through name, TLS and password."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from infra import components
from infra.components import platform as settings
from ops.connect import Server
from tests.e2e.browser import Browser, browser
from tests.e2e.edge import Edge
from tests.e2e.platform import Platform
from tests.unit.project import ROLES

SURFACE = next(role for role in ROLES if role.name == "docs") / "files" / "surface.sql"
PRIVATE = f"/{settings()['platform_documentation']['private']}/"
SCHEMAS = settings()["platform_api_schemas"]


@pytest.fixture(scope="module")
def window(platform: Platform) -> Iterator[Browser]:
    with browser(platform) as opened:
        yield opened


@pytest.fixture(scope="module")
def served(server: Server) -> list[tuple[str, str]]:
    """Every table and view that REST serves, by schema and name, as the database says."""
    found = server.run(
        f"psql --username=postgres --no-psqlrc --quiet --tuples-only --no-align --set=schemas={','.join(SCHEMAS)}",
        SURFACE.read_text(),
    )
    rows = [(str(row["schema"]), str(row["name"])) for row in json.loads(found)["relations"]]
    assert len(rows) > 3, "nothing is served, so nothing could be missing"
    return rows


def secret(platform: Platform, name: str) -> str:
    return str(platform.outputs["secrets"][name])


def basic(user: str, password: str) -> tuple[str, str]:
    return "Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def reads_well(window: Browser) -> None:
    """The page came, complete and styled, and the browser has nothing to complain about."""
    assert window.status == 200
    assert window.run("return document.styleSheets.length") == 1
    assert window.run("return document.documentElement.scrollWidth <= window.innerWidth"), "it scrolls sideways"
    # Browsers ask for an icon by themselves.
    assert [line for line in window.complaints() if "favicon.ico" not in line] == []


def test_the_api_s_page_tells_a_stranger_where_to_go(
    window: Browser, edge: Edge, served: list[tuple[str, str]]
) -> None:
    window.open(edge.domain, "/")
    reads_well(window)
    assert window.title == f"API of {edge.domain}"
    assert f"https://{edge.api}" in window.texts("p code")
    headings = window.texts("h2")
    present = [row for row in components.load().of_phase(1) if row.paths and not row.planned]
    for row in present:
        assert row.title in headings
        assert any(text.startswith(row.paths[0]) for text in window.texts("td code"))
    (text,) = window.texts("main")
    assert [f"{schema}.{name}" for schema, name in served if f"{schema}.{name}" in text] == []
    window.screenshot("api")


def test_the_page_about_the_database_names_every_table_that_is_served(
    window: Browser, edge: Edge, platform: Platform, served: list[tuple[str, str]]
) -> None:
    window.open(edge.domain, PRIVATE, "reader", secret(platform, "docs_password"))
    reads_well(window)
    shown: list[str] = window.run(
        "return [...document.querySelectorAll('[data-relation]')].map(e => e.dataset.relation)"
    )
    assert sorted(shown) == sorted(f"{schema}.{name}" for schema, name in served)
    assert "public.organizations" in shown
    assert [name for name in shown if name.startswith("bronze.")] == []
    # What a person does: finds a table in the list, and follows its link to what it has.
    window.follow("organizations")
    assert window.place.endswith("#relation-public.organizations")
    assert "slug" in window.texts("td code")
    window.screenshot("database")


def test_the_page_about_the_database_is_not_for_strangers(edge: Edge, platform: Platform) -> None:
    assert edge.ask(edge.domain, PRIVATE).status == 401
    wrong = [basic("reader", "wrong"), basic("operator", secret(platform, "docs_password"))]
    for header in wrong:
        assert edge.ask(edge.domain, PRIVATE, headers=[header]).status == 401
    right = basic("reader", secret(platform, "docs_password"))
    assert edge.ask(edge.domain, PRIVATE, headers=[right]).status == 200
    assert edge.ask(edge.domain, f"{PRIVATE}index.html").status == 401


@pytest.mark.skipif(components.load()["rest"].planned, reason="there is no REST yet to compare the page with")
def test_the_page_names_what_rest_itself_says_it_serves(
    edge: Edge, platform: Platform, served: list[tuple[str, str]]
) -> None:
    key = ("apikey", secret(platform, "secret_key"))
    for schema in SCHEMAS:
        answer = edge.ask(edge.api, "/rest/v1/", headers=[key, ("Accept-Profile", schema)])
        assert answer.status == 200, f"{schema}: {answer}"
        assert sorted(json.loads(answer.body)["definitions"]) == sorted(name for of, name in served if of == schema)
    for schema, name in served:
        rows = edge.ask(edge.api, f"/rest/v1/{name}?limit=0", headers=[key, ("Accept-Profile", schema)])
        assert rows.status == 200, f"{schema}.{name}: {rows}"
    bronze = edge.ask(edge.api, "/rest/v1/", headers=[key, ("Accept-Profile", "bronze")])
    assert bronze.status == 406, str(bronze)


def test_the_dashboard_shows_the_database(window: Browser, edge: Edge, platform: Platform, server: Server) -> None:
    if "stand-in" not in server.run("podman inspect studio --format '{{json .Config.Labels}}'"):
        pytest.skip("Studio itself runs here; this looks at its stand-in's pages")
    window.open(f"studio.{edge.domain}", "/", "operator", secret(platform, "studio_password"))
    reads_well(window)
    assert window.place.endswith("/project/default")
    assert "A stand-in for Studio" in window.texts("header")[0]
    assert "public" in [row.split()[0] for row in window.texts("tbody tr")]
    window.screenshot("dashboard")
    seen: dict[str, Any] = {}
    for page in ("Tables", "Policies", "Roles"):
        window.follow(page)
        reads_well(window)
        assert window.texts("h1") == [page]
        seen[page] = window.texts("main")[0]
        window.screenshot(f"dashboard-{page.lower()}")
    assert "public.organizations" in seen["Tables"]
    assert "row security on, for its owner too" in seen["Tables"]
    assert "profiles_select" in seen["Policies"]
    assert "service_role" in seen["Roles"]


def test_the_dashboard_is_not_for_strangers(edge: Edge, platform: Platform) -> None:
    name, password = f"studio.{edge.domain}", secret(platform, "studio_password")
    right = basic("operator", password)
    doors = ("/", "/project/default", "/api/platform/profile", "/api/platform/pg-meta/default/query", "/style.css")
    for path in doors:
        assert edge.ask(name, path).status == 401, path
        assert edge.ask(name, path, headers=[basic("operator", "wrong")]).status == 401, path
    assert edge.ask(name, "/api/platform/profile", headers=[right]).status == 200
    for path in ("/mcp", "/api/mcp", "/api/mcp/x", "/API/mcp/..%2fmcp"):
        assert edge.ask(name, path, headers=[right]).status in {400, 404}, path
    for path in ("/pg/tables", "/pg-meta/default/query"):
        assert edge.ask(edge.api, path).status == 404, path
