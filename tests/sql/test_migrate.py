"""The migration runner: order, ledger, lock, failures, and what is left when it is killed."""

import signal
import subprocess
import time
from pathlib import Path

import psycopg

from tests.sql.runner import Runner, write

TITLES = "select version, name, statements from supabase_migrations.schema_migrations order by version"


def test_migrations_run_in_order_and_once(runner: Runner, folder: Path) -> None:
    write(folder, "0002_second", "insert into public.first values (2);")
    write(folder, "0001_first", "create table public.first (id int);\ninsert into public.first values (1);")
    assert runner.report(folder, "--check") == {"changed": True, "pending": ["0001_first", "0002_second"]}
    assert runner.ask("select to_regclass('supabase_migrations.schema_migrations')") == [(None,)]

    assert runner.report(folder) == {"changed": True, "applied": ["0001_first", "0002_second"]}
    assert runner.report(folder) == {"changed": False, "applied": []}
    assert runner.report(folder, "--check") == {"changed": False, "pending": []}
    assert runner.ask("select id from public.first order by id") == [(1,), (2,)]
    assert runner.ask(TITLES) == [
        ("0001", "first", ["create table public.first (id int)", "insert into public.first values (1)"]),
        ("0002", "second", ["insert into public.first values (2)"]),
    ]


def test_check_says_by_its_exit_code_that_something_would_run(runner: Runner, folder: Path) -> None:
    write(folder, "0001_first", "select 1;")
    assert runner.apply(folder, "--check").returncode == 3
    runner.apply(folder)
    assert runner.apply(folder, "--check").returncode == 0


def test_a_later_migration_joins(runner: Runner, folder: Path) -> None:
    write(folder, "0001_first", "select 1;")
    runner.report(folder)
    write(folder, "0002_second", "select 2;")
    assert runner.report(folder)["applied"] == ["0002_second"]


def test_a_failing_migration_leaves_nothing_and_says_where(runner: Runner, folder: Path) -> None:
    write(folder, "0001_first", "create table public.first (id int);")
    write(
        folder,
        "0002_failing",
        "create table public.half (id int);\n\n-- a reason\nselect id,\n  no_such_column\nfrom public.half;\n",
    )
    write(folder, "0003_never", "create table public.never (id int);")
    done = runner.apply(folder)
    assert done.returncode == 1
    assert "applied 0001_first" in done.stderr
    assert "0002_failing failed and was rolled back; the migrations before it stay" in done.stderr
    assert "0002_failing/up.sql line 5:" in done.stderr
    assert "    select id,\n      no_such_column\n    from public.half" in done.stderr
    assert 'error: column "no_such_column" does not exist (42703)' in done.stderr
    assert runner.ask("select to_regclass('public.half'), to_regclass('public.never')") == [(None, None)]
    assert [row[0] for row in runner.ask(TITLES)] == ["0001"]

    write(folder, "0002_failing", "create table public.half (id int);")
    assert runner.report(folder)["applied"] == ["0002_failing", "0003_never"]


def test_an_error_without_a_position_names_its_statement(runner: Runner, folder: Path) -> None:
    up = "create table public.t (id int primary key);\ninsert into public.t\nvalues (1), (1);\n"
    write(folder, "0001_twice", up)
    done = runner.apply(folder)
    assert "0001_twice/up.sql line 2:" in done.stderr
    assert "detail: Key (id)=(1) already exists." in done.stderr


def test_a_migration_whose_verification_fails_is_rolled_back(runner: Runner, folder: Path) -> None:
    write(folder, "0001_wrong", "create table public.wrong (id int);", verify="select 1 / count(*) from public.wrong;")
    done = runner.apply(folder)
    assert done.returncode == 1
    assert "0001_wrong/verify.sql line 1:" in done.stderr
    assert runner.ask("select to_regclass('public.wrong')") == [(None,)]


def test_a_verification_that_writes_is_refused(runner: Runner, folder: Path) -> None:
    write(folder, "0001_first", "create table public.t (id int);")
    runner.report(folder)
    write(folder, "0001_first", "create table public.t (id int);", verify="insert into public.t values (1);")
    done = runner.apply(folder, "--verify")
    assert done.returncode == 1
    assert "cannot execute INSERT in a read-only transaction" in done.stderr


def test_verify_wants_everything_applied(runner: Runner, folder: Path) -> None:
    write(folder, "0001_first", "select 1;")
    done = runner.apply(folder, "--verify")
    assert done.returncode == 3
    assert "not applied yet: 0001_first" in done.stderr


