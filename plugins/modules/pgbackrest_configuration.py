#!/usr/bin/python
"""The configuration of pgBackRest, rehearsed against its repository before it lands."""

import grp
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: pgbackrest_configuration
short_description: The configuration of pgBackRest
description:
  - Renders pgbackrest.conf from data. Before a change lands, pgBackRest asks the repository with it; an option it does
    not know, a bucket it cannot open and a cipher that does not fit are refused, and the old file stays.
options:
  path: {type: path, required: true, description: "Where the file is; root writes it, group postgres reads it."}
  stanza: {type: str, required: true, description: "The stanza that the rehearsal asks for."}
  sections: {type: dict, required: true, description: "Options by section."}
  secrets: {type: dict, required: true, description: "Further options of section global; never shown."}
author: The platform's maintainers
"""

HEADER = "# Managed by Ansible (role backup): edits are replaced by the next run.\n"
MODE = 0o640
HIDDEN = "********"
# What `pgbackrest info` calls the state of a repository that cannot be asked.
UNREADABLE = 99


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


def complaints(code: int, out: str, err: str) -> str:
    """What pgBackRest has against a configuration, from the outcome of `info --output=json`; nothing when it fits."""
    if code or err.strip():
        return err.strip() or out.strip() or f"pgbackrest ended with status {code}"
    for stanza in json.loads(out):
        for repository in stanza.get("repo", []):
            if repository["status"]["code"] == UNREADABLE:
                message: str = repository["status"]["message"]
                if "CryptoError" in message:
                    return f"the repository cannot be decrypted: it was written with another backup_cipher. {message}"
                return f"the repository does not answer: {message}"
    return ""


def rehearse(path: Path, stanza: str) -> str:
    """Ask the repository with a configuration; what is against it, or nothing."""
    done = subprocess.run(
        ["runuser", "-u", "postgres", "--", "pgbackrest", f"--config={path}", f"--stanza={stanza}", "info",
         "--output=json", "--log-level-console=off", "--log-level-stderr=warn"],
        cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return complaints(done.returncode, done.stdout, done.stderr)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "stanza": {"type": "str", "required": True},
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
            refused = rehearse(scratch, module.params["stanza"])
            if refused:
                module.fail_json(msg=f"pgBackRest refuses this configuration; nothing was changed.\n{refused}")
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
