"""Markers and drills against a real cluster and a real repository: what was true is proven, what was not is found."""

import json
import random
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.integration.backup_cluster import SCRATCH, STATE, TEXTFILE, Machine, running

pytestmark = pytest.mark.integration

MOMENTS = 20
SEED = 20261123
# In a schema that no client reaches: elsewhere a table without row policies is refused.
PGBENCH = ("env", "PGOPTIONS=-csearch_path=backup", "pgbench")
# Commits a change on the copy once it is promoted, as damage would look that recovery did not notice.
TAMPER = """
import sys
sys.path.insert(0, "/usr/local/lib/supabase-platform")
from platform_backup import cli, drill
class Tampered(drill.Copy):
    def recover(self, live):
        super().recover(live)
        with self.connect() as session:
            session.execute(STATEMENT)
drill.Copy = Tampered
sys.exit(cli.main(["drill"]))
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with running() as started:
        started.marker()
        started.archived()
        yield started


@contextmanager
def load(machine: Machine) -> Iterator[None]:
    """Eight clients that write and one that makes, alters, truncates and drops tables, while the block runs."""
    over = threading.Event()
    problems: list[str] = []

    def write() -> None:
        while not over.is_set():
            done = machine.run(*PGBENCH, "--client=8", "--jobs=2", "--time=5", "--no-vacuum")
            if done.returncode or "number of failed transactions: 0 " not in done.stdout:
                problems.append(done.stdout + done.stderr)

    def churn() -> None:
        number = 0
        while not over.is_set():
            number += 1
            machine.sql(
                "create table if not exists backup.churn (i int)",
                f"truncate backup.churn; insert into backup.churn select generate_series(1, {number})",
                f"alter table backup.churn add column c{number} int default {number}",
                *(["drop table backup.churn"] if number % 5 == 0 else []),
            )
            over.wait(1.0)

    threads = [threading.Thread(target=write), threading.Thread(target=churn)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert problems == []


def test_what_a_marker_says_is_what_the_restored_copy_holds(machine: Machine) -> None:
    machine.sql("insert into backup.markers (marker) values ('by hand')")
    name = machine.marker()
    machine.sql("insert into backup.markers (marker) values ('later')")
    machine.archived()
    done, record = machine.drill(name)
    assert done.returncode == 0, done.stderr
    assert (record["result"], record["differences"], record["error"]) == ("passed", [], None)
    assert record["target"]["name"] == name
    assert re.fullmatch(r"\d+ migrations", record["verified"])
    assert record["rows"] > 0
    assert record["tables"] > 5
    assert record["bytes"] > 10_000_000
    assert set(record["steps"]) == {"restore", "recovery", "compare", "verify", "remove", "wait for the archive"}
    assert record["rto_seconds"] > 0
    assert record["rpo_seconds"] > 0
    assert machine.scratch_is_empty()
    metrics = machine.do("cat", f"{TEXTFILE}/restore_drill.prom")
    assert "supabase_restore_drill_last_result 1\n" in metrics
    assert "supabase_backup_marker_last_result 1\n" in machine.do("cat", f"{TEXTFILE}/backup_marker.prom")


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("update backup.books set title = 'secret title' where id = 2", "checksum of backup.books"),
        ("delete from backup.books where id = 2", "rows of backup.books"),
        ("drop table backup.books", "table backup.books"),
        ("insert into backup.markers (marker) values ('after')", "newest marker"),
    ],
)
def test_a_copy_that_differs_is_found(machine: Machine, statement: str, what: str) -> None:
    machine.sql(
        "create table if not exists backup.books (id int primary key, title text)",
        "insert into backup.books values (1, 'one'), (2, 'secret title of two') on conflict do nothing",
    )
    name = machine.marker()
    machine.archived()
    program = TAMPER.replace("STATEMENT", repr(statement)).replace('["drill"]', f'["drill", "{name}"]')
    done = machine.run("python3", "-c", program)
    assert done.returncode == 1
    record = machine.last_drill()
    assert record["result"] == "failed"
    assert what in {difference["what"] for difference in record["differences"]}
    assert f"differs: {what}" in done.stdout
    assert "secret title" not in done.stdout + done.stderr + str(record), "what a row holds is nobody's business"
    assert machine.scratch_is_empty()
    assert "supabase_restore_drill_last_result 0\n" in machine.do("cat", f"{TEXTFILE}/restore_drill.prom")


def test_markers_under_load_are_exact(machine: Machine) -> None:
    machine.do(*PGBENCH, "--initialize", "--quiet", "--scale=5")
    dice = random.Random(SEED)
    taken: list[str] = []
    with load(machine):
        for _ in range(10 * MOMENTS):
            done = machine.run("platform-backup", "marker")
            assert done.returncode in {0, 75}, done.stderr
            taken += [done.stdout.split('"')[3]] if done.returncode == 0 else []
            if len(taken) == MOMENTS + MOMENTS // 4:
                break
            time.sleep(dice.uniform(0.0, 0.5))
    assert len(taken) >= MOMENTS, "too few moments to prove anything"
    machine.archived()
    wrong = []
    for name in dice.sample(taken, MOMENTS):
        done, record = machine.drill(name)
        assert record["target"]["name"] == name, done.stderr
        assert record["sampled_tables"] >= 1, "pgbench_accounts is larger than the budget"
        if done.returncode:
            wrong.append((name, record["differences"], record["error"]))
    assert wrong == [], f"seed {SEED}"


def test_a_marker_is_written_among_transactions_that_are_rolled_back(machine: Machine) -> None:
    # Each takes its number while the slot waits for the one before, and none of them moves the snapshot's end on.
    program = """
