"""Storage that is down, a wrong key, a damaged backup, a killed server, a dead machine, a full disk: nothing is lost.

`Acknowledged` means that the client's insert returned. A container that is killed keeps the kernel's page cache, so the
hard stop here proves crash recovery, not the disk's honesty about fsync.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from ops.connect import Server
from ops.errors import OperatorError
from ops.stack import ROOT
from sandbox import home, machine
from tests.e2e.database import MAKE_TABLE, SCHEMA, metrics, ops, rows, sql, wait_for_database, writing
from tests.e2e.platform import Platform

REPOSITORY = "cd / && runuser -u postgres -- pgbackrest --stanza=main"
# PostgreSQL's archiver pauses for a minute after three failures; pgBackRest itself tries for a minute.
CATCH_UP_SECONDS = 240


@pytest.fixture(autouse=True)
def table(server: Server) -> Iterator[None]:
    sql(server, MAKE_TABLE)
    yield
    wait_for_database(server)
    sql(server, f"drop schema if exists {SCHEMA} cascade")


def wait_until(what: str, seconds: float, holds: Callable[[], bool]) -> float:
    """Wait until something holds; returns how long that took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, f"not within {seconds:.0f} s: {what}"
        time.sleep(1)
    return time.monotonic() - began


def object_storage(action: str) -> None:
    """Stop or start the object storage outside the droplet."""
    container = home.current().name("service", "spaces")
    subprocess.run(["docker", action, container], check=True, capture_output=True)


def test_the_log_waits_while_storage_is_down_and_nothing_is_lost(server: Server) -> None:
    object_storage("stop")
    try:
        for number in range(3):
            sql(server, f"insert into {SCHEMA}.written values ({number}); select pg_switch_wal()")
        wait_until("a failed attempt", CATCH_UP_SECONDS, lambda: metrics(server)["archiver_ok"] == 0)
        seen = metrics(server)
        assert seen["wal_waiting_segments"] >= 3
        assert seen["wal_behind_seconds"] > 0
    finally:
        object_storage("start")
    caught_up = wait_until(
        "every segment archived", CATCH_UP_SECONDS, lambda: metrics(server)["wal_waiting_segments"] == 0
    )
    assert metrics(server)["archiver_ok"] == 1
    print(f"caught up {caught_up:.0f} s after the storage came back")


def test_a_wrong_key_is_seen_and_repaired(platform: Platform, server: Server) -> None:
    server.run("sed -i 's/^repo1-s3-key-secret=.*/repo1-s3-key-secret=wrong/' /etc/pgbackrest.conf")
    sql(server, "select pg_current_xact_id(); select pg_switch_wal()")
    wait_until("a failed attempt", CATCH_UP_SECONDS, lambda: metrics(server)["archiver_ok"] == 0)
    with pytest.raises(OperatorError, match=r"(?s)supabase-backup@incr.service failed.*403"):
        server.run("platform-backup start incr")
    assert metrics(server)['last_run_ok{type="incr"}'] == 0
    seen = ops(platform, "verify")
    assert seen.returncode == 1
    assert "Compare with what is declared" in seen.stdout, seen.stdout
    assert "supabase-backup@incr.service" in seen.stdout
    from infra.converge import converge

    repaired = converge(platform.outputs, check=False, tags="backup_configure")
    assert repaired.ok, repaired.failure
    assert any("Configure pgBackRest" in task for task in repaired.changed)
    wait_until("every segment archived", CATCH_UP_SECONDS, lambda: metrics(server)["wal_waiting_segments"] == 0)
    server.run("platform-backup start incr")
    assert metrics(server)['last_run_ok{type="incr"}'] == 1


