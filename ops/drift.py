"""`make drift`: what differs from the declared state, with a diff for each difference."""

from infra.converge import converge
from ops.errors import OperatorError
from ops.stack import Stack
from ops.table import table


def drift(stack: Stack) -> None:
    """Run the playbooks in check mode and show the tasks that would change something. Changes nothing."""
    result = converge(stack.outputs(), check=True)
    if not result.ok:
        raise OperatorError(f"the check could not finish: {result.failure}")
    if not result.drift:
        print(f"[drift] {stack.name}: none; every task is as declared")
        return
    print(table(["role", "task"], [[entry["role"], entry["task"]] for entry in result.drift]))
    raise OperatorError(
        f"{len(result.drift)} tasks differ from the declared state; repair with: make up STACK={stack.name}"
    )
