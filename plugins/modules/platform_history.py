#!/usr/bin/python
"""What happened on a server: the `history` part of schemas/audit.schema.json. Reads only."""

import json
import subprocess
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: platform_history
short_description: What happened on a server, for auditors
description:
  - The backups that the repository holds and the last restore drills. Unlike platform_audit this moves by itself, with
    every backup and every drill; it says nothing that moves without them.
options:
  stanza: {type: str, required: true, description: "pgBackRest's name for the platform."}
  drills: {type: path, required: true, description: "The history of the drills, one JSON document a line."}
  keep: {type: int, required: true, description: "How many of the last drills to report."}
author: The platform's maintainers
"""

DRILL_KEYS = (
    "id",
    "started",
    "result",
    "error",
    "chosen",
    "target",
    "backup",
    "bytes",
    "seconds",
    "steps",
    "rto_seconds",
    "rpo_seconds",
    "tables",
    "sampled_tables",
    "rows",
    "verified",
    "differences",
)


def backups(text: str) -> list[dict[str, Any]]:
    """The backups that `pgbackrest info --output=json` names, the oldest first."""
    return [
        {
            "label": row["label"],
            "type": row["type"],
            "started": row["timestamp"]["start"],
            "stopped": row["timestamp"]["stop"],
            "bytes": row["info"]["size"],
            "stored_bytes": row["info"]["repository"]["delta"],
            "lsn": [row["lsn"]["start"], row["lsn"]["stop"]],
            "ok": not row["error"],
        }
        for stanza in json.loads(text)
        for row in stanza["backup"]
    ]


def read_backups(stanza: str) -> list[dict[str, Any]] | None:
    """Ask the repository; nothing when it does not answer, an empty list before the first backup."""
    command = ["runuser", "-u", "postgres", "--", "pgbackrest", f"--stanza={stanza}", "info", "--output=json"]
    try:
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, errors="replace", check=False)
    except FileNotFoundError:
        return None
    return None if done.returncode else backups(done.stdout)


def drills(text: str, keep: int) -> list[dict[str, Any]]:
    """The last drills of the history, the oldest first."""
    records = [json.loads(line) for line in text.splitlines()[-keep:]]
    return [{key: record[key] for key in DRILL_KEYS} for record in records]


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "stanza": {"type": "str", "required": True},
            "drills": {"type": "path", "required": True},
            "keep": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    path = Path(module.params["drills"])
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    history = {
        "backups": read_backups(module.params["stanza"]),
        "drills": drills(text, module.params["keep"]),
    }
    module.exit_json(changed=False, history=history)


if __name__ == "__main__":
    main()