import subprocess, time, psycopg
def begin():
    session = psycopg.connect("dbname=postgres", autocommit=False)
    session.execute("select pg_current_xact_id()")
    return session
def waits_for(session):
    query = "select from pg_locks where not granted and transactionid::text::bigint = %s"
    number = session.execute("select pg_current_xact_id()::text::bigint").fetchone()[0] % 2**32
    deadline = time.monotonic() + 10
    while not watching.execute(query, (number,)).fetchall():
        assert time.monotonic() < deadline, "the marker does not wait"
        time.sleep(0.01)
watching = psycopg.connect("dbname=postgres", autocommit=True)
first = begin()
marker = subprocess.Popen(["platform-backup", "marker"])
waits_for(first)
begin().rollback()
second = begin()
first.rollback()
waits_for(second)
third = begin()
second.rollback()
code = marker.wait(timeout=30)
third.rollback()
raise SystemExit(code)
"""
    machine.do("python3", "-c", program)
    moment = json.loads(machine.do("tail", "-n", "1", f"{STATE}/ledger.jsonl"))
    xmin, xmax, _ = moment["snapshot"].split(":")
    assert int(xmin) == int(xmax)
    machine.archived()
    done, _ = machine.drill(moment["name"])
    assert done.returncode == 0, done.stderr


def test_a_transaction_that_does_not_end_means_no_marker_this_time(machine: Machine) -> None:
    before = machine.do("sh", "-c", f"wc -l < {STATE}/ledger.jsonl")
    open_one = machine.start("psql", "-Xq")
    assert open_one.stdin is not None
    open_one.stdin.write("begin; insert into backup.markers (marker) values ('open');\n")
    open_one.stdin.flush()
    try:
        time.sleep(1.0)
        done = machine.run("platform-backup", "marker")
    finally:
        open_one.communicate("rollback;\n")
    assert done.returncode == 75
    assert "a transaction that writes has not ended" in done.stderr
    assert machine.do("sh", "-c", f"wc -l < {STATE}/ledger.jsonl") == before
    assert "supabase_backup_marker_last_result 0\n" in machine.do("cat", f"{TEXTFILE}/backup_marker.prom")
    machine.marker()


def test_the_copy_starts_no_job_and_nobody_else_reaches_it(machine: Machine) -> None:
    asked = """
            print(session.execute("select string_agg(distinct backend_type, ',') from pg_stat_activity").fetchone()[0])
            print(session.execute("select current_setting('listen_addresses')").fetchone()[0] or "nowhere")
            print(session.execute("select current_setting('archive_mode')").fetchone()[0])
            print(oct(self._socket.stat().st_mode))
