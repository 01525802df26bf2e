"""What a stranger sees: ports and names checked from outside the server.

The expectations come from the component table: a public port may answer, every other port must not.
"""

import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Literal

import dns.exception
import dns.resolver

type PortState = Literal["open", "closed", "filtered"]

CONNECT_SECONDS = 3.0
DNS_SECONDS = 5.0


@dataclass(frozen=True)
class Check:
    """One observation: what was looked at, what was expected, what was seen, whether they agree."""

    check: str
    expected: str
    seen: str
    ok: bool

    def as_dict(self) -> dict[str, str | bool]:
        """The row as the audit document holds it."""
        return asdict(self)


def port_state(address: str, port: int, seconds: float = CONNECT_SECONDS) -> PortState:
    """`open` when a TCP connection is accepted, `closed` when it is refused, `filtered` when nothing answers."""
    try:
        with socket.create_connection((address, port), timeout=seconds):
            return "open"
    except ConnectionRefusedError:
        return "closed"
    except OSError:  # no answer, or an ICMP error of the firewall in between
        return "filtered"


def check_ports(address: str, open_ports: Iterable[int], shut_ports: Iterable[int]) -> list[Check]:
    """Try every port at once. `open_ports` must accept a connection; `shut_ports` must not."""
    expected = dict.fromkeys(open_ports, "open") | dict.fromkeys(shut_ports, "not open")
    with ThreadPoolExecutor(max_workers=32) as pool:
        seen = dict(zip(expected, pool.map(lambda port: port_state(address, port), expected), strict=True))
    return [
        Check(f"tcp port {port}", expected[port], seen[port], (seen[port] == "open") is (expected[port] == "open"))
        for port in sorted(expected)
    ]


def check_records(records: Iterable[dict[str, str]], nameserver: str | None = None) -> list[Check]:
    """Compare what resolves with the declared records.

    `records` have `name`, `type` (A or CNAME) and `value`; `nameserver` is an address to ask instead of the system's.
    """
    resolver = dns.resolver.Resolver(configure=nameserver is None)
    if nameserver is not None:
        host, _, port = nameserver.partition(":")
        resolver.nameservers = [host]
        resolver.port = int(port or 53)
    resolver.lifetime = DNS_SECONDS
    return [_check_record(resolver, record) for record in records]


def _check_record(resolver: dns.resolver.Resolver, record: dict[str, str]) -> Check:
    title = f"{record['type']} {record['name']}"
    expected = record["value"].rstrip(".")
    try:
        answer = resolver.resolve(record["name"], record["type"])
        seen = sorted(item.to_text().rstrip(".") for item in answer)
    except dns.exception.DNSException as problem:
        return Check(title, expected, type(problem).__name__, ok=False)
    return Check(title, expected, ", ".join(seen), seen == [expected])
