"""The cloud firewall: the component table's public ports, ICMP, and nothing else."""

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_digitalocean as do

from infra.components import Components

ANYWHERE = ("0.0.0.0/0", "::/0")


def declared_rules(components: Components, phase: int, ssh_cidrs: Sequence[str]) -> list[dict[str, Any]]:
    """What may come in, as data: one rule per public port, SSH only from the operator's networks, and ICMP."""
    ssh = components["ssh"].port("ssh")
    rules = [
        {"protocol": "tcp", "ports": str(port), "sources": list(ssh_cidrs if port == ssh else ANYWHERE)}
        for port in components.public_ports(phase)
    ]
    return [*rules, {"protocol": "icmp", "ports": "", "sources": list(ANYWHERE)}]


def inbound_rules(components: Components, phase: int, ssh_cidrs: Sequence[str]) -> list[do.FirewallInboundRuleArgs]:
    """The declared rules as DigitalOcean takes them."""
    return [
        do.FirewallInboundRuleArgs(
            protocol=rule["protocol"], port_range=rule["ports"] or None, source_addresses=rule["sources"]
        )
        for rule in declared_rules(components, phase, ssh_cidrs)
    ]


def outbound_rules() -> list[do.FirewallOutboundRuleArgs]:
    """Everything may leave: updates, certificates, mail, backups."""
    everywhere = list(ANYWHERE)
    return [
        do.FirewallOutboundRuleArgs(protocol="tcp", port_range="1-65535", destination_addresses=everywhere),
        do.FirewallOutboundRuleArgs(protocol="udp", port_range="1-65535", destination_addresses=everywhere),
        do.FirewallOutboundRuleArgs(protocol="icmp", destination_addresses=everywhere),
    ]


def make_firewall(
    platform: str, components: Components, phase: int, ssh_cidrs: Sequence[str], droplet_id: pulumi.Input[int]
) -> do.Firewall:
    """The firewall of the droplet."""
    return do.Firewall(
        "firewall",
        name=platform,
        droplet_ids=[droplet_id],
        inbound_rules=inbound_rules(components, phase, ssh_cidrs),
        outbound_rules=outbound_rules(),
    )
