"""The pages of API documentation that the platform serves about itself. Whatever is written into them is escaped."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

Route = Mapping[str, Any]
Relation = Mapping[str, Any]

WHO = {
    "public": "anybody, without a key",
    "optional": "anybody; a key or a user's token counts",
    "key": "any API key",
    "service": "the secret key alone (service role)",
}
ROLES = ("anon", "authenticated", "service_role")
VERBS = ("select", "insert", "update", "delete")
MARK = "yes"
WITHOUT = "rows by the policies of the tables behind it"


def api_page(
    routes: Sequence[Route],
    usual: Mapping[str, Sequence[Mapping[str, str]]],
    *,
    titles: Mapping[str, str],
    domain: str,
    base: str,
    private: str,
    sync: str = "",
) -> str:
    """The page for everybody: where the API is, which key opens which path, and the calls that people begin with.

    `routes` are the gateway's, `usual` has call and meaning by component, `private` is where the other page is, and
    `sync`, in phases that have it, the one about the synchronisation.
    """
    opened = [route for route in routes if route["access"] in WHO]
    parts = [_begin(base)]
    for component in dict.fromkeys(str(route["component"]) for route in opened):
        own = [route for route in opened if route["component"] == component]
        parts.append(f'<h2 id="{escape(component)}">{escape(titles[component])}</h2>')
        if usual.get(component):
            parts.append(_table(["call", "what it does"], ([_code(c["call"]), c["does"]] for c in usual[component])))
        parts.append(_table(["path", "for whom", "largest body", "time to answer"], map(_route_cells, own)))
    parts.append(
        f'<h2>Tables and functions</h2>\n<p>What the database offers is on <a href="/{escape(private)}/">a page of its '
        "own</a>, which asks for a password: it names every table.</p>"
    )
    if sync:
        parts.append(
            "<h2>How the sync with Odoo is doing</h2>\n<p>What arrived and what waits for somebody is on "
            f'<a href="/{escape(sync)}/">a page of its own</a>, with the same password.</p>'
        )
    return _page(f"API of {domain}", parts)


def _begin(base: str) -> str:
    address = escape(base)
    keys = [
        ["publishable", "sb_publishable_", "the API as anon, a signed-in user's token says who asks", "apps, browsers"],
        ["secret", "sb_secret_", "the API as service_role, past every row policy", "servers alone"],
        ["anon, service_role", "eyJ", "the same two, as tokens", "as above"],
    ]
    return f"""<p>Every request goes to <code>{address}</code>. Client libraries take that address and a key:</p>
<pre>import {{ createClient }} from '@supabase/supabase-js'
const supabase = createClient('{address}', 'sb_publishable_...')</pre>
<h2>Keys</h2>
{_table(["key", "begins with", "what it opens", "where it may be"], keys)}
<p>A key goes into the header <code>apikey</code>, a signed-in user's token into <code>Authorization: Bearer</code>.
Too many requests get 429 with <code>Retry-After</code>; a path that is not listed here is 404.</p>"""


class _Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def _code(text: str) -> _Html:
    return _Html(f"<code>{escape(text)}</code>")


def _route_cells(route: Route) -> list[str]:
    path = _code(str(route["path"])) if route["exact"] else _Html(_code(f"{route['path']}…"))
    body = "decided by the service" if route["streams"] else f"{route['body_mb']} MB"
    return [path, WHO[str(route["access"])], body, f"{route['seconds']} s"]


def database_page(surface: Mapping[str, Sequence[Relation]], domain: str, base: str) -> str:
    """The page for those with the password: every table, view and function that REST serves, and to whom.

    `surface` has relations and functions as roles/docs/files/surface.sql gives them.
    """
    parts = [
        f"""<p>Served at <code>{escape(base)}</code>. Row policies decide which rows; the grants below decide what can
