"""Cloud firewalls as nftables rules of a droplet's network namespace."""

import ipaddress
from collections.abc import Iterable
from typing import Any

from sandbox.state import Record

_TABLE = "inet sandbox_cloud"


def ruleset(droplet: Record, state: dict[str, Any]) -> str:
    """The rules of every firewall that covers a droplet, as one nft script; without any, all passes."""
    covering = [firewall for firewall in state.get("firewalls", {}).values() if covers(firewall, droplet)]
    # Declared, deleted and declared again: works whether or not the table exists.
    script = [f"table {_TABLE}", f"delete table {_TABLE}"]
    if not covering:
        return "\n".join(script)
    inbound = [
        line
        for firewall in covering
        for rule in firewall["inbound_rules"]
        for line in _rule(rule, "source", "saddr", state)
    ]
    outbound = [
        line
        for firewall in covering
        for rule in firewall["outbound_rules"]
        for line in _rule(rule, "destination", "daddr", state)
    ]
    script += [
        f"table {_TABLE} {{",
        # Before the droplet's own filters and before any port is redirected into a container of it.
        *_chain("inbound", "prerouting priority mangle - 10", "iifname", inbound),
        *_chain("outbound", "postrouting priority mangle - 10", "oifname", outbound),
        "}",
    ]
    return "\n".join(script)


def covers(firewall: Record, droplet: Record) -> bool:
    """Whether a firewall applies to a droplet, by id or by tag."""
    return droplet["id"] in firewall["droplet_ids"] or bool(set(firewall["tags"]) & set(droplet["tags"]))


def _chain(name: str, hook: str, interface: str, rules: list[str]) -> list[str]:
    return [
        f"  chain {name} {{",
        f"    type filter hook {hook}; policy accept;",
        # Only what crosses the droplet's edge; its loopback and its own bridges are its own affair.
        f'    {interface} != "eth*" accept',
        "    ct state established,related accept",
        *[f"    {rule} accept" for rule in rules],
        "    drop",
        "  }",
    ]


def _rule(rule: Record, side: str, field: str, state: dict[str, Any]) -> list[str]:
    """One API rule as nft matches: a line per address family, or none if it names no address."""
    if rule["protocol"] == "icmp":
        matches = {"ip": "ip protocol icmp", "ip6": "meta l4proto ipv6-icmp"}
    else:
        ports = rule.get("portRange") or "all"
        match = (
            f"meta l4proto {rule['protocol']}"
            if ports in ("all", "0", "1-65535")
            else f"{rule['protocol']} dport {ports}"
        )
        matches = {"ip": match, "ip6": match}
    addresses = list(rule.get(f"{side}Addresses") or [])
    for droplet in state.get("droplets", {}).values():
        if droplet["id"] in (rule.get(f"{side}DropletIds") or []) or set(rule.get(f"{side}Tags") or []) & set(
            droplet["tags"]
        ):
            addresses += [address for address in (droplet["public_ip"], droplet["private_ip"]) if address]
    lines = []
    for family, match in matches.items():
        own = _merged(address for address in addresses if (":" in address) == (family == "ip6"))
        if own:
            lines.append(f"{family} {field} {{ {', '.join(own)} }} {match}")
    return lines


def _merged(addresses: Iterable[str]) -> list[str]:
    """Addresses of one family without overlaps, which nft refuses in a set."""
    networks: Any = [ipaddress.ip_network(address) for address in addresses]
    return [str(network) for network in ipaddress.collapse_addresses(networks)]