"""
    program = TAMPER.replace("            session.execute(STATEMENT)\n", asked.removeprefix("\n"))
    done = machine.run("python3", "-c", program)
    assert done.returncode == 0, done.stderr
    assert "pg_cron" not in done.stdout
    assert "logical replication" not in done.stdout
    assert "\nnowhere\noff\n0o40700\n" in done.stdout


def test_a_killed_drill_leaves_the_live_cluster_alone_and_the_next_one_cleans_up(machine: Machine) -> None:
    started = machine.sql("select pg_postmaster_start_time()")
    killed = machine.start("platform-backup", "drill")
    deadline = time.monotonic() + 60
    while machine.run("pgrep", "-f", f"postgres -D {SCRATCH}/data").returncode:
        assert killed.poll() is None
        assert time.monotonic() < deadline, "the copy never started"
        time.sleep(0.05)
    machine.do("pkill", "-KILL", "-f", "platform-backup drill")
    killed.communicate()
    assert not machine.scratch_is_empty()
    assert machine.sql("select pg_postmaster_start_time()") == started
    done, _ = machine.drill()
    assert done.returncode == 0, done.stderr
    assert machine.scratch_is_empty()
    machine.do("platform-backup", "clear")


def test_a_stopped_drill_says_so_and_removes_its_copy(machine: Machine) -> None:
    stopped = machine.start("platform-backup", "drill")
    while machine.run("pgrep", "-f", f"postgres -D {SCRATCH}/data").returncode:
        assert stopped.poll() is None
        time.sleep(0.05)
    machine.do("pkill", "-TERM", "-f", "platform-backup drill")
    stopped.communicate()
    assert machine.last_drill()["error"] == "stopped before its end"
    assert machine.scratch_is_empty()


@pytest.mark.parametrize("target", ["marker-of-nobody", "2020-01-01T00:00:00Z"])
def test_what_cannot_be_restored_is_refused_with_the_range(machine: Machine, target: str) -> None:
    before = machine.last_drill()
    done, after = machine.drill(target)
    assert done.returncode == 1
    assert re.search(r"restorable are \d+ moments from marker-\S+ \(20\S+\) to marker-", done.stderr), done.stderr
    assert after == before, "a request that was refused is no drill"


def test_the_wrong_passphrase_is_named(machine: Machine) -> None:
    done = machine.run("env", "PGBACKREST_REPO1_CIPHER_PASS=another", "platform-backup", "drill")
    assert done.returncode == 1
    assert "cannot be decrypted" in done.stderr
    assert "backup_cipher" in done.stderr
    assert machine.scratch_is_empty()


def test_a_missing_segment_of_the_log_fails_the_drill(machine: Machine) -> None:
    machine.backup("diff")
    machine.sql("select pg_switch_wal()")
    name = machine.marker()
    machine.archived()
    # A later segment: without one the archive would merely end before the moment, and the drill be refused.
    machine.archived()
    segment = machine.do("sh", "-c", f'grep {name} {STATE}/ledger.jsonl | grep -o \'"segment":"[0-9A-F]*\' | cut -c12-')
    segment = segment.removeprefix('"')
    (file,) = machine.do("sh", "-c", f"find /srv/repository -name '{segment}-*'").splitlines()
    machine.do("mv", file, f"{STATE}/hidden")
    try:
        done, record = machine.drill(name)
    finally:
        machine.do("mv", f"{STATE}/hidden", file)
    assert done.returncode == 1
    assert "the copy did not reach the moment" in record["error"], done.stderr
    assert machine.scratch_is_empty()


def test_two_drills_do_not_meet(machine: Machine) -> None:
    first = machine.start("platform-backup", "drill")
    assert first.stdout is not None
    assert first.stdout.readline().startswith("target ")
    second = machine.run("platform-backup", "drill")
    _, err = first.communicate(timeout=300)
    assert second.returncode == 1
    assert "another drill is running" in second.stderr
    assert first.returncode == 0, err


def test_root_does_not_leave_its_files_behind(machine: Machine) -> None:
    done = subprocess.run(
        ["docker", "exec", machine.container, "platform-backup", "drill"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "never as root" in done.stderr
