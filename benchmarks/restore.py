"""How fast backups and restores are, against `cp -a` of the same data directory: GB=2 make bench NAME=restore.

On the running sandbox platform, through TLS into its object storage. The rows are half random, so that they compress to
about half. RPO and RTO are those of a drill while pgbench writes. The measured table is dropped at the end; the backups
stay in the repository until their time is over.
"""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.report import write
from infra import components
from ops.connect import Server
from ops.restore_drill import STATE, last_record
from ops.stack import SANDBOX, Stack

GB = float(os.environ.get("GB", "2"))
CLIENTS = 8
ROW_BYTES = 1000
SCALE = 10
PLATFORM = components.platform()
VOLUME = PLATFORM["platform_volume_mount"]
DATA = f"{VOLUME}/postgresql/{components.versions()['postgresql']['major']}/main"
COPY = f"{VOLUME}/bench-copy"
AS_POSTGRES = "cd / && sudo -u postgres env PGOPTIONS=-csearch_path=bench"
AIM = 0.7

# Thirty hexadecimal digests in a row: half of their bits are noise, as in data that is worth keeping.
FILL = """
set synchronous_commit = off;
drop schema if exists bench cascade;
create schema bench;
create table bench.payload as
select i, (select string_agg(md5((i * 31 + j)::text), '') from generate_series(1, 30) as j) as text
from generate_series(1, {rows}) as i;
checkpoint;
"""


def sql(server: Server, text: str) -> str:
    """What psql prints, unaligned."""
    return server.run(f"{AS_POSTGRES} psql -XqAt -v ON_ERROR_STOP=1", stdin=text)


def seconds_of(server: Server, command: str) -> float:
    """How long a command on the server takes."""
    began, ended = server.run(f"date +%s.%N; {command} >/dev/null; date +%s.%N").split()
    return float(ended) - float(began)


def drilled(server: Server) -> dict[str, Any]:
    """Write a marker, have it archived, restore it, and return the drill's record."""
    server.run("systemctl start supabase-backup-marker.service")
    name = json.loads(server.run(f"tail --lines=1 {STATE}/ledger.jsonl"))["name"]
    server.run(f"cd / && sudo -u postgres pgbackrest --stanza={PLATFORM['platform_backup_stanza']} check")
    server.run(f"systemctl start supabase-restore-drill@{name}.service")
    record = last_record(server)
    assert record is not None
    assert record["target"]["name"] == name
    assert record["result"] == "passed"
    return record


@contextmanager
def load(server: Server) -> Iterator[list[str]]:
    """pgbench writes for as long as the block runs; afterwards the list holds what each of its runs said."""
    over, said = threading.Event(), list[str]()

    def run() -> None:
        while not over.is_set():
            said.append(server.run(f"{AS_POSTGRES} pgbench --client={CLIENTS} --jobs=2 --time=5 --no-vacuum"))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield said
    finally:
        over.set()
        thread.join()


def main() -> None:
    """Measure, print the table, write the JSON."""
    with Server(Stack(SANDBOX).outputs()) as server, Server(Stack(SANDBOX).outputs()) as other:
        sql(server, FILL.format(rows=int(GB * 1e9 / ROW_BYTES)))
        server.run(f"{AS_POSTGRES} pgbench --initialize --quiet --scale={SCALE} 2>/dev/null")
        try:
            size = int(server.run(f"du --summarize --bytes --exclude=pg_wal {DATA} | cut -f1"))
            rate = {}
            # Without reflink: XFS would share the blocks and copy nothing.
            copy = f"cp -a --reflink=never {DATA} {COPY} && rm -rf {COPY}/pg_wal && sync --file-system {COPY}"
            rate["cp -a"] = size / seconds_of(server, copy) / 1e6
            server.run(f"rm -rf {COPY}")
            rate["backup"] = size / seconds_of(server, "platform-backup start full") / 1e6
            calm = drilled(server)
            rate["restore"] = calm["bytes"] / calm["steps"]["restore"] / 1e6
            with load(other) as said:
                busy = drilled(server)
        finally:
            server.run(f"rm -rf {COPY}")
            sql(server, "drop schema if exists bench cascade")
    tps = [float(text.split("tps = ")[1].split()[0]) for text in said]
    rows = [[name, f"{value:.0f} MB/s", f"{value / rate['cp -a']:.2f}"] for name, value in rate.items()]
    rows += [
        ["RTO, calm", f"{calm['rto_seconds']:.1f} s", ""],
        ["RTO, under load", f"{busy['rto_seconds']:.1f} s", ""],
        ["RPO, calm", f"{calm['rpo_seconds']:.1f} s", ""],
        ["RPO, under load", f"{busy['rpo_seconds']:.1f} s", ""],
        [f"the load: {CLIENTS} clients", f"{sum(tps) / len(tps):.0f} tps", ""],
    ]
    write(
        "restore",
        [f"data directory of {size / 1e9:.2f} GB", "measured", f"of cp -a (aim {AIM})"],
        rows,
        {"bytes": size, "megabytes_per_second": rate, "calm": calm, "under_load": busy, "tps": tps, "aim": AIM},
    )


if __name__ == "__main__":
    main()
