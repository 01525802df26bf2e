#!/usr/bin/python
"""Ansible module: makes a mount point that nothing can be written to while nothing is mounted there."""

import subprocess
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: sealed_directory
short_description: Makes a mount point that nothing can be written to while nothing is mounted there
description:
  - Makes the directory and sets its immutable flag, so that not even root can make a file in it.
  - Sees and seals the directory below a mounted file system in a mount namespace of its own; the mount itself stays
    untouched.
options:
  path:
    description: The mount point.
    type: path
    required: true
author: The platform's maintainers
"""

EXAMPLES = """
- name: Keep everybody from writing to the root disk
  sealed_directory:
    path: /srv/data
"""

RETURN = "# nothing besides the common values"

# Prints the flags of the directory below whatever is mounted on it; with "seal" it makes and seals it first.
_SCRIPT = """
while mountpoint --quiet "$1"; do umount --lazy "$1"; done
if [ "$2" = seal ]; then mkdir --parents "$1" && chattr +i "$1"; fi
if [ -d "$1" ]; then lsattr -d "$1"; fi
"""


def flags(path: Path, action: str) -> str:
    """The directory's flags as lsattr prints them; empty when it does not exist."""
    command = ["unshare", "--mount", "sh", "-euc", _SCRIPT, "sh", str(path), action]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.stderr.strip())
    return done.stdout.split(" ", 1)[0]


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(argument_spec={"path": {"type": "path", "required": True}}, supports_check_mode=True)
    path = Path(module.params["path"])
    try:
        sealed = "i" in flags(path, "look")
        if not sealed and not module.check_mode and "i" not in flags(path, "seal"):
            module.fail_json(msg=f"{path} did not keep the immutable flag")
    except OSError as error:
        module.fail_json(msg=f"cannot seal {path}: {error}")
    states = [f"{path}: {state}\n" for state in ("sealed" if sealed else "open", "sealed")]
    module.exit_json(changed=not sealed, diff={"before": states[0], "after": states[1]})


if __name__ == "__main__":
    main()
