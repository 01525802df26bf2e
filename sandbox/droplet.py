"""Stand-alone droplets for role tests: `python -m sandbox.droplet create NAME --volume data:10`, `destroy NAME`."""

import argparse
import json
import sys
from pathlib import Path

from sandbox import home, machine
from sandbox.cloud.account import Account
from sandbox.cloud.catalog import BOOTABLE_IMAGE
from sandbox.cloud.droplet import Droplet
from sandbox.cloud.kind import Kind, Values
from sandbox.cloud.volume import Volume, VolumeAttachment
from sandbox.errors import SandboxError
from sandbox.state import Record
from sandbox.tidy import tidy

_OWNER = "sandbox.droplet"
_REGION = "fra1"
_SIZE = "s-4vcpu-8gb"


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.droplet", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser(
        "create", help="boot a droplet unless it exists; prints its name, container and address"
    )
    create.add_argument("name")
    create.add_argument(
        "--volume", action="append", default=[], metavar="NAME:GIB", type=_volume, help="a new volume to attach"
    )
    create.add_argument("--user-data", type=Path, metavar="FILE", help="cloud-init configuration")
    for command, text in (
        ("destroy", "remove a droplet and its volumes"),
        ("start", "power it on"),
        ("stop", "power it off"),
    ):
        commands.add_parser(command, help=text).add_argument("name")
    arguments = parser.parse_args()
    account = Account(home.current())
    try:
        match arguments.command:
            case "create":
                user_data = arguments.user_data.read_text() if arguments.user_data else ""
                print(json.dumps(_create(account, arguments.name, arguments.volume, user_data)))
            case "destroy":
                _destroy(account, arguments.name)
            case command:
                power(account, arguments.name, on=command == "start")
    except (SandboxError, OSError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    return 0


def power(account: Account, name: str, *, on: bool) -> None:
    """Power a droplet on or off."""
    droplet = _find(account, name)
    if droplet is None:
        raise SandboxError(f"there is no droplet named {name}")
    with account.state.change() as state:
        state["droplets"][str(droplet["id"])]["powered"] = on
    if on:
        machine.start(account.home, account.state, droplet)
    else:
        machine.stop(account.home, droplet)


def _volume(text: str) -> tuple[str, int]:
    name, _, size = text.partition(":")
    if not size.isdigit():
        raise argparse.ArgumentTypeError(f"expected NAME:GIB, got {text!r}")
    return name, int(size)


def _create(account: Account, name: str, volumes: list[tuple[str, int]], user_data: str) -> dict[str, str]:
    droplet = _find(account, name)
    if droplet is not None and not droplet["confirmed"]:  # its creation was interrupted
        _destroy(account, name)
        droplet = None
    if droplet is None:
        droplet = _make(account, name, volumes, user_data)
    if not machine.is_on(account.home, droplet):
        machine.start(account.home, account.state, droplet)
    return {"name": name, "container": machine.container_name(account.home, droplet), "ip": droplet["public_ip"]}


def _make(account: Account, name: str, volumes: list[tuple[str, int]], user_data: str) -> Record:
    inputs = {"name": name, "image": BOOTABLE_IMAGE, "size": _SIZE, "region": _REGION, "userData": user_data}
    volume_inputs = [{"name": volume, "size": size, "region": _REGION} for volume, size in volumes]
    _refuse_bad(Droplet(), inputs)
    for each in volume_inputs:
        _refuse_bad(Volume(), each)
    owner = f"{_OWNER}:{name}"
    droplet_id = Droplet().create(account, inputs, owner)
    for each in volume_inputs:
        volume_id = Volume().create(account, each, owner)
        VolumeAttachment().create(account, {"dropletId": int(droplet_id), "volumeId": volume_id}, owner)
    with account.state.change() as state:
        state["droplets"][droplet_id]["confirmed"] = True
    return account.get("droplets", droplet_id)


def _refuse_bad(kind: Kind, inputs: Values) -> None:
    for name, reason in kind.check(inputs):
        raise SandboxError(f"{name}: {reason}")


def _destroy(account: Account, name: str) -> None:
    """Remove a droplet made here, and the volumes made with it."""
    droplet = _find(account, name)
    volumes = [
        volume for volume in account.state.read().get("volumes", {}).values() if volume["urn"] == f"{_OWNER}:{name}"
    ]
    if droplet is not None:
        Droplet().delete(account, str(droplet["id"]))
    for volume in volumes:
        Volume().delete(account, volume["id"])
    # Who removes nothing takes nothing away: a platform that is about to begin has its services, and no resource yet.
    if droplet is not None or volumes:
        tidy(account)


def _find(account: Account, name: str) -> Record | None:
    return next(
        (droplet for droplet in account.state.read().get("droplets", {}).values() if droplet["name"] == name), None
    )


if __name__ == "__main__":
    sys.exit(main())
