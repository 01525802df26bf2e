"""Droplet and volume are gone; bucket, stack and passphrase bring everything back with one `make up`."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.e2e.checkout import Checkout, second_checkout

WRITE = """
create schema kept;
create table kept.rows as select number, md5(number::text) as text from generate_series(1, 20000) as number;
select pg_switch_wal();
"""
READ = "select count(*), md5(string_agg(text, ',' order by number)) from kept.rows"
ARCHIVED = """
select not exists (select from pg_ls_archive_statusdir() where name like '%.ready')
"""


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


def test_a_lost_server_comes_back_with_its_data(tmp_path: Path) -> None:
    with second_checkout(tmp_path) as checkout:
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
        assert not [line for line in again.splitlines() if line.strip().endswith(("updated", "created", "deleted"))], (
            again
        )
        print(os.linesep.join(line for line in text.splitlines() if "converged" in line))
