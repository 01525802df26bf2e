"""What the runner decides when repository and ledger are compared."""

import json

import pytest

from roles.migrations.files.migrate import Applied, Migration, MigrationError, pending, read_bundle, statements_of

FIRST = Migration("0001", "first", "select 1;", "select 1;")
SECOND = Migration("0002", "second", "select 2;", "select 1;")
THIRD = Migration("0003", "third", "select 3;", "select 1;")


def applied(*migrations: Migration) -> list[Applied]:
    return [Applied(migration.version, migration.name, migration.checksum) for migration in migrations]


def test_a_fresh_database_gets_everything_in_order() -> None:
    assert pending([FIRST, SECOND, THIRD], []) == [FIRST, SECOND, THIRD]


def test_what_is_applied_is_not_run_again() -> None:
    assert pending([FIRST, SECOND, THIRD], applied(FIRST, SECOND)) == [THIRD]
    assert pending([FIRST], applied(FIRST)) == []


def test_an_edited_verification_is_no_edited_migration() -> None:
    assert pending([Migration("0001", "first", FIRST.up, "select 'other';")], applied(FIRST)) == []


def refused(migrations: list[Migration], ledger: list[Applied]) -> str:
    with pytest.raises(MigrationError) as caught:
        pending(migrations, ledger)
    assert caught.value.code == 4
    return str(caught.value)


def test_an_edited_migration_is_named() -> None:
    edited = Migration("0001", "first", "select 1; -- quietly changed", FIRST.verify)
    assert "0001_first was edited" in refused([edited, SECOND], applied(FIRST))


def test_a_missing_migration_is_named() -> None:
    assert "0002_second is missing" in refused([FIRST, THIRD], applied(FIRST, SECOND))


def test_a_migration_out_of_order_is_named() -> None:
    assert "0002_second is out of order: 0003" in refused([FIRST, SECOND, THIRD], applied(FIRST, THIRD))


def test_a_migration_of_another_program_is_named() -> None:
    assert "0001_first was recorded by another program" in refused([FIRST], [Applied("0001", "first", None)])


def test_every_problem_is_told_at_once() -> None:
    edited = Migration("0001", "first", "select 'other';", FIRST.verify)
    assert len(refused([edited], applied(FIRST, SECOND)).splitlines()) == 2


@pytest.mark.parametrize(
    "statement", ["begin", "COMMIT", "rollback", "start transaction", "savepoint a", "prepare transaction 'x'", "end"]
)
def test_a_statement_that_leaves_the_transaction_is_refused(statement: str) -> None:
    migration = Migration("0007", "sly", f"select 1;\n{statement};\n", "select 1;")
    with pytest.raises(MigrationError, match=r"0007_sly/up\.sql line 2: .* would leave the migration's transaction"):
        statements_of(migration)


def test_a_prepared_statement_is_fine() -> None:
    migration = Migration("0007", "fine", "prepare one as select 1; execute one;", "select 1;")
    assert [statement.text for statement in statements_of(migration)] == ["prepare one as select 1", "execute one"]


def test_a_bundle_is_read_back_as_it_was_written() -> None:
    rows = [{"version": "0002", "name": "b", "up": ["select 2;", ""], "verify": ["select 1;"]},
            {"version": "0001", "name": "a", "up": ["select 1;"], "verify": ["select 1;"]}]  # fmt: skip
    first, second = read_bundle(json.dumps({"migrations": rows}))
    assert (first.title, second.title, second.up) == ("0001_a", "0002_b", "select 2;\n")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"migrations": [{}]}'])
def test_a_broken_bundle_is_said_to_be_one(text: str) -> None:
    with pytest.raises(MigrationError, match="the bundle of migrations cannot be read"):
        read_bundle(text)