def test_an_edited_a_missing_and_an_early_one_stop_the_run(runner: Runner, folder: Path) -> None:
    write(folder, "0002_second", "select 1;")
    write(folder, "0003_third", "select 1;")
    runner.report(folder)
    write(folder, "0001_early", "select 1;")
    write(folder, "0002_second", "select 1; -- edited")
    for file in (folder / "0003_third").iterdir():
        file.unlink()
    (folder / "0003_third").rmdir()
    for options in ([], ["--check"], ["--verify"]):
        done = runner.apply(folder, *options)
        assert done.returncode == 4
        assert "0001_early is out of order" in done.stderr
        assert "0002_second was edited" in done.stderr
        assert "0003_third is missing" in done.stderr


def test_a_name_without_its_schema_fails(runner: Runner, folder: Path) -> None:
    write(folder, "0001_lost", "create table lost (id int);")
    assert "no schema has been selected to create in" in runner.apply(folder).stderr


def test_the_second_of_two_runs_waits(runner: Runner, folder: Path) -> None:
    write(folder, "0001_slow", "create table public.slow (id int);\nselect pg_catalog.pg_sleep(1.5);")
    bundle = runner.bundle(folder)
    first = subprocess.Popen(runner.command(bundle), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    _wait_until_it_sleeps(runner)
    second = runner.run(bundle)
    first_out, _ = first.communicate(timeout=60)
    assert '"applied": [\n  "0001_slow"\n ]' in first_out
    assert second.returncode == 0
    assert '"applied": []' in second.stdout


def test_waiting_has_an_end_and_names_the_other_run(runner: Runner, folder: Path) -> None:
    write(folder, "0001_slow", "select pg_catalog.pg_sleep(3);")
    bundle = runner.bundle(folder)
    first = subprocess.Popen(runner.command(bundle), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    _wait_until_it_sleeps(runner)
    second = runner.run(bundle, "--lock-wait", "0.5")
    first.communicate(timeout=60)
    assert second.returncode == 5
    assert "another run (process " in second.stderr
    assert "holds the lock for more than 0.5 s" in second.stderr
    assert first.returncode == 0


def test_a_killed_run_leaves_nothing_and_the_next_one_goes_on(runner: Runner, folder: Path) -> None:
    write(folder, "0001_first", "create table public.first (id int);")
    write(folder, "0002_slow", "create table public.slow (id int);\nselect pg_catalog.pg_sleep(600);")
    killed = subprocess.Popen(
        runner.command(runner.bundle(folder)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _wait_until_it_sleeps(runner)
    killed.send_signal(signal.SIGKILL)
    killed.wait()

    write(folder, "0002_slow", "create table public.slow (id int);")
    began = time.monotonic()
    assert runner.report(folder)["applied"] == ["0002_slow"]
    assert time.monotonic() - began < 15, "the lock of a run that is gone is free within seconds"
    assert [row[0] for row in runner.ask(TITLES)] == ["0001", "0002"]


def test_no_server_is_said_in_one_line(runner: Runner, folder: Path) -> None:
    write(folder, "0001_first", "select 1;")
    done = Runner("host=127.0.0.1 port=1 user=postgres dbname=postgres").apply(folder)
    assert done.returncode == 6
    assert done.stderr.startswith("no connection to PostgreSQL: ")
    assert "Traceback" not in done.stderr


def test_a_ledger_of_another_program_is_not_touched(runner: Runner, folder: Path) -> None:
    with psycopg.connect(runner.dsn, autocommit=True) as session:
        session.execute("create schema supabase_migrations")
        session.execute(
            "create table supabase_migrations.schema_migrations "
            "(version text primary key, statements text[], name text)"
        )
        session.execute("insert into supabase_migrations.schema_migrations values ('0001', '{}', 'first')")
    write(folder, "0001_first", "select 1;")
    done = runner.apply(folder)
    assert done.returncode == 4
    assert "0001_first was recorded by another program" in done.stderr


def _wait_until_it_sleeps(runner: Runner) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if runner.ask(
            "select 1 from pg_stat_activity where query like '%pg_sleep%' and wait_event = 'PgSleep' "
            "and datname = current_database() and pid <> pg_backend_pid()"
        ):
            return
        time.sleep(0.05)
    raise AssertionError("the migration never began to sleep")
