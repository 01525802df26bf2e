"""Reserved IPs and their assignment to droplets."""

from collections.abc import Iterator
from typing import override

from sandbox import machine
from sandbox.cloud import catalog
from sandbox.cloud.account import Account, ApiError
from sandbox.cloud.kind import Failure, Kind, Property, Values, record
from sandbox.network import free_public_address, public_network
from sandbox.state import Record


class ReservedIp(Kind):
    """A public address that outlives droplets."""

    resource_type = "digitalocean:index/reservedIp:ReservedIp"
    collection = "reserved_ips"
    properties = (
        Property("region", str, required=True, replaces=True),
        Property("dropletId", int, computed=True),
        Property("ipAddress", str, replaces=True, computed=True),
    )
    computed = ("ipAddress", "reservedIpUrn")

    @override
    def check(self, inputs: Values) -> Iterator[Failure]:
        """Validate as the API does."""
        yield from catalog.one_of("region", inputs.get("region"), catalog.REGIONS)
        if inputs.get("ipAddress"):
            yield "ipAddress", "an address cannot be chosen; leave ipAddress out"

    @override
    def create(self, account: Account, inputs: Values, urn: str) -> str:
        """Take a free address."""
        with account.state.change() as state:
            _, subnet = public_network(account.home)
            address = free_public_address(subnet, state)
            if inputs.get("dropletId"):
                _require_droplet(account, inputs["dropletId"])
            state.setdefault(self.collection, {})[address] = record(
                address, urn, region=inputs["region"], droplet_id=inputs.get("dropletId")
            )
        machine.refresh_all(account.home, account.state)
        return address

    @override
    def outputs(self, account: Account, record: Record) -> Values:
        """What the API tells about a reserved IP."""
        return {
            "ipAddress": record["id"],
            "region": record["region"],
            "dropletId": record["droplet_id"],
            "reservedIpUrn": f"do:reservedip:{record['id']}",
        }

    @override
    def update(self, account: Account, ident: str, inputs: Values) -> None:
        """Assign the address, or free it."""
        account.get(self.collection, ident)
        _assign(account, ident, inputs.get("dropletId"))

    @override
    def delete(self, account: Account, ident: str) -> None:
        """Give the address back."""
        with account.state.change() as state:
            state.get(self.collection, {}).pop(ident, None)
        machine.refresh_all(account.home, account.state)


class ReservedIpAssignment(Kind):
    """A reserved IP at a droplet."""

    resource_type = "digitalocean:index/reservedIpAssignment:ReservedIpAssignment"
    collection = "reserved_ip_assignments"
    properties = (
        Property("dropletId", int, required=True, replaces=True),
        Property("ipAddress", str, required=True, replaces=True),
    )

    @override
    def create(self, account: Account, inputs: Values, urn: str) -> str:
        """Assign the address; it answers at once and after each boot."""
        _assign(account, inputs["ipAddress"], inputs["dropletId"])
        ident = f"{inputs['dropletId']}-{inputs['ipAddress']}"
        with account.state.change() as state:
            state.setdefault(self.collection, {})[ident] = record(
                ident, urn, droplet_id=inputs["dropletId"], ip_address=inputs["ipAddress"]
            )
        return ident

    @override
    def is_there(self, account: Account, ident: str) -> bool:
        """An assignment ends with its droplet, its address, or when the address moves on."""
        assignment = account.get(self.collection, ident)
        reserved = account.find("reserved_ips", assignment["ip_address"])
        return reserved is not None and reserved["droplet_id"] == assignment["droplet_id"]

    @override
    def outputs(self, account: Account, record: Record) -> Values:
        """What the API tells about an assignment."""
        return {"dropletId": record["droplet_id"], "ipAddress": record["ip_address"]}

    @override
    def update(self, account: Account, ident: str, inputs: Values) -> None:
        """Nothing of an assignment can change in place."""

    @override
    def delete(self, account: Account, ident: str) -> None:
        """Free the address, unless it has moved on to another droplet."""
        assignment = account.find(self.collection, ident)
        if assignment is None:
            return
        if self.is_there(account, ident):
            _assign(account, assignment["ip_address"], None)
        with account.state.change() as state:
            state[self.collection].pop(ident, None)


def _require_droplet(account: Account, droplet_id: int) -> None:
    if account.find("droplets", str(droplet_id)) is None:
        raise ApiError(404, f"Droplet {droplet_id} could not be found.")


def _assign(account: Account, address: str, droplet_id: int | None) -> None:
    if droplet_id is not None:
        _require_droplet(account, droplet_id)
    account.get("reserved_ips", address)
    with account.state.change() as state:
        state["reserved_ips"][address]["droplet_id"] = droplet_id
    machine.refresh_all(account.home, account.state)
