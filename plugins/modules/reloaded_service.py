#!/usr/bin/python
"""A running service that has read its files as they are now."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: reloaded_service
short_description: A running service that has read its files as they are now
description:
  - Runs O(command) when one of O(files) was written after the unit started and that content was not loaded since.
    What was loaded is noted in a folder that a reboot empties, so a run that was cut off is made good by the next.
  - A unit that does not run is left alone, because its start reads the files; another task starts it.
options:
  unit: {type: str, required: true, description: "The unit, with its suffix."}
  files: {type: list, elements: path, required: true, description: "Files that the service reads when it reloads."}
  command: {type: list, elements: str, required: true, description: "What makes it read them; not 0 is a failure."}
author: The platform's maintainers
"""

NOTES = Path("/run/supabase-platform")
PROPERTIES = "ActiveState,ExecMainStartTimestamp"


def started(stamp: str) -> float:
    """Seconds since the epoch, from a stamp such as `Mon 2026-11-23 04:45:17.123456 UTC`; 0 for none."""
    if not stamp:
        return 0.0
    return datetime.strptime(stamp, "%a %Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=UTC).timestamp()


def fingerprint(contents: Sequence[bytes]) -> str:
    """What names the contents of the files together."""
    return hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in contents)).hexdigest()


def loaded(written: Sequence[float], start: str, note: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Whether the running service has these files: it started after they were written, or loaded them since."""
    return all(when < started(start) for when in written) or note == now


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "files": {"type": "list", "elements": "path", "required": True},
            "command": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    unit, files = module.params["unit"], [Path(path) for path in module.params["files"]]
    words = ["systemctl", "show", "--timestamp=us+utc", f"--property={PROPERTIES}", unit]
    lines = module.run_command(words, check_rc=True)[1].splitlines()
    properties = dict(line.split("=", 1) for line in lines if "=" in line)
    present = [path for path in files if path.exists()]
    if properties.get("ActiveState") not in {"active", "reloading"} or len(present) < len(files):
        module.exit_json(changed=False, msg=f"{unit} does not run with these files yet")
    start = properties["ExecMainStartTimestamp"]
    note = NOTES / f"{unit}.loaded.json"
    now = {"started": start, "content": fingerprint([path.read_bytes() for path in files])}
    noted = json.loads(note.read_text()) if note.exists() else {}
    if loaded([path.stat().st_mtime for path in files], start, noted, now):
        module.exit_json(changed=False, msg=f"{unit} has read its files")
    if not module.check_mode:
        code, out, complaint = module.run_command(module.params["command"])
        if code:
            module.fail_json(msg=f"{unit} runs on with what it had, because it could not reload: {complaint or out}")
        NOTES.mkdir(mode=0o755, exist_ok=True)
        scratch = note.with_suffix(".new")
        scratch.write_text(json.dumps(now))
        scratch.rename(note)
    module.exit_json(changed=True, msg=f"{unit}: reloaded {', '.join(map(str, files))}")


if __name__ == "__main__":
    main()
