"""What a stranger sees: ports, names and certificates checked from outside the server.

The expectations come from the component table: a public port may answer, every other port must not.
"""

import http.client
import socket
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import dns.exception
import dns.resolver

type PortState = Literal["open", "closed", "filtered"]

CONNECT_SECONDS = 3.0
DNS_SECONDS = 5.0
HTTP_SECONDS = 10.0
HTTP_PORT, HTTPS_PORT = http.client.HTTP_PORT, http.client.HTTPS_PORT


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


def check_https(address: str, names: Iterable[str], ca_file: Path | None = None) -> list[Check]:
    """For each name: a valid certificate, browsers told to insist on it, and plain HTTP led to it.

    `ca_file` holds who may have signed the certificate; whoever this machine trusts when it is None. The address is
    asked itself, so that the answer does not hang on who resolves the names.
    """
    context = ssl.create_default_context(cafile=ca_file)
    with ThreadPoolExecutor(max_workers=8) as pool:
        rows = pool.map(lambda name: [*_check_tls(address, name, context), _check_redirect(address, name)], names)
        return [check for found in rows for check in found]


def _check_tls(address: str, name: str, context: ssl.SSLContext) -> list[Check]:
    title, insisting = f"certificate of {name}", f"https://{name} says Strict-Transport-Security"
    connection = http.client.HTTPSConnection(name, HTTPS_PORT)
    try:
        plain = socket.create_connection((address, HTTPS_PORT), timeout=HTTP_SECONDS)
        secured = context.wrap_socket(plain, server_hostname=name)
        certificate = secured.getpeercert() or {}
        connection.sock = secured
        connection.request("HEAD", "/")
        header = connection.getresponse().getheader("Strict-Transport-Security") or "nothing"
    except (OSError, http.client.HTTPException) as problem:
        return [Check(title, "valid", str(problem) or type(problem).__name__, ok=False)]
    finally:
        connection.close()
    expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    return [
        Check(title, "valid", f"valid until {expires:%Y-%m-%d}", ok=True),
        Check(insisting, "max-age", header, header.startswith("max-age=")),
    ]


def _check_redirect(address: str, name: str) -> Check:
    title, expected = f"http://{name} leads to", f"https://{name}/"
    connection = http.client.HTTPConnection(address, HTTP_PORT, timeout=HTTP_SECONDS)
    try:
        connection.request("GET", "/", headers={"Host": name})
        answer = connection.getresponse()
        seen = answer.getheader("Location") or f"nowhere (status {answer.status})"
    except (OSError, http.client.HTTPException) as problem:
        seen = str(problem) or type(problem).__name__
    finally:
        connection.close()
    return Check(title, expected, seen, seen == expected)