def test_a_damaged_backup_is_found_by_the_verification(server: Server) -> None:
    bundle = server.run(f"{REPOSITORY} repo-ls --recurse backup/main | grep 'F/bundle/1$' | tail -1")
    server.run(
        f"umask 077; {REPOSITORY} repo-get --raw backup/main/{bundle} > /root/bundle; cp /root/bundle /root/damaged;"
        " printf damaged | dd of=/root/damaged bs=1 seek=5000 conv=notrunc status=none;"
        f" {REPOSITORY} repo-put --raw backup/main/{bundle} < /root/damaged"
    )
    try:
        with pytest.raises(OperatorError, match="supabase-backup-verify"):
            server.run("systemctl start supabase-backup-verify")
        assert metrics(server)['last_run_ok{type="verify"}'] == 0
        assert "checksum invalid: 1" in server.run("journalctl --unit=supabase-backup-verify --output=cat --lines=30")
    finally:
        server.run(f"{REPOSITORY} repo-put --raw backup/main/{bundle} < /root/bundle; rm /root/bundle /root/damaged")
    server.run("systemctl start supabase-backup-verify")
    assert metrics(server)['last_run_ok{type="verify"}'] == 1


def test_a_killed_server_forgets_nothing_it_acknowledged(platform: Platform, server: Server) -> None:
    with writing(platform, server) as written:
        time.sleep(2)
        server.run("pkill -KILL -u postgres postgres")
        wait_until("every client's end", 30, lambda: len(written.ended) == 4)
    down = wait_for_database(server)
    assert len(written.acknowledged) > 100
    assert written.acknowledged <= rows(server)
    print(f"{len(written.acknowledged)} acknowledged, all there; the server answered again after {down:.1f} s")


def test_a_dead_machine_forgets_nothing_it_acknowledged(platform: Platform) -> None:
    sandbox = [sys.executable, "-m", "sandbox"]
    name = platform.outputs["platform"]
    # By its id: the droplets of the roles' tests are of the same sandbox.
    container = machine.container_name(home.current(), {"id": platform.outputs["droplet_id"]})
    with Server(platform.outputs) as server, writing(platform, server) as written:
        time.sleep(2)
        subprocess.run(["docker", "kill", container], check=True, capture_output=True)
        wait_until("every client's end", 60, lambda: len(written.ended) == 4)
    subprocess.run([*sandbox, "stop", name], cwd=ROOT, env=platform.stack.environment, check=True)
    subprocess.run([*sandbox, "start", name], cwd=ROOT, env=platform.stack.environment, check=True)
    with Server(platform.outputs) as server:
        down = wait_for_database(server)
        assert len(written.acknowledged) > 100
        assert written.acknowledged <= rows(server)
        wait_until("the archiver", CATCH_UP_SECONDS, lambda: metrics(server)["wal_waiting_segments"] == 0)
    print(f"{len(written.acknowledged)} acknowledged, all there; the server answered again after {down:.1f} s")


def test_a_disk_full_of_log_stops_the_server_and_loses_nothing(platform: Platform, server: Server) -> None:
    """New segments of the log take the last room: PostgreSQL panics, and goes on by itself once there is room."""
    server.run("fallocate --length $(($(stat --file-system --format='%a*%S' /srv/data) - 100000000)) /srv/data/filler")
    try:
        with writing(platform, server) as written:
            time.sleep(1)
            with pytest.raises(OperatorError, match=r"terminat|closed|connection"):
                sql(server, "select pg_current_xact_id(); select pg_switch_wal();" * 300)
            wait_until("every client's end", 60, lambda: len(written.ended) == 4)
        assert (
            server.run("journalctl --boot -t postgres --output=cat | grep -c 'PANIC.*No space left on device'") != "0"
        )
    finally:
        server.run("rm /srv/data/filler")
    down = wait_for_database(server)
    assert len(written.acknowledged) > 10
    assert written.acknowledged <= rows(server)
    print(f"{len(written.acknowledged)} acknowledged, all there; back {down:.1f} s after the disk had room")
    wait_until("every segment archived", CATCH_UP_SECONDS, lambda: metrics(server)["wal_waiting_segments"] == 0)


def test_every_fault_left_the_platform_as_declared(platform: Platform, server: Server) -> None:
    server.run("platform-backup start incr")
    assert ops(platform, "verify").returncode == 0
