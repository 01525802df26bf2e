#!/usr/bin/python3
"""Apply the platform's SQL migrations in order, each in its own transaction, and keep the ledger.

The ledger is `supabase_migrations.schema_migrations` as the Supabase CLI writes it, plus
`supabase_migrations.platform_ledger` with the checksum of what was applied. An edited, missing or out-of-order
migration stops the run before anything is touched.

Exit codes: 0 done, or nothing to do; 1 a migration or a verification failed; 2 wrong usage; 3 --check found pending
migrations; 4 the repository and the ledger disagree; 5 another run holds the lock; 6 no connection.
"""

import argparse
import hashlib
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

LOCK_KEY = 7_253_916_004  # any number, the same for every run
LOCK_POLL_SECONDS = 0.2
SHOWN_STATEMENT_LINES = 12

LEDGER = """
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (
  version text not null primary key,
  statements text[],
  name text
);
create table if not exists supabase_migrations.platform_ledger (
  version text not null primary key references supabase_migrations.schema_migrations (version),
  checksum text not null,
  applied_at timestamptz not null default now()
);
"""

# A name without its schema fails instead of landing somewhere; a runner that is killed frees its lock within seconds;
# a migration does not queue behind a busy table for ever, with every reader queueing behind it.
SESSION = """
set search_path = '';
set client_connection_check_interval = '2s';
set lock_timeout = '30s';
set statement_timeout = 0;
"""


class MigrationError(Exception):
    """Something that stops the run, in words for people, with the exit code that tells programs which kind it is."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Statement:
    """One SQL statement and the line of its file on which it starts."""

    text: str
    line: int


@dataclass(frozen=True)
class Migration:
    """One folder of sql/migrations."""

    version: str
    name: str
    up: str
    verify: str

    @property
    def title(self) -> str:
        """The folder's name."""
        return f"{self.version}_{self.name}"

    @property
    def checksum(self) -> str:
        """What the ledger remembers of the applied text."""
        return hashlib.sha256(self.up.encode()).hexdigest()


@dataclass(frozen=True)
class Lint:
    """One file of sql/lints: a query whose rows (name, level, detail, remediation, metadata) are what is wrong."""

    name: str
    query: str


@dataclass(frozen=True)
class Applied:
    """One row of the ledger."""

    version: str
    name: str
    checksum: str | None


# --- reading ---

