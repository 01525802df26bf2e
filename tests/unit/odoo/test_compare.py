from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.odoo.compare import WHOLE, Difference, as_python, compare, same


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("char", False, None),
        ("char", "", ""),
        ("char", "false", "false"),
        ("boolean", False, False),
        ("many2one", False, None),
        ("many2one", 7, 7),
        ("integer", 0, 0),
        ("float", 0.0, Decimal("0.0")),
        ("monetary", 27.3, Decimal("27.3")),
        ("date", "2026-11-01", date(2026, 11, 1)),
        ("date", False, None),
        ("one2many", [], []),
        ("datetime", "2026-11-23 12:39:13", datetime(2026, 11, 23, 12, 39, 13, tzinfo=UTC)),
    ],
)
def test_what_odoo_s_json_means(kind: str, value: Any, expected: Any) -> None:
    found = as_python(kind, value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("theirs", "ours", "equal"),
    [
        (Decimal("27.3"), Decimal("27.30"), True),
        (Decimal("27.3"), Decimal("27.31"), False),
        (Decimal("0.1"), 0.1, True),
        (Decimal(1), True, False),
        (False, None, False),
        (False, 0, False),
        (None, "", False),
        (None, None, True),
        ([3, 1, 2], [1, 2, 3], True),
        ([1, 1], [1], False),
        ("Łódź", "Łódź", True),
    ],
)
def test_equal_is_to_the_last_digit_and_of_one_kind(theirs: Any, ours: Any, *, equal: bool) -> None:
    assert same(theirs, ours) is equal


def test_a_difference_names_model_id_field_and_both_values() -> None:
    theirs = {1: {"name": "a"}, 2: {"name": "b"}, 3: {"name": "c"}}
    ours = {1: {"name": "a", "org_id": "x"}, 2: {"name": "B"}, 4: {"name": "d"}}
    assert list(compare("res.partner", theirs, ours)) == [
        Difference("res.partner", 2, "name", "b", "B"),
        Difference("res.partner", 3, WHOLE, "a row", None),
        Difference("res.partner", 4, WHOLE, None, "a row"),
    ]


def test_a_column_that_we_lack_is_an_error_and_not_equal() -> None:
    with pytest.raises(KeyError, match="email"):
        list(compare("res.partner", {1: {"email": None}}, {1: {"name": "a"}}))
