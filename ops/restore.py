"""`make restore`: the database as it was at a moment, in place, after the operator has seen what is lost."""

import json
import shlex
import sys
from collections.abc import Mapping

from infra.converge import converge
from ops.connect import Server
from ops.errors import OperatorError
from ops.stack import Stack


def restore(stack: Stack, target: Mapping[str, str], confirm: str) -> None:
    """Show what would be lost, have it confirmed, restore. `target` has time, lsn or name; all empty is the latest.

    Whatever cannot be done is refused before anything is touched.
    """
    outputs = stack.outputs()
    platform = outputs["platform"]
    options = " ".join(f"--{name}={shlex.quote(value)}" for name, value in target.items() if value)
    with Server(outputs) as server:
        plan = json.loads(server.run(f"platform-backup plan {options}"))
    for line in [*plan["lines"], *([f"note: {plan['note']}"] if plan["note"] else [])]:
        print(f"[restore] {line}")
    confirmed(platform, confirm)
    variables = {f"target_{name}": value for name, value in target.items()} | {"restore_confirm": platform}
    result = converge(outputs, check=False, playbook="restore", variables=variables)
    if not result.ok:
        raise OperatorError(str(result.failure))
    print(f"[restore] {platform} is restored and archives its log again. Next: make verify STACK={stack.name}")


def confirmed(platform: str, confirm: str) -> None:
    """Take the platform's name as the only yes, from CONFIRM or typed at a terminal."""
    if not confirm:
        if not sys.stdin.isatty():
            raise OperatorError(
                f"nothing was touched: a restore is confirmed at a terminal, or in a script with CONFIRM={platform}"
            )
        confirm = input(f"[restore] to replace the database, type the platform's name ({platform}): ").strip()
    if confirm != platform:
        raise OperatorError(f"nothing was touched: {confirm!r} is not the platform's name, {platform}")
