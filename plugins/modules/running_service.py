#!/usr/bin/python
"""A service that runs with its files as they are now."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: running_service
short_description: A service that runs with its files as they are now
description:
  - Starts a unit that does not run, and restarts one that started before a file it reads at start was written. That is
    read from the system and not remembered by a handler, so a run that was cut off is made good by the next.
  - Reloads systemd first when a unit file on disk is newer than the one it knows.
  - When the unit does not come up, the failure holds the last lines of its journal.
options:
  unit: {type: str, required: true, description: "The unit, with its suffix."}
  files: {type: list, elements: path, default: [], description: "Files that the service reads only when it starts."}
  reread: {type: list, elements: path, default: [], description: "Files that it reads again when it is reloaded."}
  enabled: {type: bool, description: "Whether it starts at boot; leave it out for units that a generator makes."}
author: The platform's maintainers
"""

# StateChangeTimestamp also moves when a reload ends; ExecMainStartTimestamp does not.
PROPERTIES = (
    "LoadState",
    "ActiveState",
    "UnitFileState",
    "NeedDaemonReload",
    "ExecMainStartTimestamp",
    "StateChangeTimestamp",
)
JOURNAL_LINES = 20


def parse(text: str) -> dict[str, str]:
    """Properties of a unit, from `systemctl show --timestamp=us+utc`."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def started(stamp: str) -> float:
    """Seconds since the epoch, from a stamp such as `Mon 2026-11-23 04:45:17.123456 UTC`; 0 for none."""
    if not stamp:
        return 0.0
    return datetime.strptime(stamp, "%a %Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=UTC).timestamp()


def reason(properties: Mapping[str, str], written: Mapping[str, float]) -> str:
    """Why the unit must be started or restarted, empty when it need not; `written`: seconds since the epoch by file."""
    if properties.get("ActiveState") not in {"active", "reloading"}:
        return f"it was {properties.get('ActiveState') or 'unknown'}"
    start = started(properties.get("ExecMainStartTimestamp", ""))
    newer = sorted(path for path, when in written.items() if when > start)
    return f"it started before {', '.join(newer)} was written" if newer else ""


def reload_reason(properties: Mapping[str, str], written: Mapping[str, float]) -> str:
    """Why a running unit must be reloaded, empty when it need not; `written`: seconds since the epoch by file."""
    read = started(properties.get("StateChangeTimestamp", ""))
    newer = sorted(path for path, when in written.items() if when > read)
    return f"it was last loaded before {', '.join(newer)} was written" if newer else ""


def show(module: AnsibleModule, unit: str) -> dict[str, str]:
    """The unit's properties now."""
    words = ["systemctl", "show", "--timestamp=us+utc", f"--property={','.join(PROPERTIES)}", unit]
    return parse(module.run_command(words, check_rc=True)[1])


def apply(module: AnsibleModule, verb: str, unit: str) -> None:
    """Run `systemctl verb unit`, or end with what the unit's journal says."""
    code, _, complaint = module.run_command(["systemctl", verb, unit])
    if code:
        words = ["journalctl", "--unit", unit, "--lines", str(JOURNAL_LINES), "--no-pager", "--output", "cat"]
        journal = module.run_command(words)[1].strip()
        module.fail_json(msg=f"systemctl {verb} {unit}: {complaint.strip()}\nIts journal ends with:\n{journal}")


def write_times(files: Sequence[str]) -> dict[str, float]:
    """When each file that exists was written."""
    return {path: Path(path).stat().st_mtime for path in files if os.path.lexists(path)}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "files": {"type": "list", "elements": "path", "default": []},
            "reread": {"type": "list", "elements": "path", "default": []},
            "enabled": {"type": "bool"},
        },
        supports_check_mode=True,
    )
    unit, enabled = module.params["unit"], module.params["enabled"]
    properties = show(module, unit)
    if properties["NeedDaemonReload"] == "yes" or properties["LoadState"] == "not-found":
        if not module.check_mode:
            module.run_command(["systemctl", "daemon-reload"], check_rc=True)
        properties = show(module, unit)
    if properties["LoadState"] == "not-found" and not module.check_mode:
        module.fail_json(
            msg=f"systemd knows no {unit}. If Quadlet makes it, `journalctl -t quadlet-generator` says why it did not."
        )
    done = []
    if enabled is not None and (properties.get("UnitFileState") == "enabled") != enabled:
        done.append("enabled" if enabled else "disabled")
        if not module.check_mode:
            apply(module, "enable" if enabled else "disable", unit)
    why = reason(properties, write_times(module.params["files"]))
    if why:
        done.append(f"started: {why}")
        if not module.check_mode:
            apply(module, "restart", unit)
    elif why := reload_reason(properties, write_times(module.params["reread"])):
        done.append(f"reloaded: {why}")
        if not module.check_mode:
            apply(module, "reload", unit)
    module.exit_json(changed=bool(done), msg=f"{unit}: {'; '.join(done) or 'unchanged'}")


if __name__ == "__main__":
    main()
