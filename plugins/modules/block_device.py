#!/usr/bin/python
"""Ansible module: tells what is on a block device and where it is mounted. Reads only."""

import json
import subprocess
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: block_device
short_description: Tells what is on a block device and where it is mounted
description:
  - Reads the device itself, not the caches of udev, and changes nothing.
options:
  path:
    description: The device, or a link to it.
    type: path
    required: true
author: The platform's maintainers
"""

EXAMPLES = """
- name: Look at the volume
  block_device:
    path: /dev/disk/by-id/scsi-0DO_Volume_platform-data
  register: volume
"""

RETURN = """
exists:
  description: Whether there is a block device.
  returned: always
  type: bool
device:
  description: The device the link leads to.
  returned: when it exists
  type: str
size:
  description: Size in bytes.
  returned: when it exists
  type: int
signatures:
  description: What wipefs recognizes on it (type, label, uuid of each file system, partition table, RAID member).
  returned: when it exists
  type: list
blank:
  description: Whether nothing is recognized and its first mebibyte holds only zeros.
  returned: when it exists
  type: bool
mounts:
  description: Where it is mounted (target, fstype, options, size in bytes of each).
  returned: when it exists
  type: list
"""

_HEAD = 1024 * 1024


def look(path: Path) -> dict[str, Any]:
    """Everything the module returns about one device."""
    if not path.is_block_device():
        return {"exists": False}
    device = str(path.resolve())
    signatures = _json("wipefs", "--no-act", "--json", device).get("signatures", [])
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
        size = stream.seek(0, 2)
    return {
        "exists": True,
        "device": device,
        "size": size,
        "signatures": [{key: found.get(key) for key in ("type", "label", "uuid")} for found in signatures],
        "blank": not signatures and not head.strip(b"\0"),
        "mounts": _mounts(device),
    }


def _mounts(device: str) -> list[dict[str, Any]]:
    columns = "target,fstype,options,size"
    mounts = _json("findmnt", "--json", "--bytes", "--output", columns, "--source", device)
    return [{**mount, "size": int(mount["size"])} for mount in mounts.get("filesystems", [])]


def _json(*command: str) -> dict[str, Any]:
    """The JSON a program prints; findmnt that finds nothing prints nothing and exits 1."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and done.stderr.strip():
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
    answer: dict[str, Any] = json.loads(done.stdout or "{}")
    return answer


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(argument_spec={"path": {"type": "path", "required": True}}, supports_check_mode=True)
    try:
        module.exit_json(changed=False, **look(Path(module.params["path"])))
    except OSError as error:
        module.fail_json(msg=f"cannot look at {module.params['path']}: {error}")


if __name__ == "__main__":
    main()
