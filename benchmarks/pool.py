"""A thousand clients at the database, directly and through the pooler: make bench NAME=pool.

Both sides in one run on the running sandbox platform, alternating, with pgbench on the server itself. The tables live
in a schema of their own, owned by a role of their own, and both are removed afterwards. Directly there is room for
max_connections only, so both sides are also measured with as many clients as fit.
"""

import os
import re
import secrets
import shlex
import statistics
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.report import write
from infra import components
from ops.connect import Server
from ops.errors import OperatorError
from ops.stack import SANDBOX, Stack
from plugins.modules.postgresql_role_passwords import ITERATIONS, verifier

CLIENTS = int(os.environ.get("CLIENTS", "1000"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
SCALE = int(os.environ.get("SCALE", "10"))
PREFIX = "bench_pool_"
# A new name each time: the pooler keeps sessions of a role for minutes, and those of a dropped one would be used again.
NAME = PREFIX + secrets.token_hex(4)
# Transactions of one run, shared by its clients, so that no run ends before the last of them is connected.
WORKLOADS = {"select-only": 100_000, "tpcb-like": 20_000}

MADE = f"create role {NAME} login password :'verifier'; grant connect on database :\"database\" to {NAME};"
MADE += f" create schema {NAME} authorization {NAME}; alter role {NAME} set search_path = {NAME};"
# Those of a run that was killed too.
REMOVED = f"""do $$ declare made text; begin
for made in select rolname from pg_roles where starts_with(rolname, '{PREFIX}') loop
execute format('drop schema if exists %I cascade', made);
execute format('drop owned by %I', made);
execute format('drop role %I', made);
end loop; end $$"""


@dataclass(frozen=True)
class Side:
    """A way to the database with a number of clients; `holds` is false where they are more than it has room for."""

    title: str
    port: int
    clients: int
    holds: bool = True


@dataclass(frozen=True)
class Sample:
    """One run of pgbench: transactions per second, milliseconds of each and of connecting, failed transactions."""

    tps: float
    latency_ms: float
    connecting_ms: float
    failed: int


def read(said: str) -> Sample:
    """What pgbench reports."""

    def number(pattern: str) -> float:
        found = re.search(pattern, said)
        if found is None:
            raise OperatorError(f"pgbench did not say {pattern!r}:\n{said}")
        return float(found[1])

    return Sample(
        tps=number(r"tps = ([\d.]+) \(without"),
        latency_ms=number(r"latency average = ([\d.]+) ms"),
        connecting_ms=number(r"initial connection time = ([\d.]+) ms"),
        failed=int(number(r"number of failed transactions: (\d+)")),
    )


@contextmanager
def scratch(server: Server, database: str, port: int) -> Iterator[str]:
    """A role with its schema for as long as the block runs; yields its password."""
    password = secrets.token_hex(24)
    psql = f"psql --username=postgres --port={port} --dbname={shlex.quote(database)} --quiet --set=ON_ERROR_STOP=1"
    settings = (
        f"\\set verifier '{verifier(password, secrets.token_bytes(16), ITERATIONS)}'\n\\set database {database}\n"
    )
    server.run(psql, REMOVED)
    try:
        server.run(psql, settings + MADE)
        yield password
    finally:
        server.run(psql, REMOVED)


def pgbench(server: Server, database: str, password: str, port: int, words: str) -> str:
    """Run pgbench on the server as the scratch role; the password goes in by standard input and the environment."""
    version = components.versions()["postgresql"]["major"]
    script = (
        "read -r PGPASSWORD; export PGPASSWORD PGSSLMODE=require; ulimit -n 8192;"
        f" /usr/lib/postgresql/{version}/bin/pgbench --host=127.0.0.1 --port={port} --username={NAME}"
        f" {words} {shlex.quote(database)} 2>&1"
    )
    return server.run(script, f"{password}\n")


def refusal(server: Server, database: str, password: str, side: Side) -> str:
    """What more clients than there is room for are told."""
    try:
        pgbench(server, database, password, side.port, f"--no-vacuum --client={side.clients} --jobs=2 --transactions=1")
    except OperatorError as error:
        found = re.search(r"FATAL: +(.+)", str(error))
        return found[1] if found else str(error).splitlines()[-1]
    raise OperatorError(f"{side.clients} clients got in directly, although the server has less room")


def main() -> None:
    """Measure, print the table, write the JSON."""
    rows = components.load()
    direct, pooler = rows["postgresql"].port("sql"), rows["pgbouncer"].port("pool")
    database = components.platform()["platform_database"]
    samples: dict[str, dict[str, list[Sample]]] = {name: defaultdict(list) for name in WORKLOADS}
    with Server(Stack(SANDBOX).outputs()) as server:
        # Half of the sessions: the rest stays for everybody else.
        fits = int(server.run(f"psql --username=postgres --port={direct} -Atc 'show max_connections'")) // 2
        sides = [
            Side(f"direct, {fits} clients", direct, fits),
            Side(f"pooler, {fits} clients", pooler, fits),
            Side(f"direct, {CLIENTS} clients", direct, CLIENTS, holds=False),
            Side(f"pooler, {CLIENTS} clients", pooler, CLIENTS),
        ]
        with scratch(server, database, direct) as password:
            pgbench(server, database, password, direct, f"--initialize --quiet --scale={SCALE}")
            refused = {side.title: refusal(server, database, password, side) for side in sides if not side.holds}
            for number in range(ROUNDS):
                for workload, transactions in WORKLOADS.items():
                    for side in (side for side in sides if side.holds):
                        words = f"--no-vacuum --builtin={workload} --client={side.clients} --jobs=2"
                        words += f" --transactions={transactions // side.clients}"
                        said = pgbench(server, database, password, side.port, words)
                        samples[workload][side.title].append(read(said))
                        print(f"[bench] round {number + 1} of {ROUNDS}: {workload}, {side.title}", flush=True)
    table, measured = [], []
    for workload in WORKLOADS:
        for side in sides:
            if not side.holds:
                table.append([workload, side.title, "refused", "", "", ""])
                continue
            runs = samples[workload][side.title]
            median = {
                name: round(statistics.median(getattr(run, name) for run in runs), 2)
                for name in ("tps", "latency_ms", "connecting_ms")
            }
            failed = sum(run.failed for run in runs)
            measured.append(
                {"workload": workload, "side": side.title, "clients": side.clients, "failed": failed, **median}
                | {"tps_of_each_round": [run.tps for run in runs]}
            )
            table.append([
                workload, side.title, f"{median['tps']:.0f}", f"{median['latency_ms']:.1f}",
                f"{median['connecting_ms']:.0f}", str(failed),
            ])  # fmt: skip
    for title, said in refused.items():
        print(f"{title}: {said}")
    write(
        "pool",
        ["pgbench", "way", "transactions/s", "ms each", "ms to connect all", "failed"],
        table,
        {"rounds": ROUNDS, "transactions": WORKLOADS, "scale": SCALE, "refused": refused, "measured": measured},
    )


if __name__ == "__main__":
    main()
