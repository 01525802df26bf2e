"""How fast the API answers, and what each layer costs: make bench NAME=api.

One row by its key, a page of 100 rows and an insert, by a signed-in user through row policies, at 1, 10 and 50
connections: asked of the service alone, of the gateway in front of it, and by name through the TLS of the edge. All in
one run on the running sandbox platform, the layers taking turns. The client is wrk on the server itself, so there is no
network in the figures, but its share of the processors is; it asks again as soon as it has an answer. For the run the
limits of edge and gateway are out of the way. What is not answered with success is counted, and fails the benchmark.
"""

import json
import os
import re
import statistics
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.report import write
from infra import components
from infra.converge import converge
from infra.tokens import sign, symmetric_key
from ops.connect import Server
from ops.errors import OperatorError
from ops.stack import SANDBOX, Stack

ROUNDS = int(os.environ.get("ROUNDS", "3"))
DURATION = int(os.environ.get("DURATION", "4"))  # seconds of each run
CONNECTIONS = (1, 10, 50)
ROWS = 10_000
PAGE = 100
AIM_P95_MS = 100.0
TABLE = "bench_api"
FOLDER = "/var/tmp/bench-api"  # noqa: S108 - made anew by root, for root alone
LIMITS = ("gateway_requests_per_minute", "nginx_requests_per_second")
UNLIMITED = 10_000_000

# wrk is unpacked beside the system, not installed into it.
UNPACK = f"""
umask 077; rm -rf {FOLDER}; mkdir {FOLDER}; cd {FOLDER}
apt-get download --quiet wrk libluajit-5.1-2 >/dev/null
for package in *.deb; do dpkg --extract "$package" root; done
"""
# Two tenants of the same size. The account brings its organisation.
MAKE = f"""
begin;
insert into auth.users (id, email) values ('{{user}}', '{{user}}@bench.test'), ('{{other}}', '{{other}}@bench.test');
create table public.{TABLE} (
  id bigint generated always as identity primary key, org_id uuid not null, customer text not null,
  amount numeric(12, 2) not null, body text not null, made_at timestamptz not null default now()
);
insert into public.{TABLE} (org_id, customer, amount, body)
select o.id, 'customer ' || n % 500, n % 1000, repeat(md5(n::text), 3)
from generate_series(1, {ROWS}) as n cross join public.organizations as o where o.slug in ('{{user}}', '{{other}}')
order by n, o.slug = '{{other}}';
select tenancy.isolate('public.{TABLE}');
commit;
vacuum analyze public.{TABLE};
"""
REMOVE = f"""
drop table if exists public.{TABLE};
delete from public.organizations as o using auth.users as u where o.slug = u.id::text and u.email like '%@bench.test';
delete from auth.users where email like '%@bench.test';
"""

# The name in the handshake is the edge's; who resolves it is not measured.
SCRIPT = """
function wrk.resolve(host, service) wrk.addrs = wrk.lookup(%(address)s, service) end
wrk.method = %(method)s
wrk.body = %(body)s
%(headers)s
function done(summary, latency, requests)
  local e = summary.errors
  local said = {
    requests = summary.requests,
    seconds = summary.duration / 1e6,
    failed = e.connect + e.read + e.write + e.status + e.timeout,
    p50_ms = latency:percentile(50) / 1e3,
    p95_ms = latency:percentile(95) / 1e3,
    p99_ms = latency:percentile(99) / 1e3,
  }
  for name, value in pairs(said) do print("measured", name, value) end
end
"""


@dataclass(frozen=True)
class Request:
    """What is asked for; `path` follows the address of the REST API."""

    title: str
    path: str
    row: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Layer:
    """A place where the same request can be asked: how it is named there, and where that is."""

    title: str
    url: str
    address: str = "127.0.0.1"


@dataclass(frozen=True)
class Sample:
    """One run of wrk."""

    requests: float
    seconds: float
    failed: float
    p50_ms: float
    p95_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


REQUESTS = [
    # In the middle, and the user's: the rows of the two tenants alternate.
    Request("one row", f"/{TABLE}?id=eq.{ROWS + 1}"),
    Request(f"{PAGE} rows", f"/{TABLE}?order=id&limit={PAGE}"),
    Request("insert", f"/{TABLE}", {"customer": "customer 1", "amount": 12.5, "body": "x" * 96}),
]


def layers(domain: str, address: str) -> list[Layer]:
    """From the service outwards."""
    rows = components.load()
    (prefix,) = rows["rest"].paths
    return [
        Layer("service", f"http://127.0.0.1:{rows['rest'].port('http')}"),
        Layer("+ gateway", f"http://127.0.0.1:{rows['gateway'].port('http')}{prefix}"),
        Layer("+ edge", f"https://api.{domain}{prefix}", address),
    ]


def read(said: str) -> Sample:
    """What wrk reports."""
    found = {name: float(value) for name, value in re.findall(r"^measured\t(\w+)\t(\S+)$", said, re.MULTILINE)}
    if found.keys() != {field.name for field in fields(Sample)}:
        raise OperatorError(f"wrk did not measure what it should:\n{said}")
    if not found["requests"]:
        raise OperatorError(f"nothing was answered:\n{said}")
    return Sample(**found)


def script(request: Request, headers: Mapping[str, str], address: str) -> str:
    """What wrk is told in Lua; a file, because the token must not be on a command line."""
    quoted = {name: json.dumps(value) for name, value in headers.items()}
    return SCRIPT % {
        "address": json.dumps(address),
        "method": json.dumps("GET" if request.row is None else "POST"),
        "body": "nil" if request.row is None else json.dumps(json.dumps(request.row)),
        "headers": "\n".join(f"wrk.headers[{json.dumps(name)}] = {value}" for name, value in quoted.items()),
    }


