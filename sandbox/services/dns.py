"""The authoritative DNS server of the account's domains."""

import time
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
from dns.rdtypes.ANY.SOA import SOA

from sandbox.docker import docker
from sandbox.errors import SandboxError
from sandbox.home import Home
from sandbox.services import container
from sandbox.state import Record, State

PORT = 53
_FOLDER = "/srv/dns"
_RELOAD_TIMEOUT_SECONDS = 15
_RETRY_SECONDS = 0.02
_LONGEST_TEXT = 255
_SERVER_OPTIONS = f"""\
server:
  zonesdir: "{_FOLDER}"
  database: ""
  pidfile: ""
  username: ""
  hide-version: yes
remote-control:
  control-enable: yes
  control-interface: /run/nsd-control.sock
"""


def serve(home: Home, state: State) -> None:
    """Make the server answer with exactly the account's domains and records; without domain there is no server."""
    with state.locked("dns"):
        account = state.read()
        domains = account.get("domains", {})
        if not domains:
            container.remove(home, "dns")
            return
        folder = home.services / "dns"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration = _SERVER_OPTIONS + "".join(
            f'zone:\n  name: "{name}"\n  zonefile: "{name}.zone"\n' for name in domains
        )
        command = ["nsd", "-d", "-c", f"{_FOLDER}/nsd.conf"]
        # The serial numbers what is served, so that the server's answer tells when it has taken it.
        serial = _next_serial(folder / "serial")
        _write(folder / "nsd.conf", configuration)
        for name in domains:
            _write(folder / f"{name}.zone", zone(name, account, serial))
        address = container.ensure(home, "dns", PORT, ["--volume", f"{folder}:{_FOLDER}:ro"], command)
        for action in ("reconfig", "reload"):
            docker("exec", home.name("service", "dns"), "nsd-control", "-c", f"{_FOLDER}/nsd.conf", action)
        _wait_for_serial(home, address, list(domains), serial)


def zone(domain: str, account: dict[str, Any], serial: int) -> str:
    """The zone file of a domain."""
    records = [record for record in account.get("dns_records", {}).values() if record["domain"] == domain]
    lines = [
        f"$ORIGIN {domain}.",
        f"@ 1800 IN SOA ns1.digitalocean.com. hostmaster.{domain}. {serial} 10800 3600 604800 1800",
        *[f"@ 1800 IN NS ns{number}.digitalocean.com." for number in (1, 2, 3)],
        *[f"{record['name']} {record['ttl']} IN {record['type']} {_data(record)}" for record in records],
    ]
    return "\n".join(lines) + "\n"


def _data(record: Record) -> str:
    value = record["value"]
    match record["type"]:
        case "MX":
            return f"{record['priority']} {value}"
        case "SRV":
            return f"{record['priority']} {record['weight']} {record['port']} {value}"
        case "CAA":
            return f"{record['flags']} {record['tag']} {_quoted(value)}"
        case "TXT":
            return (
                " ".join(_quoted(value[start : start + _LONGEST_TEXT]) for start in range(0, len(value), _LONGEST_TEXT))
                or '""'
            )
        case _:
            return str(value)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'


def _next_serial(path: Path) -> int:
    serial = int(path.read_text()) + 1 if path.exists() else 1
    _write(path, str(serial))
    return serial


def _write(path: Path, content: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(content)
    fresh.replace(path)


def _wait_for_serial(home: Home, address: str, domains: list[str], serial: int) -> None:
    deadline = time.monotonic() + _RELOAD_TIMEOUT_SECONDS
    for domain in domains:
        while _served_serial(address, domain) != serial:
            if time.monotonic() > deadline:
                container_name = home.name("service", "dns")
                raise SandboxError(f"the DNS server does not take the zone {domain}; see: docker logs {container_name}")
            time.sleep(_RETRY_SECONDS)


def _served_serial(address: str, domain: str) -> int | None:
    try:
        answer = dns.query.udp(dns.message.make_query(domain, "SOA"), address, timeout=1)
    except dns.exception.DNSException:
        return None
    return next((item.serial for rrset in answer.answer for item in rrset if isinstance(item, SOA)), None)
