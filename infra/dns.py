"""DNS records of the platform: written to DigitalOcean, or listed for whoever serves the domain."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pulumi
import pulumi_digitalocean as do

TTL = 300


@dataclass(frozen=True)
class Record:
    """A record with its full name, as a person would enter it."""

    name: str
    type: str
    value: str
    ttl: int = TTL


def records(domain: str, labels: Sequence[str], address: str) -> list[Record]:
    """The A record of the domain and one CNAME per name below it."""
    return [
        Record(domain, "A", address),
        *(Record(f"{label}.{domain}", "CNAME", f"{domain}.") for label in labels),
    ]


def relative_name(name: str, zone: str) -> str:
    """A record's name as DigitalOcean wants it: relative to its zone, `@` for the zone itself."""
    return "@" if name == zone else name.removesuffix(f".{zone}")


class DigitalOceanDns(pulumi.ComponentResource):
    """Children: the records, and the zone unless an existing one was named.

    A zone the operator named serves other things too, so it is written into but never owned.
    """

    def __init__(self, domain: str, existing_zone: str, labels: Sequence[str], address: pulumi.Input[str]) -> None:
        super().__init__("platform:index:DigitalOceanDns", "dns")
        below = pulumi.ResourceOptions(parent=self)
        zone_name = existing_zone or domain
        zone: pulumi.Input[str] = zone_name
        self.urns: list[pulumi.Output[str]] = []
        if not existing_zone:
            owned = do.Domain("zone", name=domain, opts=below)
            zone = owned.name
            self.urns.append(owned.domain_urn)
        self.records: list[pulumi.Resource] = []
        for record in records(domain, labels, ""):
            label = record.name.removesuffix(domain).rstrip(".")
            self.records.append(
                do.DnsRecord(
                    f"dns-{label}" if label else "dns",
                    domain=zone,
                    name=relative_name(record.name, zone_name),
                    type=record.type,
                    value=address if record.type == "A" else record.value,
                    ttl=record.ttl,
                    opts=below,
                )
            )
        self.register_outputs({})


def as_output(
    domain: str, labels: Sequence[str], address: pulumi.Output[str]
) -> pulumi.Output[list[dict[str, object]]]:
    """The records as data: what to enter elsewhere, and what the outside check compares."""
    return address.apply(lambda ip: [asdict(record) for record in records(domain, labels, ip)])
