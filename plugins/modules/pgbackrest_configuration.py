#!/usr/bin/python
"""The configuration of pgBackRest, rehearsed before it lands."""

import grp
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: pgbackrest_configuration
short_description: The configuration of pgBackRest
description:
  - Renders pgbackrest.conf from data. Before a change lands it is rehearsed; what is refused leaves the old file.
options:
  path: {type: path, required: true, description: "Where the file is; root writes it, group postgres reads it."}
  rehearsal: {type: list, elements: str, required: true, description: "Command that judges a file."}
  sections: {type: dict, required: true, description: "Options by section."}
  secrets: {type: dict, required: true, description: "Further options of section global; never shown."}
author: The platform's maintainers
"""

HEADER = "# Managed by Ansible (role backup): edits are replaced by the next run.\n"
MODE = 0o640
HIDDEN = "********"


def render(sections: Mapping[str, Mapping[str, object]], secrets: Mapping[str, str]) -> str:
    """pgbackrest.conf, sections and options in alphabetical order."""
    text = HEADER
    for section in sorted(sections):
        options = {**sections[section], **(secrets if section == "global" else {})}
        text += f"\n[{section}]\n" + "".join(f"{name}={options[name]}\n" for name in sorted(options))
    return text


def masked(text: str, names: Mapping[str, str]) -> str:
    """A configuration for people to see: whatever a secret option holds, now or before, stays hidden."""
    lines = []
    for line in text.splitlines(keepends=True):
        name, _, value = line.partition("=")
        hide = name in names and value.strip()
        lines.append(f"{name}={HIDDEN}\n" if hide else line)
    return "".join(lines)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "rehearsal": {"type": "list", "elements": "str", "required": True},
            "sections": {"type": "dict", "required": True},
            "secrets": {"type": "dict", "required": True, "no_log": True},
        },
        supports_check_mode=True,
    )
    path, secrets = Path(module.params["path"]), module.params["secrets"]
    wanted = render(module.params["sections"], secrets)
    present = path.read_text() if path.exists() else ""
    private = path.exists() and path.owner() == "root" and path.stat().st_mode & 0o777 == MODE
    changed = wanted != present or not private
    if changed and not module.check_mode:
        scratch = Path(tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")[1])
        try:
            scratch.write_text(wanted)
            os.chown(scratch, 0, grp.getgrnam("postgres").gr_gid)
            scratch.chmod(MODE)
            code, out, err = module.run_command([*module.params["rehearsal"], str(scratch)], cwd="/")
            if code:
                module.fail_json(msg=f"pgBackRest refuses this configuration; nothing was changed.\n{err or out}")
            scratch.rename(path)
        finally:
            scratch.unlink(missing_ok=True)
    module.exit_json(
        changed=changed,
        msg=f"{path} changed" if changed else "",
        diff={"before": masked(present, secrets), "after": masked(wanted, secrets)},
    )


if __name__ == "__main__":
    main()
