"""`make restore-drill`: a moment of the past restored beside the live platform, compared, timed, and removed again."""

import json
import re
import shlex
from typing import Any

from ops.connect import Server
from ops.errors import OperatorError
from ops.stack import Stack
from ops.table import table

RANDOM = "random"
HISTORY = "/var/lib/supabase-platform/backup/drills.jsonl"
# What may stand in the name of a unit, and so all that a name of the ledger or a time is made of.
TARGET = re.compile(r"[A-Za-z0-9:_.+-]+")

# The unit's messages as they come; it goes on when the connection is lost. Its end is the command's end.
_SCRIPT = """
unit=supabase-restore-drill@{target}.service
journalctl --follow --lines=0 --output=cat --unit="$unit" _COMM=platform-backup + _COMM=python3 _SYSTEMD_UNIT="$unit" &
follower=$!
systemctl start "$unit" 2>/dev/null && ended=0 || ended=1
sleep 0.5
kill "$follower"
exit "$ended"
"""


def restore_drill(stack: Stack, target: str) -> None:
    """Run a drill now; without a target a random moment is restored. Prints the steps and the figures."""
    if target and not TARGET.fullmatch(target):
        raise OperatorError(f"{target} is neither a name of the ledger nor a time such as 2026-11-23T04:00:00Z")
    with Server(stack.outputs()) as server:
        failed = server.interactive("sudo", "bash", "-c", shlex.quote(_SCRIPT.format(target=target or RANDOM)))
        if failed:
            raise OperatorError("the drill did not pass; its messages are above")
        record = json.loads(server.run(f"tail --lines=1 {HISTORY}"))
    print(figures(record))


def figures(record: dict[str, Any]) -> str:
    """The record of a drill as a table of steps and figures."""
    rows = [[f"step: {name}", f"{seconds:.1f} s"] for name, seconds in record["steps"].items()]
    rows += [
        ["recovery time seen (RTO)", f"{record['rto_seconds']:.1f} s"],
        ["recovery point seen (RPO)", f"{record['rpo_seconds']:.1f} s"],
        ["database", f"{record['bytes'] / 1e6:.1f} MB, {record['tables']} tables, {record['rows']} rows compared"],
        ["verified", record["verified"]],
    ]
    return table([f"drill to {record['target']['name']}", record["result"]], rows)
