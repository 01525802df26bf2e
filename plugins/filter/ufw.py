"""UFW's rules, derived from the component table and written as UFW writes them itself."""

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible.errors import AnsibleFilterError

_DNS_PORT = 53
# The cloud's metadata service answers here; it tells who asks what the server was made with.
_LINK_LOCAL = "169.254.0.0/16"
_ANY = {4: "0.0.0.0/0", 6: "::/0"}


@dataclass(frozen=True)
class Rule:
    """One line of `ufw status`; what is None does not matter."""

    action: str
    comment: str
    protocol: str = "any"
    port: int | None = None
    source: str | None = None
    destination: str | None = None
    interface: str | None = None
    forward: bool = False

    def families(self) -> set[int]:
        """The IP versions it is about."""
        addresses = [address for address in (self.source, self.destination) if address]
        return {ipaddress.ip_network(address).version for address in addresses} or {4, 6}


def ufw_rules(
    components: Mapping[str, Mapping[str, Any]],
    denied: Sequence[str],
    bridge: Mapping[str, str],
    ssh_cidrs: Sequence[str],
) -> list[dict[str, Any]]:
    """Every rule in order: containers first, then what is denied to all others, then what is open."""
    rules = [*_container_rules(components, bridge), *_denials(components, denied)]
    for component, port in _ports(components, "public"):
        sources = ssh_cidrs if component == "ssh" else _ANY.values()
        if set(_ANY.values()) <= set(sources):
            rules.append(Rule("allow", component, "tcp", port))
        else:
            rules += [Rule("allow", component, "tcp", port, source=_plain(source)) for source in sources]
    return [asdict(rule) for rule in rules]


def ufw_lines(rules: Iterable[Mapping[str, Any]], version: int) -> str:
    """The rules of one IP version as UFW's own user.rules holds them."""
    typed = [Rule(**rule) for rule in rules]
    return "\n".join(_lines(rule, version) for rule in typed if version in rule.families())


def _ports(components: Mapping[str, Mapping[str, Any]], bind: str) -> list[tuple[str, int]]:
    return [
        (name, int(port["port"])) for name, row in components.items() for port in row["ports"] if port["bind"] == bind
    ]


def _container_rules(components: Mapping[str, Mapping[str, Any]], bridge: Mapping[str, str]) -> list[Rule]:
    interface, here = bridge["interface"], _plain(bridge["gateway"])
    outside = Rule("allow", "containers: outside", source=_plain(bridge["subnet"]), interface=interface, forward=True)
    service = replace(outside, forward=False, destination=here, protocol="tcp")
    return [
        Rule("deny", "containers: no metadata", destination=_LINK_LOCAL, interface=interface, forward=True),
        outside,
        replace(service, comment="containers: dns", protocol="udp", port=_DNS_PORT),
        replace(service, comment="containers: dns", port=_DNS_PORT),
        *[
            replace(service, comment=f"containers: {component}", port=port)
            for component, port in _ports(components, "bridge")
        ],
    ]


def _denials(components: Mapping[str, Mapping[str, Any]], denied: Sequence[str]) -> list[Rule]:
    if unknown := [name for name in denied if name not in components]:
        raise AnsibleFilterError(f"firewall_denied_components names {unknown}, which the component table does not have")
    return [
        Rule("deny", f"{name}: internal only", "tcp", int(port["port"]))
        for name in denied
        for port in components[name]["ports"]
    ]


def _plain(cidr: str) -> str:
    """A network as UFW writes it: a single address stands without its prefix."""
    network = ipaddress.ip_network(cidr)
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _lines(rule: Rule, version: int) -> str:
    any_address = _ANY[version]
    source = rule.source if rule.source not in (None, any_address) else None
    target = "ACCEPT" if rule.action == "allow" else "DROP"
    chain = f"ufw{'' if version == 4 else '6'}-user-{'forward' if rule.forward else 'input'}"
    described = " ".join(
        [
            f"### tuple ### {'route:' if rule.forward else ''}{rule.action}",
            rule.protocol,
            str(rule.port or "any"),
            rule.destination or any_address,
            "any",
            source or any_address,
            f"in_{rule.interface}" if rule.interface else "in",
            f"comment={rule.comment.encode().hex()}",
        ]
    )
    options = {
        "-i": rule.interface,
        "-p": rule.protocol if rule.protocol != "any" else None,
        "-d": rule.destination,
        "--dport": rule.port,
        "-s": source,
    }
    matched = " ".join(f"{option} {value}" for option, value in options.items() if value)
    return f"{described}\n-A {chain} {matched} -j {target}\n"


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"ufw_lines": ufw_lines, "ufw_rules": ufw_rules}
