#!/usr/bin/python3
"""Holds new connections to a container while it restarts, so that no request is lost. Managed by Ansible (role podman).

  gate close NAME --seconds N --drain N ADDRESS:PORT...   before it stops: new connections wait, those under way end
  gate open ADDRESS:PORT...                               once it is healthy: whoever waits gets through

A new connection waits because the kernel drops its first packet, which the caller sends again every second. What was
never connected has sent nothing, so nothing is asked twice. The kernel itself forgets a hold after its seconds.
"""

import argparse
import ipaddress
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

TABLE = "platform_gate"
# Between containers packets cross the bridge; the server's own leave it through the output hook, before any NAT.
CHAINS = {
    "bridge": "chain passing { type filter hook forward priority 0; policy accept; }",
    "inet": "chain leaving { type filter hook output priority raw; policy accept; }",
}
RULE = "ip daddr . tcp dport @held tcp flags & (syn | ack) == syn drop"
# Of /proc/net/tcp: established, being established, and three in which the answer's end is still to be confirmed.
UNDER_WAY = {"01", "03", "04", "09", "0B"}
PAUSE_SECONDS = 0.05


def ruleset(endpoints: Iterable[str], seconds: int) -> str:
    """What nft reads to hold these for so long, or to let them through with 0; complete, whatever is there already."""
    lines = []
    for family, chain in CHAINS.items():
        name = chain.split()[1]
        lines += [
            f"add table {family} {TABLE}",
            f"add set {family} {TABLE} held {{ type ipv4_addr . inet_service; flags timeout; }}",
            f"add {chain.replace(name, f'{family} {TABLE} {name}', 1)}",
            f"flush chain {family} {TABLE} {name}",
            f"add rule {family} {TABLE} {name} {RULE}",
        ]
        for endpoint in endpoints:
            address, _, port = endpoint.rpartition(":")
            entry = f"element {family} {TABLE} held {{ {address} . {port}"
            # Adding what is there changes no timeout, so it goes first.
            lines += [f"add {entry} }}", f"delete {entry} }}"]
            lines += [f"add {entry} timeout {seconds}s }}"] if seconds else []
    return "\n".join(lines) + "\n"


def apply(rules: str) -> None:
    """Let the kernel have the rules, all or none."""
    subprocess.run(["nft", "--file", "-"], input=rules, text=True, check=True)


def connections(table: str, ports: Iterable[int]) -> int:
    """How many connections from elsewhere to these ports a text of /proc/net/tcp or tcp6 has under way."""
    wanted = set(ports)
    rows = [line.split()[1:4] for line in table.splitlines()[1:]]
    return sum(
        state in UNDER_WAY and int(local.rpartition(":")[2], 16) in wanted and not _is_loopback(remote)
        for local, remote, state in rows
    )


def _is_loopback(remote: str) -> bool:
    words = remote.partition(":")[0]
    # The kernel prints each four bytes as one number of this machine's byte order.
    raw = b"".join(int(words[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(words), 8))
    address = ipaddress.ip_address(raw)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def drain(container: str, ports: Sequence[int], seconds: float) -> None:
    """Wait until no connection is under way, looked at twice, or the time is over."""
    inspect = ["podman", "inspect", "--format", "{{.State.Pid}}", container]
    folder = Path("/proc", subprocess.run(inspect, capture_output=True, text=True, check=True).stdout.strip(), "net")
    deadline = time.monotonic() + seconds
    quiet = 0
    while quiet < 2 and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)
        try:
            busy = sum(connections((folder / name).read_text(), ports) for name in ("tcp", "tcp6"))
        except FileNotFoundError:
            return  # It has ended by itself.
        quiet = 0 if busy else quiet + 1


def main(arguments: Sequence[str]) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="gate", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    close = commands.add_parser("close")
    close.add_argument("container")
    close.add_argument("--seconds", type=int, required=True)
    close.add_argument("--drain", type=float, required=True)
    for command in (close, commands.add_parser("open")):
        command.add_argument("endpoints", nargs="+", metavar="ADDRESS:PORT")
    chosen = parser.parse_args(arguments)
    if chosen.command == "open":
        apply(ruleset(chosen.endpoints, 0))
        return
    apply(ruleset(chosen.endpoints, chosen.seconds))
    drain(chosen.container, [int(endpoint.rpartition(":")[2]) for endpoint in chosen.endpoints], chosen.drain)


if __name__ == "__main__":
    main(sys.argv[1:])
