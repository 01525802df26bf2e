"""What the worker sends and says."""

import pytest

from roles.odoo_sync.files.odoo_sync import Odoo, filled_in, report

ODOO = Odoo("https://odoo.example.test", "erp", "reader", "the-key")


def test_json_2_bodies_hold_no_key() -> None:
    body = {"domain": [["id", ">", 0]], "fields": ["name"]}
    assert filled_in(body, ODOO, None) == body


def test_json_rpc_gets_database_user_and_key() -> None:
    body = {
        "params": {"service": "object", "args": ["$database", "$uid", "$key", "res.partner", "search_read", [], {}]}
    }
    assert filled_in(body, ODOO, 7)["params"]["args"] == ["erp", 7, "the-key", "res.partner", "search_read", [], {}]


@pytest.mark.parametrize(
    ("step", "line"),
    [
        ({"more": False, "changed": 0, "removed": 0, "dead": 0}, None),
        ({"more": False, "changed": 3, "removed": 0, "dead": 1}, "res.partner: 3 changed, 1 dead"),
        ({"more": False, "wait": "run 7 is going on"}, "res.partner: run 7 is going on"),
    ],
)
def test_a_line_says_what_happened(step: dict[str, object], line: str | None) -> None:
    assert report("res.partner", step) == line
