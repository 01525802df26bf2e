"""Where one SQL statement ends and the next begins."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roles.migrations.files.migrate import MigrationError, split


def texts(sql: str) -> list[str]:
    return [statement.text for statement in split(sql)]


def test_statements_end_at_semicolons() -> None:
    assert texts("select 1; select 2;") == ["select 1", "select 2"]


def test_the_last_semicolon_may_be_missing() -> None:
    assert texts("select 1;\nselect 2\n") == ["select 1", "select 2"]


def test_a_statement_knows_the_line_it_starts_on() -> None:
    sql = "-- why\n\nselect 1;\n/* two\nlines */ select\n  2;\n"
    assert [(statement.line, statement.text) for statement in split(sql)] == [(3, "select 1"), (5, "select\n  2")]


def test_nothing_but_comments_is_no_statement() -> None:
    assert texts("-- nothing\n/* here /* at */ all */ ;;\n") == []


@pytest.mark.parametrize(
    "one",
    [
        "select ';'",
        "select 'it''s;'",
        r"select E'\';'",
        r"select e'a\\' || ';'",
        'select ";" from "a;b"',
        "do $$ begin perform 1; end; $$",
        "do $body$ begin perform '$$;'; end; $body$",
        "select a$b$c, d$b$e from t",
        "select 1 -- ; not here\n + 1",
        "select 1 /* ; /* ; */ ; */ + 1",
        "create rule r as on insert to t do also (delete from a; delete from b)",
        "create function f() returns int begin atomic select 1; select case when true then 1 else 2 end; end",
        "create or replace procedure p() language sql begin atomic insert into t values (1); end",
        "select $1, 'x'",
    ],
)
def test_a_semicolon_inside_something_ends_nothing(one: str) -> None:
    assert texts(f"{one};\nselect 2;") == [one, "select 2"]


def test_begin_and_end_elsewhere_are_ordinary_words() -> None:
    assert texts("select case when true then 1 end; begin; end;") == [
        "select case when true then 1 end",
        "begin",
        "end",
    ]


@pytest.mark.parametrize("sql", ["select 'open", 'select "open', "do $$ open", "select 1 /* open", "do $a$ open $b$"])
def test_what_never_ends_is_an_error_with_its_line(sql: str) -> None:
    with pytest.raises(MigrationError, match=r"line 3: .* never ends"):
        split(f"select 0;\n\n{sql};")


pieces = st.sampled_from(
    ["select 1", "select ';'", "do $$ begin; end $$", "select (1)", "-- c\nselect 1", "/* ; */ select 1"]
)


@settings(deadline=None)  # a busy machine is no finding
@given(st.lists(pieces, max_size=6), st.sampled_from([";", " ;\n", ";\n\n"]))
def test_joining_and_splitting_gives_the_same_number(statements: list[str], separator: str) -> None:
    assert len(split("".join(statement + separator for statement in statements))) == len(statements)
