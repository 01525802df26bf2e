"""Every migration of the platform on a throw-away cluster: it applies, its result stands, and its pgTAP tests hold."""

import shutil
import threading
from pathlib import Path

import psycopg
import pytest

from plugins.filter.migrations import migration_bundle
from tests.sql.cluster import Cluster
from tests.sql.runner import Runner, write
from tests.unit.project import ROOT

FOLDERS = sorted((ROOT / "sql" / "migrations").iterdir())
MIGRATIONS = pytest.mark.parametrize("migration", FOLDERS, ids=lambda folder: folder.name)


@MIGRATIONS
def test_pgtap(platform: Cluster, migration: Path) -> None:
    with platform.connect() as session, session.transaction(force_rollback=True):
        session.execute("set local search_path = pgtap, pg_catalog")
        cursor = session.execute((migration / "test.sql").read_bytes())
        lines = []
        while True:
            if cursor.description is not None:
                lines += [str(row[0]) for row in cursor.fetchall() if row[0] != ""]
            if not cursor.nextset():
                break
    text = "\n".join(lines)
    planned = next(int(line.removeprefix("1..")) for line in lines if line.startswith("1.."))
    assert [line for line in lines if line.startswith("not ok")] == [], text
    assert len([line for line in lines if line.startswith("ok ")]) == planned, text


@MIGRATIONS
def test_verification_only_reads(platform: Cluster, migration: Path) -> None:
    with platform.connect() as session, session.transaction(force_rollback=True):
        session.execute("set transaction read only; set local search_path = ''")
        session.execute((migration / "verify.sql").read_bytes())


def test_verification_is_part_of_every_run(platform: Cluster, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.json"
    bundle.write_text(migration_bundle(str(ROOT / "sql" / "migrations")))
    runner = Runner(platform.dsn())
    assert runner.run(bundle, "--verify").returncode == 0
    with platform.connect() as session:
        session.execute("alter publication supabase_realtime rename to somewhere_else")
        try:
            done = runner.run(bundle, "--verify")
        finally:
            session.execute("alter publication somewhere_else rename to supabase_realtime")
    assert done.returncode == 1
    assert "0005_realtime_publication does not stand any more" in done.stderr
    assert "clients receive no changes" in done.stderr


def test_a_migration_that_leaves_a_table_open_is_refused(platform: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(ROOT / "sql" / "migrations", folder)
    write(folder, "9999_open", "create table public.left_open (id int);")
    runner = Runner(platform.dsn())
    done = runner.apply(folder)
    assert done.returncode == 1
    assert "9999_open failed and was rolled back" in done.stderr
    assert "table public.left_open has no row security" in done.stderr
    assert "select tenancy.isolate('public.left_open')" in done.stderr
    assert runner.ask("select to_regclass('public.left_open')") == [(None,)]


def test_two_owners_who_leave_at_the_same_moment_do_not_leave_nobody(platform: Cluster) -> None:
    outcome: list[str] = []

    def leave() -> None:
        try:
            second.execute("delete from public.memberships where org_id = pgtap.id(900) and user_id = pgtap.id(902)")
        except psycopg.Error as error:
            outcome.append(str(error))

    with platform.connect() as first, platform.connect() as second:
        first.execute("insert into auth.users (id) values (pgtap.id(901)), (pgtap.id(902))")
        first.execute("insert into public.organizations (id, name, slug) values (pgtap.id(900), 'shared', 'shared')")
        first.execute(
            "insert into public.memberships (org_id, user_id, role) "
            "values (pgtap.id(900), pgtap.id(901), 'owner'), (pgtap.id(900), pgtap.id(902), 'owner')"
        )
        try:
            with first.transaction():
                first.execute("delete from public.memberships where org_id = pgtap.id(900) and user_id = pgtap.id(901)")
                other = threading.Thread(target=leave)
                other.start()
                other.join(timeout=1)
                assert other.is_alive(), "the second one waits for the first"
            other.join(timeout=20)
        finally:
            first.execute("delete from public.organizations")
            first.execute("delete from auth.users where id in (pgtap.id(901), pgtap.id(902))")
    assert "left without an owner" in "".join(outcome)


def test_rest_hears_of_a_change(platform: Cluster) -> None:
    heard: list[str] = []

    def change() -> None:
        with platform.connect() as session:
            session.execute("create table bronze.announced (id int)")
            session.execute("drop table bronze.announced")

    with platform.connect() as listener:
        listener.execute("listen pgrst")
        changer = threading.Thread(target=change)
        changer.start()
        heard = [notice.payload for notice in listener.notifies(timeout=10, stop_after=2)]
        changer.join()
    assert heard == ["reload schema", "reload schema"]
