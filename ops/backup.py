"""`make backup` and `make restore-point`: a backup now, and a moment with a name."""

import json
import shlex

from infra.converge import converge
from ops.connect import Server
from ops.errors import OperatorError
from ops.stack import Stack


def backup(stack: Stack, kind: str) -> None:
    """Make a backup of one kind and say what can be restored afterwards."""
    outputs = stack.outputs()
    result = converge(outputs, check=False, playbook="backup", variables={"backup_type": kind})
    if not result.ok:
        raise OperatorError(f"no backup was made: {result.failure}")
    with Server(outputs) as server:
        plan = json.loads(server.run("platform-backup plan"))
    print(f"[backup] {kind} backup of {outputs['platform']} is {plan['backup']}; {plan['lines'][0]}")


def restore_point(stack: Stack, name: str) -> None:
    """Give the present moment a name that `make restore TARGET_NAME=` takes."""
    with Server(stack.outputs()) as server:
        made = server.run(f"platform-backup point {shlex.quote(name)}")
    print(f"[restore-point] {made} can be restored with: make restore STACK={stack.name} TARGET_NAME={made}")
