"""`make restore-drill`: a moment of the past restored beside the live platform, compared, timed, and removed again."""

import json
import re
import shlex
from typing import Any

from infra import components
from ops.connect import Server
from ops.errors import OperatorError
from ops.stack import Stack
from ops.table import table

RANDOM = "random"
# Where role backup keeps what it knows.
STATE = f"{components.platform()['platform_state']}/backup"
HISTORY = f"{STATE}/drills.jsonl"
# What may stand in the name of a unit, and so all that a name of the ledger or a time is made of.
TARGET = re.compile(r"[A-Za-z0-9:_.+-]+")

# The messages come as they are written; the unit goes on when the connection is lost.
_SCRIPT = """
unit=supabase-restore-drill@{target}.service
journalctl --follow --lines=0 --output=cat "_SYSTEMD_UNIT=$unit" &
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
        before = last_record(server)
        failed = server.interactive("sudo", "bash", "-c", shlex.quote(_SCRIPT.format(target=target or RANDOM)))
        record = last_record(server)
    if record is not None and record != before:
        print(figures(record))
    if failed:
        raise OperatorError("the drill did not pass; its messages are above")


def last_record(server: Server) -> dict[str, Any] | None:
    """The newest entry of the history; none before the first drill."""
    line = server.run(f"if [ -e {HISTORY} ]; then tail --lines=1 {HISTORY}; fi")
    found: dict[str, Any] | None = json.loads(line) if line else None
    return found


def figures(record: dict[str, Any]) -> str:
    """The record of a drill as a table of steps and figures."""
    name = record["target"]["name"] if record["target"] else "no moment"
    rows = [[f"step: {step}", _seconds(seconds)] for step, seconds in record["steps"].items()]
    rows += [
        ["recovery time seen (RTO)", _seconds(record["rto_seconds"])],
        ["recovery point seen (RPO)", _seconds(record["rpo_seconds"])],
        ["database", f"{record['bytes'] / 1e6:.1f} MB, {record['tables']} tables, {record['rows']} rows compared"],
        ["differences", str(len(record["differences"]))],
        ["verified", record["verified"] or "no"],
    ]
    return table([f"drill to {name}", record["result"]], rows)


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} s"
