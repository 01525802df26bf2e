"""How declared data becomes PostgreSQL's files; molecule/database proves that the server accepts them."""

import pytest

from plugins.modules.postgresql_configuration import HEADER, quoted, render_hba, render_ident, render_settings


@pytest.mark.parametrize(
    ("value", "written"),
    [(True, "on"), (False, "off"), (5432, "5432"), (1.1, "1.1"), ("4GB", "'4GB'"), ("it's", "'it''s'"), ("", "''")],
)
def test_a_value_is_written_as_the_server_reads_it(value: object, written: str) -> None:
    assert quoted(value) == written


def test_settings_are_in_order_below_the_header() -> None:
    assert render_settings({"port": 5432, "jit": False}) == HEADER + "jit = off\nport = 5432\n"


def test_rows_keep_their_order_and_lack_no_column() -> None:
    rows = [
        {"type": "local", "database": "all", "user": "postgres", "method": "peer", "options": "map=superuser"},
        {"type": "host", "database": "all", "user": "all", "address": "all", "method": "reject"},
    ]
    assert render_hba(rows) == HEADER + "local\tall\tpostgres\tpeer\tmap=superuser\nhost\tall\tall\tall\treject\n"


def test_ident_rows() -> None:
    assert render_ident([{"map": "m", "system": "root", "role": "postgres"}]) == HEADER + "m\troot\tpostgres\n"
