"""Droplets."""

import re
from collections.abc import Iterator
from typing import Any, override

from sandbox import loop, machine
from sandbox.cloud import catalog
from sandbox.cloud.account import Account, ApiError, new_number
from sandbox.cloud.kind import UNKNOWN, Failure, Kind, Property, Values, record
from sandbox.network import free_private_address, free_public_address, public_network
from sandbox.state import Record

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.-]{0,253}")
_USER_DATA_LIMIT = 64 * 1024


class Droplet(Kind):
    """A virtual machine, run as a container."""

    resource_type = "digitalocean:index/droplet:Droplet"
    collection = "droplets"
    properties = (
        Property("image", str, required=True, replaces=True),
        Property("size", str, required=True),
        Property("name", str, autoname=True),
        Property("region", str, replaces=True, computed=True),
        Property("vpcUuid", str, replaces=True, computed=True),
        Property("sshKeys", list, replaces=True, write_only=True),
        Property("userData", str, replaces=True, write_only=True),
        Property("tags", list),
        Property("monitoring", bool, replaces=True),
        Property("dropletAgent", bool, replaces=True, write_only=True),
        Property("backups", bool),
        Property("backupPolicy", dict),
        Property("ipv6", bool),
        Property("privateNetworking", bool, replaces=True, computed=True),
        Property("publicNetworking", bool, replaces=True, write_only=True),
        Property("resizeDisk", bool, default=True, write_only=True),
        Property("gracefulShutdown", bool, write_only=True),
        Property("volumeIds", list, computed=True),
    )
    computed = (
        "createdAt",
        "disk",
        "dropletUrn",
        "ipv4Address",
        "ipv4AddressPrivate",
        "locked",
        "memory",
        "priceHourly",
        "priceMonthly",
        "status",
        "vcpus",
        "volumeIds",
        "region",
        "vpcUuid",
        "privateNetworking",
    )

    @override
    def check(self, inputs: Values) -> Iterator[Failure]:
        """Validate as the API does."""
        yield from catalog.one_of("region", inputs.get("region"), catalog.REGIONS)
        yield from catalog.one_of("size", inputs.get("size"), catalog.SIZES)
        yield from catalog.one_of("image", inputs.get("image"), catalog.IMAGES)
        yield from catalog.tags(inputs.get("tags"))
        name = inputs.get("name")
        if isinstance(name, str) and not _NAME.fullmatch(name):
            yield "name", f"Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -), got {name!r}"
        user_data = inputs.get("userData")
        if isinstance(user_data, str) and len(user_data.encode()) > _USER_DATA_LIMIT:
            yield "userData", "user data must be at most 64 KiB"
        for unsupported in ("ipv6", "volumeIds", "backupPolicy"):
            if inputs.get(unsupported) not in (None, False, [], UNKNOWN):
                yield unsupported, f"the sandbox does not offer {unsupported}"

    @override
    def preview(self, inputs: Values) -> Values:
        """A size tells its figures."""
        size = catalog.SIZES.get(str(inputs.get("size")))
        return _figures(size) if size else {}

    @override
    def create(self, account: Account, inputs: Values, urn: str) -> str:
        """Boot a new machine."""
        if inputs["image"] != catalog.BOOTABLE_IMAGE:
            raise ApiError(422, f"the sandbox can only boot {catalog.BOOTABLE_IMAGE}, not {inputs['image']}")
        with account.state.change() as state:
            # Under the lock: an account that is just being emptied takes its networks along.
            _, subnet = public_network(account.home)
            vpc_uuid = inputs.get("vpcUuid")
            if vpc_uuid and vpc_uuid not in state.get("vpcs", {}):
                raise ApiError(422, f"VPC {vpc_uuid} does not exist in this region.")
            keys = [_key_id(state, str(key)) for key in inputs.get("sshKeys") or []]
            droplets = state.setdefault("droplets", {})
            private_ip = None
            if vpc_uuid:
                taken = [other["private_ip"] for other in droplets.values() if other["vpc_uuid"] == vpc_uuid]
                private_ip = free_private_address(state["vpcs"][vpc_uuid]["ip_range"], taken)
            number = new_number(state)
            droplets[str(number)] = droplet = record(
                number,
                urn,
                name=inputs["name"],
                image=inputs["image"],
                size=inputs["size"],
                region=inputs.get("region") or "nyc3",
                vpc_uuid=vpc_uuid,
                ssh_keys=keys,
                tags=inputs.get("tags") or [],
                monitoring=bool(inputs.get("monitoring")),
                backups=bool(inputs.get("backups")),
                public_ip=free_public_address(subnet, state),
                private_ip=private_ip,
                powered=True,
            )
        machine.create(account.home, account.state, droplet, inputs.get("userData") or "")
        machine.start(account.home, account.state, droplet)
        return str(number)

    @override
    def outputs(self, account: Account, record: Record) -> Values:
        """What the API tells about a droplet."""
        volumes = account.state.read().get("volumes", {}).values()
        return {
            "name": record["name"],
            "image": record["image"],
            "size": record["size"],
            "region": record["region"],
            "vpcUuid": record["vpc_uuid"] or "",
            "tags": record["tags"],
            "monitoring": record["monitoring"],
            "backups": record["backups"],
            "ipv6": False,
            "privateNetworking": record["private_ip"] is not None,
            "createdAt": record["created_at"],
            "dropletUrn": f"do:droplet:{record['id']}",
            "locked": False,
            "ipv4Address": record["public_ip"],
            "ipv4AddressPrivate": record["private_ip"] or "",
            "status": "active" if machine.is_on(account.home, record) else "off",
            "volumeIds": sorted(volume["id"] for volume in volumes if record["id"] in volume["droplet_ids"]),
            **_figures(catalog.SIZES[record["size"]]),
        }

    @override
    def update(self, account: Account, ident: str, inputs: Values) -> None:
        """Rename, tag, or resize in place (power off, resize, power on)."""
        droplet = account.get(self.collection, ident)
        resized = inputs["size"] != droplet["size"]
        was_on = machine.is_on(account.home, droplet)
        if resized:
            if (
                inputs.get("resizeDisk", True)
                and catalog.SIZES[inputs["size"]].disk_gb < catalog.SIZES[droplet["size"]].disk_gb
            ):
                raise ApiError(422, "This size is not available because it has a smaller disk.")
            machine.stop(account.home, droplet)
        with account.state.change() as state:
            state["droplets"][ident].update(
                name=inputs["name"],
                size=inputs["size"],
                tags=inputs.get("tags") or [],
                backups=bool(inputs.get("backups")),
            )
        if was_on:
            machine.start(account.home, account.state, droplet)
        machine.refresh_all(account.home, account.state)

    @override
    def delete(self, account: Account, ident: str) -> None:
        """Destroy the machine and its disk; attached volumes and reserved addresses stay, free."""
        droplet = account.find(self.collection, ident)
        if droplet is None:
            return
        machine.remove(account.home, droplet)
        with account.state.change() as state:
            for volume in state.get("volumes", {}).values():
                if droplet["id"] in volume["droplet_ids"]:
                    volume["droplet_ids"] = []
                    state["volume_attachments"].pop(f"{droplet['id']}-{volume['id']}", None)
                    loop.detach(account.home, volume)
            for reserved in state.get("reserved_ips", {}).values():
                if reserved["droplet_id"] == droplet["id"]:
                    reserved["droplet_id"] = None
            for firewall in state.get("firewalls", {}).values():
                firewall["droplet_ids"] = [other for other in firewall["droplet_ids"] if other != droplet["id"]]
            del state["droplets"][ident]


def _key_id(state: dict[str, Any], key: str) -> str:
    """The id of a key that is named by id or by fingerprint."""
    for ident, known in state.get("ssh_keys", {}).items():
        if key in (ident, known["fingerprint"]):
            return str(ident)
    raise ApiError(422, f"{key} are invalid key identifiers for Droplet creation.")


def _figures(size: catalog.Size) -> Values:
    return {
        "vcpus": size.vcpus,
        "memory": size.memory_mb,
        "disk": size.disk_gb,
        "priceMonthly": size.price_monthly,
        "priceHourly": size.price_hourly,
    }
