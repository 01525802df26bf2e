#!/usr/bin/python
"""Ansible module: makes the running kernel's settings equal to the declared ones."""

import subprocess
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: kernel_settings
short_description: Makes the running kernel's settings equal to the declared ones
description:
  - Compares each value below /proc/sys with the declared one and writes those that differ.
  - A key that this kernel does not have is reported, not set.
  - In a container the kernel belongs to the host. Only what the container has a copy of (net.*) is set there.
options:
  values:
    description: Setting name, as sysctl writes it, and value.
    type: dict
    required: true
author: The platform's maintainers
"""

EXAMPLES = """
- name: Let the running kernel follow
  kernel_settings:
    values: {net.ipv4.tcp_syncookies: 1}
"""

RETURN = """
unavailable:
  description: Names of settings that this machine cannot have, each with the reason.
  returned: always
  type: dict
"""

_SETTINGS = Path("/proc/sys")


def in_container() -> bool:
    """Whether the kernel is another machine's."""
    return subprocess.run(["systemd-detect-virt", "--container", "--quiet"], check=False).returncode == 0


def plan(declared: dict[str, str], root: Path, own_kernel: bool) -> tuple[dict[str, str], dict[str, str]]:
    """The present value of each setting that differs, and the reason for each that cannot be set."""
    differing, unavailable = {}, {}
    for name, value in declared.items():
        path = root / name.replace(".", "/")
        if not own_kernel and not name.startswith("net."):
            unavailable[name] = "the kernel belongs to the container's host"
        elif not path.exists():
            unavailable[name] = "the kernel does not have it"
        elif (present := " ".join(path.read_text().split())) != value:
            differing[name] = present
    return differing, unavailable


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(argument_spec={"values": {"type": "dict", "required": True}}, supports_check_mode=True)
    declared = {name: " ".join(str(value).split()) for name, value in module.params["values"].items()}
    differing, unavailable = plan(declared, _SETTINGS, own_kernel=not in_container())
    if not module.check_mode:
        for name in differing:
            try:
                (_SETTINGS / name.replace(".", "/")).write_text(declared[name])
            except OSError as error:
                module.fail_json(msg=f"cannot set {name} to {declared[name]}: {error.strerror}")
    wanted = {name: declared[name] for name in differing}
    result: dict[str, Any] = {
        "changed": bool(differing),
        "unavailable": unavailable,
        "diff": {"before": _lines(differing), "after": _lines(wanted)},
    }
    module.exit_json(**result)


def _lines(values: dict[str, str]) -> str:
    return "".join(f"{name} = {value}\n" for name, value in values.items())


if __name__ == "__main__":
    main()
