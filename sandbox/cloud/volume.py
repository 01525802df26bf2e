"""Block storage volumes and their attachment to droplets."""

import re
import subprocess
from collections.abc import Iterator
from typing import override

from sandbox import loop, machine
from sandbox.cloud import catalog
from sandbox.cloud.account import Account, ApiError, new_uuid, refuse_duplicate
from sandbox.cloud.kind import Failure, Kind, Property, Values, record
from sandbox.state import Record

_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
_SIZES = range(1, 16385)
_FILESYSTEMS = ("ext4", "xfs")
_VOLUMES_PER_DROPLET = 15


class Volume(Kind):
    """A block device, kept in a sparse file."""

    resource_type = "digitalocean:index/volume:Volume"
    collection = "volumes"
    properties = (
        Property("name", str, autoname=True, replaces=True),
        Property("region", str, required=True, replaces=True),
        Property("size", int, required=True),
        Property("description", str, replaces=True),
        Property("initialFilesystemType", str, replaces=True, write_only=True),
        Property("initialFilesystemLabel", str, replaces=True, write_only=True),
        Property("filesystemType", str, replaces=True, computed=True),
        Property("snapshotId", str, replaces=True, write_only=True),
        Property("tags", list),
    )
    computed = ("dropletIds", "filesystemLabel", "filesystemType", "volumeUrn")

    @override
    def check(self, inputs: Values) -> Iterator[Failure]:
        """Validate as the API does."""
        yield from catalog.one_of("region", inputs.get("region"), catalog.REGIONS)
        yield from catalog.one_of("initialFilesystemType", inputs.get("initialFilesystemType"), _FILESYSTEMS)
        yield from catalog.tags(inputs.get("tags"))
        name, size = inputs.get("name"), inputs.get("size")
        if isinstance(name, str) and not _NAME.fullmatch(name):
            yield (
                "name",
                f"expected a letter, then lowercase letters, numbers and dashes, at most 64, got {name!r}",
            )
        if isinstance(size, int) and size not in _SIZES:
            yield "size", f"expected size to be in the range (1 - 16384) GiB, got {size}"
        if inputs.get("snapshotId"):
            yield "snapshotId", "the sandbox does not offer snapshots"

    @override
    def check_change(self, old: Values, new: Values) -> None:
        """A volume only grows."""
        if isinstance(old.get("size"), int) and isinstance(new.get("size"), int) and new["size"] < old["size"]:
            raise ApiError(
                422, f"volumes `size` can only be expanded and not shrunk (from {old['size']} to {new['size']} GiB)"
            )

    @override
    def create(self, account: Account, inputs: Values, urn: str) -> str:
        """Make an empty block device."""
        with account.state.change() as state:
            refuse_duplicate(
                state, self.collection, "name", inputs["name"], "a volume with this name already exists in this region"
            )
            ident = new_uuid()
            state.setdefault("volumes", {})[ident] = volume = record(
                ident,
                urn,
                name=inputs["name"],
                region=inputs["region"],
                size=inputs["size"],
                tags=inputs.get("tags") or [],
                description=inputs.get("description") or "",
                droplet_ids=[],
                label=inputs.get("initialFilesystemLabel") or "",
                filesystem=inputs.get("initialFilesystemType") or "",
            )
        loop.resize(account.home, volume)
        if volume["filesystem"]:
            _format(account, volume)
        return ident

    @override
    def outputs(self, account: Account, record: Record) -> Values:
        """What the API tells about a volume."""
        return {
            "name": record["name"],
            "region": record["region"],
            "size": record["size"],
            "tags": record["tags"],
            "description": record["description"],
            "dropletIds": record["droplet_ids"],
            "volumeUrn": f"do:volume:{record['id']}",
            "filesystemType": record["filesystem"],
            "filesystemLabel": record["label"],
        }

    @override
    def update(self, account: Account, ident: str, inputs: Values) -> None:
        """Grow the device online, or change its tags."""
        volume = account.get(self.collection, ident)
        self.check_change(volume, inputs)
        with account.state.change() as state:
            state["volumes"][ident].update(size=inputs["size"], tags=inputs.get("tags") or [])
        loop.resize(account.home, account.get(self.collection, ident))
        machine.refresh_all(account.home, account.state)

    @override
    def delete(self, account: Account, ident: str) -> None:
        """Delete the device and its bytes."""
        volume = account.find(self.collection, ident)
        if volume is None:
            return
        if volume["droplet_ids"]:
            raise ApiError(409, "failed to delete volume: volume is currently attached to a Droplet")
        loop.remove(account.home, volume)
        with account.state.change() as state:
            del state["volumes"][ident]


class VolumeAttachment(Kind):
    """A volume in a droplet."""

    resource_type = "digitalocean:index/volumeAttachment:VolumeAttachment"
    collection = "volume_attachments"
    properties = (
        Property("dropletId", int, required=True, replaces=True),
        Property("volumeId", str, required=True, replaces=True),
    )

    @override
    def create(self, account: Account, inputs: Values, urn: str) -> str:
        """Attach the volume; it appears under /dev/disk/by-id."""
        droplet_id, volume_id = inputs["dropletId"], inputs["volumeId"]
        with account.state.change() as state:
            droplet, volume = state.get("droplets", {}).get(str(droplet_id)), state.get("volumes", {}).get(volume_id)
            if droplet is None or volume is None:
                raise ApiError(404, "The resource you were accessing could not be found.")
            if volume["region"] != droplet["region"]:
                raise ApiError(422, "volume and Droplet must be in the same region")
            if [other for other in volume["droplet_ids"] if other != droplet_id]:
                raise ApiError(422, "volume is already attached to another Droplet")
            if sum(droplet_id in other["droplet_ids"] for other in state["volumes"].values()) >= _VOLUMES_PER_DROPLET:
                raise ApiError(422, f"a Droplet can have at most {_VOLUMES_PER_DROPLET} volumes")
            volume["droplet_ids"] = [droplet_id]
            ident = f"{droplet_id}-{volume_id}"
            state.setdefault(self.collection, {})[ident] = record(
                ident, urn, droplet_id=droplet_id, volume_id=volume_id
            )
        machine.refresh_all(account.home, account.state)
        return ident

    @override
    def outputs(self, account: Account, record: Record) -> Values:
        """What the API tells about an attachment."""
        return {"dropletId": record["droplet_id"], "volumeId": record["volume_id"]}

    @override
    def update(self, account: Account, ident: str, inputs: Values) -> None:
        """Nothing of an attachment can change in place."""

    @override
    def delete(self, account: Account, ident: str) -> None:
        """Detach the volume."""
        with account.state.change() as state:
            attachment = state.get(self.collection, {}).pop(ident, None)
            if attachment is None:
                return
            volume = state.get("volumes", {}).get(attachment["volume_id"])
            if volume:
                volume["droplet_ids"] = [other for other in volume["droplet_ids"] if other != attachment["droplet_id"]]
        machine.refresh_all(account.home, account.state)
        if volume:
            loop.detach(account.home, volume)


def _format(account: Account, volume: Record) -> None:
    label = ["-L", volume["label"]] if volume["label"] else []
    command = [f"mkfs.{volume['filesystem']}", *label, str(loop.backing_file(account.home, volume))]
    done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise ApiError(500, f"{command[0]} failed: {done.stderr.strip()}")