be asked for at all. <a href="/">Keys and addresses</a></p>"""
    ]
    schemas = dict.fromkeys(str(row["schema"]) for kind in ("relations", "functions") for row in surface[kind])
    parts += [_contents(schemas, surface)] if schemas else ["<p>Nothing is served yet.</p>"]
    for schema in schemas:
        parts.append(f'<h2 id="{escape(schema)}">Schema {escape(schema)}</h2>')
        parts += [_relation(row, base) for row in surface["relations"] if row["schema"] == schema]
        parts += [_function(row, base) for row in surface["functions"] if row["schema"] == schema]
    return _page(f"Database API of {domain}", parts)


def _contents(schemas: Iterable[str], surface: Mapping[str, Sequence[Relation]]) -> str:
    def names(schema: str) -> str:
        rows = [*surface["relations"], *surface["functions"]]
        links = [f'<a href="#{_anchor(row)}">{escape(row["name"])}</a>' for row in rows if row["schema"] == schema]
        return _Html(" · ".join(links))

    return _table(["schema", "what it has"], ([_code(schema), names(schema)] for schema in schemas))


def _anchor(row: Relation) -> str:
    kind = "function" if "arguments" in row else "relation"
    return escape(f"{kind}-{row['schema']}.{row['name']}")


def _headers(schema: str, *, default: bool, writes: bool = False) -> str:
    return "" if default else f" -H '{'Content' if writes else 'Accept'}-Profile: {schema}'"


def _relation(row: Relation, base: str) -> str:
    name = f"{row['schema']}.{row['name']}"
    example = (
        f"curl '{base}/rest/v1/{row['name']}?select=*&limit=10' -H 'apikey: ...' -H 'Authorization: Bearer ...'"
        f"{_headers(row['schema'], default=bool(row['default_schema']))}"
    )
    security = f"row security {'on' if row['row_security'] else 'off'}" if row["kind"] == "table" else WITHOUT
    return "\n".join(
        [
            f'<h3 id="{_anchor(row)}" data-relation="{escape(name)}">{escape(row["kind"])} {_code(name)}</h3>',
            f"<p>{escape(row['comment'] or '')} <small>{escape(security)}</small></p>",
            f"<pre>{escape(example)}</pre>",
            _table(["column", "type", "", "meaning"], map(_column_cells, row["columns"])),
            _table(
                ["role", *VERBS],
                ([_code(role), *(MARK if verb in row["rights"][role] else "" for verb in VERBS)] for role in ROLES),
            ),
        ]
    )


def _column_cells(column: Mapping[str, Any]) -> list[str]:
    facts = [
        "key" if column["key"] else "",
        "" if column["nullable"] or column["filled"] else "required",
        "filled when left out" if column["filled"] else "",
    ]
    return [_code(column["name"]), column["type"], ", ".join(filter(None, facts)), column["comment"] or ""]


def _function(row: Relation, base: str) -> str:
    arguments = ", ".join(f'"{argument["name"]}": ...' for argument in row["arguments"])
    example = (
        f"curl -X POST '{base}/rest/v1/rpc/{row['name']}' -H 'apikey: ...' -H 'Authorization: Bearer ...'"
        f"{_headers(row['schema'], default=bool(row['default_schema']), writes=True)}"
        f" -H 'Content-Type: application/json' -d '{{{arguments}}}'"
    )
    who = f"answers with {row['returns']}; for {', '.join(role for role in ROLES if role in row['callers'])}"
    name = f"{row['schema']}.{row['name']}"
    cells = (
        [_code(argument["name"]), argument["type"], "may be left out" if argument["optional"] else "required"]
        for argument in row["arguments"]
    )
    return "\n".join(
        [
            f'<h3 id="{_anchor(row)}" data-function="{escape(name)}">function {_code(name)}</h3>',
            f"<p>{escape(row['comment'] or '')} <small>{escape(who)}</small></p>",
            f"<pre>{escape(example)}</pre>",
            _table(["argument", "type", ""], cells) if row["arguments"] else "",
        ]
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    body = "\n".join(f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _cell(cell: str) -> str:
    return cell if isinstance(cell, _Html) else escape(str(cell))


def _page(title: str, parts: Iterable[str]) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n"
        '<link rel="stylesheet" href="/style.css">\n</head>\n<body>\n<main>\n'
        f"<h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</main>\n</body>\n</html>\n"
    )


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """The filters by name."""
        return {"api_page": api_page, "database_page": database_page}