def measure(server: Server, url: str, lua: str, connections: int) -> Sample:
    """Ask for some seconds."""
    command = (
        f"umask 077; cat > {FOLDER}/script.lua; export LD_LIBRARY_PATH=$(echo {FOLDER}/root/usr/lib/*-linux-gnu);"
        f" {FOLDER}/root/usr/bin/wrk --threads=1 --connections={connections} --duration={DURATION}s --timeout=10s"
        f" --script={FOLDER}/script.lua '{url}' 2>&1"
    )
    return read(server.run(command, lua))


@contextmanager
def unlimited(outputs: Mapping[str, Any]) -> Iterator[None]:
    """No limit of requests while the block runs; both services take it without a restart."""

    def limit(variables: Mapping[str, int]) -> None:
        result = converge(outputs, check=False, tags="gateway,nginx", variables=variables)
        if not result.ok:
            raise OperatorError(f"the limits could not be set: {result.failure}")

    try:
        limit(dict.fromkeys(LIMITS, UNLIMITED))
        yield
    finally:
        limit({})


@contextmanager
def tenant(server: Server) -> Iterator[str]:
    """A user with rows in an organisation, for as long as the block runs; yields his id."""
    psql = "psql --username=postgres --no-psqlrc --quiet --set=ON_ERROR_STOP=1 >/dev/null"
    user, other = str(uuid.uuid4()), str(uuid.uuid4())
    server.run(psql, REMOVE)
    try:
        server.run(psql, MAKE.format(user=user, other=other))
        yield user
    finally:
        server.run(psql, REMOVE)


def stand_ins(outputs: Mapping[str, Any]) -> dict[str, str]:
    """What does not run as itself here, with what runs in its place."""
    rows = outputs["audit"]["server"]["components"]
    return {row["name"]: row["stand_in"] for row in rows if row["name"] in ("rest", "gateway") and row["stand_in"]}


def headers_of(outputs: Mapping[str, Any], user: str) -> dict[str, str]:
    """What an app sends for a signed-in user."""
    secret, now = outputs["secrets"]["jwt_secret"], datetime.now(UTC)
    claims = {
        "sub": user, "role": "authenticated", "aud": "authenticated", "iat": int(now.timestamp()),
        "exp": int((now + timedelta(hours=2)).timestamp()),
    }  # fmt: skip
    return {
        "apikey": outputs["public_keys"]["publishable_key"],
        "Authorization": f"Bearer {sign(claims, symmetric_key(secret))}",
        "Content-Type": "application/json",
        "Prefer": "return=minimal",
    }


def main() -> None:
    """Measure, print the table, write the JSON."""
    outputs = Stack(SANDBOX).outputs()
    ways = layers(outputs["domain"], outputs["address"])
    samples: dict[tuple[str, int, str], list[Sample]] = defaultdict(list)
    with Server(outputs) as server, unlimited(outputs), tenant(server) as user:
        replaced = stand_ins(outputs)
        server.run(UNPACK)
        try:
            headers = headers_of(outputs, user)
            for request in REQUESTS:
                told = {way.title: script(request, headers, way.address) for way in ways}
                for way in ways:
                    measure(server, way.url + request.path, told[way.title], CONNECTIONS[-1])  # warms up
                for number in range(ROUNDS):
                    for connections in CONNECTIONS:
                        for way in ways:
                            seen = measure(server, way.url + request.path, told[way.title], connections)
                            samples[request.title, connections, way.title].append(seen)
                    print(f"[bench] {request.title}: round {number + 1} of {ROUNDS}", flush=True)
        finally:
            server.run(f"rm -r {FOLDER}")
    table, measured = [], []
    for (request_title, connections, way_title), runs in samples.items():
        row = {
            name: round(statistics.median(getattr(run, name) for run in runs), 2)
            for name in ("p50_ms", "p95_ms", "p99_ms", "per_second")
        }
        failed = round(sum(run.failed for run in runs))
        figures = [f"{row[name]:.1f}" for name in ("p50_ms", "p95_ms", "p99_ms")]
        table.append([request_title, str(connections), way_title, *figures, f"{row['per_second']:.0f}", str(failed)])
        measured.append(
            {"request": request_title, "connections": connections, "layer": way_title, "failed": failed, **row}
            | {"rounds": [asdict(run) for run in runs]}
        )
    aim = {
        row["request"]: row["p95_ms"]
        for row in measured
        if (row["connections"], row["layer"]) == (CONNECTIONS[-1], ways[-1].title)
    }
    for name, text in replaced.items():
        print(f"{name} is a stand-in: {text}")
    for title, p95 in aim.items():
        word = "within" if p95 < AIM_P95_MS else "ABOVE"
        print(f"{title} at {CONNECTIONS[-1]} connections through the edge: p95 {p95} ms, {word} {AIM_P95_MS:.0f} ms")
    write(
        "api",
        ["request", "connections", "layer", "p50 ms", "p95 ms", "p99 ms", "answers/s", "failed"],
        table,
        {
            "rounds": ROUNDS, "seconds_of_each": DURATION, "rows_of_the_tenant": ROWS, "stand_ins": replaced,
            "aim_p95_ms": AIM_P95_MS, "p95_ms_at_most_connections_through_the_edge": aim, "measured": measured,
        },
    )  # fmt: skip
    if any(row["failed"] for row in measured):
        raise SystemExit("some requests were not answered with success, so the figures are not of the work meant")


if __name__ == "__main__":
    main()
