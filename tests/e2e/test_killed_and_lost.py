"""What a platform survives that nobody else looks at: runs killed at any moment, and the loss of droplet and volume."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.checkout import Checkout, second_checkout
from tests.e2e.platform import Platform

KILLS = int(os.environ.get("KILLS", "5"))
ATTEMPTS = 30
LATEST_SECONDS = 45.0
VICTIMS = ["pulumi", "ansible", "droplet"]
# Random moments, but the same ones every time; SEED=... tries others.
SEED = int(os.environ.get("SEED", "20261123"))

WRITE = """
create schema kept;
create table kept.rows as select number, md5(number::text) as text from generate_series(1, 20000) as number;
select pg_switch_wal();
"""
READ = "select count(*), md5(string_agg(text, ',' order by number)) from kept.rows"
ARCHIVED = """
select not exists (select from pg_ls_archive_statusdir() where name like '%.ready')
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    with second_checkout(tmp_path_factory.mktemp("second")) as made:
        yield made


def descendants(pid: int) -> list[tuple[int, str]]:
    """Every process below `pid` with its command line, children after parents."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()]
    children: dict[int, list[tuple[int, str]]] = {}
    for row in rows:
        children.setdefault(int(row[1]), []).append((int(row[0]), row[2] if len(row) > 2 else ""))
    found, waiting = [], [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.append(child)
            waiting.append(child[0])
    return found


def kill(victim: str, run: subprocess.Popen[bytes], checkout: Checkout) -> str:
    """Kill the victim as the machine would: SIGKILL, no goodbye. Returns what was killed."""
    processes = descendants(run.pid)
    if victim == "ansible":
        pids = [pid for pid, command in processes if "ansible-playbook" in command]
    elif victim == "droplet":
        pids = droplet_inits(checkout)
    else:
        pids = []
    if not pids:  # nothing of that kind is running at this moment
        victim = "pulumi"
        pids = [pid for pid, command in processes if Path(command.split(" ", 1)[0]).name == "pulumi"]
    if not pids:  # between two commands: everything that was started from the terminal
        victim = "make"
        pids = [run.pid, *(pid for pid, _ in processes)]
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return victim


def droplet_inits(checkout: Checkout) -> list[int]:
    """Process ids, seen from this machine, of the init of every droplet of the checkout's sandbox."""
    done = subprocess.run(
        ["docker", "ps", "--filter", f"label=supabase-sandbox.home={home_id(checkout)}", "--format", "{{.Names}}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = [name for name in done.stdout.split() if "-droplet-" in name]
    inspect = ["docker", "inspect", "--format", "{{.State.Pid}}", *names]
    return [int(pid) for pid in subprocess.check_output(inspect, text=True).split()] if names else []


def home_id(checkout: Checkout) -> str:
    from sandbox.home import Home

    return Home((checkout.folder / ".sandbox").resolve()).id


def finished(run: subprocess.Popen[bytes]) -> None:
    """Wait for what the kill left over to notice and end."""
    try:
        run.wait(timeout=300)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        pytest.fail("a run whose part was killed hung for five minutes instead of failing")


def comparable(audit: dict[str, Any]) -> dict[str, Any]:
    """The server's state without what names this very droplet."""
    server = dict(audit["server"])
    server["listeners"] = sorted((row["protocol"], row["port"], row["process"]) for row in server["listeners"])
    return server


def ask(checkout: Checkout, statements: str) -> str:
    """Run statements through `make psql`; rows come back as lines."""
    done = subprocess.run(
        ["make", "--silent", "psql"], cwd=checkout.folder, env=checkout.environment,
        input=f"\\pset format unaligned\n\\pset tuples_only\n{statements};\n",
        text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def lose(checkout: Checkout) -> None:
    """Delete droplet and volume behind Pulumi's back, as in the control panel."""
    sandbox = [sys.executable, "-m", "sandbox"]
    environment = checkout.environment | {"PYTHONPATH": str(checkout.folder)}
    listed = json.loads(subprocess.check_output([*sandbox, "list"], cwd=checkout.folder, env=environment))
    for collection in ("volume_attachments", "droplets", "volumes"):
        for ident in listed[collection]:
            subprocess.run([*sandbox, "delete", collection, ident], cwd=checkout.folder, env=environment, check=True)


def test_kills_at_random_moments_reach_the_same_state(checkout: Checkout, platform: Platform, tmp_path: Path) -> None:
    dice = random.Random(SEED)
    log = tmp_path / "log"
    killed: list[str] = []
    latest = LATEST_SECONDS
    for _ in range(ATTEMPTS):
        if len(killed) == KILLS:
            break
        delay, victim = dice.uniform(1.0, latest), VICTIMS[len(killed) % len(VICTIMS)]
        run = checkout.start("up", "PHASE=1", log=log)
        try:
            run.wait(timeout=delay)
        except subprocess.TimeoutExpired:
            killed.append(f"{kill(victim, run, checkout)} after {delay:.1f} s")
            finished(run)
        else:  # too late: the next one comes earlier
            assert run.returncode == 0, f"seed {SEED}: {killed}\n{log.read_text()[-6000:]}"
            latest = delay
    assert len(killed) == KILLS, f"only {len(killed)} of {ATTEMPTS} runs lasted until they were killed"
    story = f"seed {SEED}: {', '.join(killed)}"
    print(story)
    text = checkout.make("up", "PHASE=1")
    again = checkout.make("up", "PHASE=1")
    assert "unchanged" in again, f"{story}\n{text}\n{again}"
    assert not [line for line in again.splitlines() if line.strip().endswith(("updated", "created", "deleted"))], again
    status = json.loads(checkout.make("status", "FORMAT=json"))
    assert {row["health"] for row in status["components"]} == {"healthy"}, story
    audit = json.loads(
        subprocess.check_output(
            ["bash", "-c", 'eval "$(make --silent env)" && pulumi stack output audit --json --stack sandbox'],
            cwd=checkout.folder, env=checkout.environment, text=True,
        )
    )  # fmt: skip
    assert comparable(audit) == comparable(platform.now()["audit"]), story


def test_a_lost_server_comes_back_with_its_data(checkout: Checkout) -> None:
    checkout.make("up", "PHASE=1")
    ask(checkout, WRITE)
    before = ask(checkout, READ)
    assert before.startswith("20000|")
    deadline = time.monotonic() + 60
    while ask(checkout, ARCHIVED) != "t":
        assert time.monotonic() < deadline, "the log did not reach the bucket"
        time.sleep(1)

    lose(checkout)
    text = checkout.make("up", "PHASE=1")
    assert "Bring cluster and repository together: changed" in text
    assert ask(checkout, READ) == before

    again = checkout.make("up", "PHASE=1")
    assert not [line for line in again.splitlines() if line.strip().endswith(("updated", "created", "deleted"))], again
    print(os.linesep.join(line for line in text.splitlines() if "converged" in line))