_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<line_comment>--[^\n]*)
    | (?P<block_comment>/\*)
    | (?P<escaped>[eE]'(?:[^'\\]|''|\\.)*')
    | (?P<string>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<dollar>\$(?:[^\W\d]\w*)?\$)
    | (?P<word>[^\W\d][\w$]*)
    | (?P<number>\d[\w.]*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_TRANSACTION_CONTROL = {"abort", "begin", "commit", "end", "prepare transaction", "release", "rollback", "savepoint"}
_ROUTINE = re.compile(r"create (or replace )?(function|procedure)\b")


def split(sql: str) -> list[Statement]:
    """The statements of a file, without the comments between them.

    Knows quotes, dollar quotes, nested comments, parentheses and `begin atomic` bodies, as psql does.
    """
    statements: list[Statement] = []
    words: list[str] = []
    start: int | None = None
    position = parentheses = blocks = 0

    while position < len(sql):
        token = _TOKEN.match(sql, position)
        assert token is not None  # noqa: S101 - `other` matches anything
        kind, text = str(token.lastgroup), token.group()
        end = token.end()

        if kind == "block_comment":
            end = _end_of_comment(sql, position)
        elif kind == "dollar":
            end = _find(sql, text, end, position) + len(text)
        elif text in {"'", '"'}:
            raise _unterminated(sql, position)

        if kind not in {"space", "line_comment", "block_comment"} and not (text == ";" and start is None):
            start = position if start is None else start

        if kind == "word":
            words.append(text.lower())
            if parentheses == 0 and _ROUTINE.match(" ".join(words[:4])):
                blocks += _block_change(words[-1], blocks)
        elif text in {"(", ")"} and kind == "other":
            parentheses += 1 if text == "(" else -1
        elif text == ";" and kind == "other" and start is not None and parentheses <= 0 and blocks == 0:
            statements.append(_statement(sql, start, position))
            words, start, parentheses = [], None, 0

        position = end

    if start is not None:
        statements.append(_statement(sql, start, len(sql)))
    return statements


def _block_change(word: str, blocks: int) -> int:
    """By how much a word of a routine's definition changes the depth of its `begin atomic ... end` blocks."""
    if word == "begin" or (word == "case" and blocks):
        return 1
    return -1 if word == "end" and blocks else 0


def _statement(sql: str, start: int, end: int) -> Statement:
    return Statement(text=sql[start:end].rstrip(), line=sql.count("\n", 0, start) + 1)


def _end_of_comment(sql: str, start: int) -> int:
    depth = 0
    for mark in re.compile(r"/\*|\*/").finditer(sql, start):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return mark.end()
    raise _unterminated(sql, start)


def _find(sql: str, text: str, begin: int, start: int) -> int:
    found = sql.find(text, begin)
    if found < 0:
        raise _unterminated(sql, start)
    return found


def _unterminated(sql: str, start: int) -> MigrationError:
    line = sql.count("\n", 0, start) + 1
    return MigrationError(1, f"line {line}: a quote, a dollar quote or a comment that starts here never ends")


def statements_of(migration: Migration) -> list[Statement]:
    """What a migration runs; refuses statements that would leave its transaction."""
    try:
        statements = split(migration.up)
    except MigrationError as error:
        raise MigrationError(1, f"{migration.title}/up.sql {error}") from error
    for statement in statements:
        first = " ".join(statement.text.lower().split()[:2])
        if first in _TRANSACTION_CONTROL or first.split()[0].rstrip(";") in _TRANSACTION_CONTROL | {"start"}:
            raise MigrationError(
                1,
                f"{migration.title}/up.sql line {statement.line}: {statement.text!r} would leave the migration's "
                "transaction: remove it, each migration already runs in one",
            )
    return statements


def read_bundle(text: str) -> list[Migration]:
    """The migrations of a bundle (plugins/filter/migrations.py makes it), in order."""
    try:
        rows = json.loads(text)["migrations"]
        migrations = [
            Migration(row["version"], row["name"], "\n".join(row["up"]), "\n".join(row["verify"])) for row in rows
        ]
    except (ValueError, KeyError, TypeError) as error:
        message = f"the bundle of migrations cannot be read: {error!r}"
        raise MigrationError(2, message) from error
    return sorted(migrations, key=lambda migration: migration.version)


def read_lints(text: str) -> list[Lint]:
    """The lints of a bundle, in order; none in a bundle of migrations alone."""
    return [Lint(row["name"], "\n".join(row["query"])) for row in json.loads(text).get("lints", [])]


# --- deciding ---


def pending(migrations: Sequence[Migration], ledger: Sequence[Applied]) -> list[Migration]:
    """The migrations that are still to run; raises when the repository and the ledger tell different histories."""
    known = {migration.version: migration for migration in migrations}
    applied = {row.version: row for row in ledger}
    problems = []

    for row in ledger:
        migration = known.get(row.version)
        title = f"{row.version}_{row.name}"
        if migration is None:
            problems.append(
                f"{title} is missing: the database has it, the repository does not. Bring its folder back; "
                "to undo what it did, write a new migration"
            )
        elif row.checksum is None:
            problems.append(
                f"{title} was recorded by another program (no checksum): apply migrations with this one only"
            )
        elif row.checksum != migration.checksum:
            problems.append(
                f"{migration.title} was edited after it was applied: restore its up.sql and write a new migration"
            )

    newest = max(applied, default="")
    todo = [migration for migration in migrations if migration.version not in applied]
    problems += [
        f"{migration.title} is out of order: {newest} is already applied. Give it a number above {newest}"
        for migration in todo
        if migration.version < newest
    ]
    if problems:
        raise MigrationError(4, "\n".join(problems))
    return todo


# --- doing ---

Connection = psycopg.Connection[tuple[Any, ...]]


def connect(dsn: str) -> Connection:
    """A session of the superuser with the settings every run has."""
    try:
        connection = psycopg.connect(dsn, autocommit=True, application_name="migrate", connect_timeout=10)
    except psycopg.OperationalError as error:
        message = f"no connection to PostgreSQL: {str(error).strip()}"
        raise MigrationError(6, message) from error
    connection.execute(SESSION)
    return connection


@contextmanager
def only_run(connection: Connection, wait: float) -> Iterator[None]:
    """Hold the lock that lets one run at a time touch the schema; wait for another run, but not for ever."""
    deadline = time.monotonic() + wait
    while not _one(connection, "select pg_catalog.pg_try_advisory_lock(%s)", LOCK_KEY):
        if time.monotonic() >= deadline:
            raise MigrationError(5, f"another run {_holder(connection)} holds the lock for more than {wait:g} s")
        time.sleep(LOCK_POLL_SECONDS)
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute("select pg_catalog.pg_advisory_unlock(%s)", (LOCK_KEY,))


def _one(connection: Connection, query: str, *parameters: object) -> Any:
    row = connection.execute(query, parameters).fetchone()
    return None if row is None else row[0]


def _holder(connection: Connection) -> str:
    return str(
        _one(
            connection,
            """
            select pg_catalog.format('(process %%s, since %%s)', a.pid, a.backend_start::timestamptz(0))
            from pg_catalog.pg_locks as l
            join pg_catalog.pg_stat_activity as a on a.pid = l.pid
            where l.locktype = 'advisory' and l.granted and (l.classid::bigint << 32) + l.objid::bigint = %s
            """,
            LOCK_KEY,
        )
        or "(just ended)"
    )


def read_ledger(connection: Connection) -> list[Applied]:
    """What the database says was applied, in order; nothing on a fresh database."""
    if not _one(connection, "select pg_catalog.to_regclass('supabase_migrations.schema_migrations')"):
        return []
    own = _one(connection, "select pg_catalog.to_regclass('supabase_migrations.platform_ledger')")
    rows = connection.execute(
        "select m.version, coalesce(m.name, ''), p.checksum from supabase_migrations.schema_migrations as m "
        "left join supabase_migrations.platform_ledger as p on p.version = m.version order by m.version"
        if own
        else "select m.version, coalesce(m.name, ''), null from supabase_migrations.schema_migrations as m order by 1"
    ).fetchall()
    return [Applied(version, name, checksum) for version, name, checksum in rows]


def apply(connection: Connection, migration: Migration) -> None:
    """Run one migration with its verification and its ledger row, in one transaction."""
    statements = statements_of(migration)
    try:
        with connection.transaction():
            for statement in statements:
                _execute(connection, migration, statement)
            # What is checked at commit is checked here, where an error still has a name and a file.
            _execute(connection, migration, Statement("set constraints all immediate", migration.up.count("\n")))
            _verify(connection, migration)
            connection.execute(
                "insert into supabase_migrations.schema_migrations (version, statements, name) values (%s, %s, %s)",
                (migration.version, [statement.text for statement in statements], migration.name),
            )
            connection.execute(
                "insert into supabase_migrations.platform_ledger (version, checksum) values (%s, %s)",
                (migration.version, migration.checksum),
            )
    except MigrationError as error:
        message = f"{migration.title} failed and was rolled back; the migrations before it stay.\n{error}"
        raise MigrationError(1, message) from error


def verify(connection: Connection, migrations: Sequence[Migration]) -> None:
    """Ask the live database whether every migration's result still stands; a read-only transaction for each."""
    failures = []
    for migration in migrations:
        try:
            with connection.transaction():
                connection.execute("set transaction read only")
                _verify(connection, migration)
        except MigrationError as error:
            failures.append(f"{migration.title} does not stand any more.\n{error}")
    if failures:
        raise MigrationError(1, "\n".join(failures))


def lint(connection: Connection, lints: Sequence[Lint]) -> list[str]:
    """Ask every lint; returns the warnings, raises with all errors."""
    warnings: list[str] = []
    errors: list[str] = []
    with connection.transaction():
        connection.execute("set transaction read only")
        for query in lints:
            for _, level, detail, remediation, _ in connection.execute(query.query.encode()).fetchall():
                (errors if level == "ERROR" else warnings).append(f"{query.name}: {detail}. Remedy: {remediation}")
    if errors:
        raise MigrationError(1, "\n".join(errors))
    return warnings


def _execute(connection: Connection, migration: Migration, statement: Statement) -> None:
    try:
        connection.execute(statement.text.encode())
    except psycopg.Error as error:
        raise MigrationError(1, _explain(f"{migration.title}/up.sql", statement, error)) from error


def _verify(connection: Connection, migration: Migration) -> None:
    for statement in split(migration.verify):
        try:
            connection.execute(statement.text.encode())
        except psycopg.Error as error:
            raise MigrationError(1, _explain(f"{migration.title}/verify.sql", statement, error)) from error


def _explain(file: str, statement: Statement, error: psycopg.Error) -> str:
    diagnostic = error.diag
    line = statement.line
    if diagnostic.statement_position:
        line += statement.text.count("\n", 0, int(diagnostic.statement_position) - 1)
    shown = statement.text.splitlines()
    if len(shown) > SHOWN_STATEMENT_LINES:
        shown = [*shown[:SHOWN_STATEMENT_LINES], "..."]
    said = [f"error: {diagnostic.message_primary or str(error).strip()} ({diagnostic.sqlstate or 'connection lost'})"]
    said += [
        f"{label}: {text}"
        for label, text in [
            ("detail", diagnostic.message_detail),
            ("hint", diagnostic.message_hint),
            ("context", diagnostic.context),
        ]
        if text
    ]
    return "\n".join([f"  {file} line {line}:", *(f"    {text}" for text in shown), *(f"  {text}" for text in said)])


# --- command line ---


def run(
    connection: Connection, migrations: Sequence[Migration], lints: Sequence[Lint], *, mode: str, wait: float
) -> dict[str, Any]:
    """Do what the command line asks and say what was done."""
    if mode == "check":
        todo = pending(migrations, read_ledger(connection))
        return {"changed": bool(todo), "pending": [migration.title for migration in todo]}
    if mode == "verify":
        todo = pending(migrations, read_ledger(connection))
        if todo:
            raise MigrationError(3, f"not applied yet: {', '.join(migration.title for migration in todo)}")
        verify(connection, migrations)
        warnings = lint(connection, lints)
        for warning in warnings:
            print(f"warning: {warning}", file=sys.stderr)
        return {
            "changed": False,
            "verified": [migration.title for migration in migrations],
            "linted": [query.name for query in lints],
            "warnings": warnings,
        }
    applied: list[str] = []
    with only_run(connection, wait):
        todo = pending(migrations, read_ledger(connection))
        if todo:
            with connection.transaction():
                connection.execute(LEDGER)
        for migration in todo:
            apply(connection, migration)
            applied.append(migration.title)
            print(f"applied {migration.title}", file=sys.stderr)
    return {"changed": bool(applied), "applied": applied}


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", 1)[0])
    parser.add_argument("bundle", help="the bundle of migrations, or - for standard input")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_const", const="check", dest="mode", help="show what would run")
    mode.add_argument(
        "--verify", action="store_const", const="verify", dest="mode", help="run every verify.sql and lint"
    )
    parser.add_argument("--dsn", default="dbname=postgres user=postgres", help="libpq connection string")
    parser.add_argument("--lock-wait", type=float, default=60, metavar="SECONDS", help="how long to wait for a run")
    parser.set_defaults(mode="apply")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the report is JSON on standard output, the explanation text on standard error."""
    arguments = _arguments(argv)
    try:
        text = sys.stdin.read() if arguments.bundle == "-" else Path(arguments.bundle).read_text(encoding="utf-8")
        migrations = read_bundle(text)
        with connect(arguments.dsn) as connection:
            report = run(connection, migrations, read_lints(text), mode=arguments.mode, wait=arguments.lock_wait)
    except MigrationError as error:
        print(error, file=sys.stderr)
        return error.code
    except OSError as error:
        print(f"the bundle of migrations cannot be read: {error}", file=sys.stderr)
        return 2
    except psycopg.OperationalError as error:
        print(f"the connection to PostgreSQL was lost: {str(error).strip()}", file=sys.stderr)
        return 6
    print(json.dumps(report, indent=1))
    return 3 if report.get("pending") else 0


if __name__ == "__main__":
    sys.exit(main())
