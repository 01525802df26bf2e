"""What the pages about the API say, and that nothing written in the database gets onto them as markup."""

import re
from typing import Any

import pytest

from plugins.filter.documentation import api_page, database_page
from plugins.filter.kong import api_routes
from tests.unit.project import ROLES, components, read_yaml

BASE = "https://api.a.test"
SCRIPT = "<script>alert('x')</script>"
USUAL = read_yaml(next(role for role in ROLES if role.name == "docs") / "vars" / "main.yml")["__docs_usual"]


def everything_built() -> dict[str, Any]:
    return {name: {**row, "planned": False} for name, row in components().items()}


def api(phase: int = 4, sync: str = "") -> str:
    titles = {name: row["title"] for name, row in components().items()}
    routes = api_routes(everything_built(), phase)
    return api_page(routes, USUAL, titles=titles, domain="a.test", base=BASE, private="database", sync=sync)


def test_the_page_about_the_sync_is_linked_where_there_is_one() -> None:
    assert '<a href="/sync/">' in api(sync="sync")
    assert "/sync/" not in api()


def column(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "text", "nullable": True, "filled": False, "key": False, "comment": None, **more}


def relation(name: str, schema: str = "public", **more: Any) -> dict[str, Any]:
    return {
        "schema": schema,
        "name": name,
        "default_schema": schema == "public",
        "kind": "table",
        "comment": None,
        "row_security": True,
        "columns": [column("id", key=True, filled=True, nullable=False), column("name", nullable=False)],
        "rights": {"anon": [], "authenticated": ["insert", "select"], "service_role": ["delete"]},
        **more,
    }


def function(name: str, **more: Any) -> dict[str, Any]:
    arguments = [{"name": "token", "type": "text", "optional": False}]
    return {
        "schema": "public",
        "name": name,
        "default_schema": True,
        "comment": None,
        "returns": "uuid",
        "arguments": arguments,
        "callers": ["authenticated"],
        **more,
    }


def database(*relations: dict[str, Any], functions: tuple[dict[str, Any], ...] = ()) -> str:
    return database_page({"relations": relations, "functions": functions}, "a.test", BASE)


def test_every_open_route_is_on_the_page_and_no_closed_one() -> None:
    page = api()
    for route in api_routes(everything_built(), 4):
        shown = f"<code>{route['path']}{'' if route['exact'] else '…'}</code>" in page
        assert shown is (route["access"] != "closed"), route["path"]


def test_a_phase_has_its_own_routes_alone() -> None:
    assert "/storage/v1/" not in api(phase=1)
    assert "/auth/v1/" in api(phase=1)


def test_the_usual_calls_lead_to_routes_that_exist() -> None:
    prefixes = [route["path"] for route in api_routes(everything_built(), 4)]
    for component, calls in USUAL.items():
        for call in calls:
            path = call["call"].split()[1]
            assert any(path.startswith(prefix) for prefix in prefixes), f"{component}: {path}"


def test_the_page_for_everybody_holds_no_key() -> None:
    assert not re.search(r"eyJ\w|sb_\w+_\w{10}", api())


def test_every_relation_and_function_is_named_with_what_it_takes() -> None:
    page = database(relation("notes"), relation("sales", "gold"), functions=(function("join_us"),))
    assert re.findall(r'data-relation="([^"]+)"', page) == ["public.notes", "gold.sales"]
    assert re.findall(r'data-function="([^"]+)"', page) == ["public.join_us"]
    assert "/rest/v1/notes?select=*&amp;limit=10" in page
    assert "Accept-Profile: gold" in page
    assert page.count("Accept-Profile") == 1
    assert "rpc/join_us" in page
    assert "&quot;token&quot;: ..." in page


def test_columns_say_what_a_client_must_send() -> None:
    page = database(relation("notes"))
    assert "<td>key, filled when left out</td>" in page
    assert "<td>required</td>" in page


def test_rights_are_a_row_for_each_role() -> None:
    page = database(relation("notes"))
    for role, cells in [("anon", ["", "", "", ""]), ("authenticated", ["yes", "yes", "", ""]), ("service_role", ["", "", "", "yes"])]:  # fmt: skip # noqa: E501
        assert f"<td><code>{role}</code></td>" + "".join(f"<td>{cell}</td>" for cell in cells) in page


def test_a_view_is_not_called_open_because_it_has_no_policies_of_its_own() -> None:
    assert "row security off" in database(relation("t", row_security=False))
    assert "row security" not in database(relation("v", kind="view", row_security=False))


def test_an_empty_database_says_so() -> None:
    assert "Nothing is served yet." in database()


@pytest.mark.parametrize(
    "page",
    [
        database(relation(SCRIPT)),
        database(relation("t", SCRIPT)),
        database(relation("t", comment=SCRIPT)),
        database(relation("t", columns=[column(SCRIPT, type=SCRIPT, comment=SCRIPT)])),
        database(functions=(function(SCRIPT, comment=SCRIPT, returns=SCRIPT),)),
        database(functions=(function("f", arguments=[{"name": SCRIPT, "type": SCRIPT, "optional": True}]),)),
        api_page([], {}, titles={}, domain=SCRIPT, base=SCRIPT, private=SCRIPT),
    ],
)
def test_what_is_written_in_the_database_stays_text(page: str) -> None:
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_pages_load_nothing_from_elsewhere_and_run_nothing() -> None:
    for page in (api(), database(relation("notes"), functions=(function("f"),))):
        assert re.findall(
            r'(?:src|href)="([^"#]+)"', page.replace('href="/database/"', "").replace('href="/"', "")
        ) == ["/style.css"]
        assert not re.search(r"<script|style=|\son\w+=", page)
