"""How long a run takes that changes nothing, per role and per task: make bench NAME=rerun.

Both sides in one run: Ansible's plain linear strategy and Mitogen, alternating, on the running sandbox platform.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.report import spread, write
from infra.converge import converge
from ops.stack import SANDBOX, Stack

ROUNDS = int(os.environ.get("ROUNDS", "3"))
STRATEGIES = ["mitogen_linear", "linear"]
SLOWEST_TASKS = 10


@contextmanager
def strategy(name: str) -> Iterator[None]:
    """Run the block with one of Ansible's strategies."""
    before = os.environ.get("ANSIBLE_STRATEGY")
    os.environ["ANSIBLE_STRATEGY"] = name
    try:
        yield
    finally:
        if before is None:
            del os.environ["ANSIBLE_STRATEGY"]
        else:
            os.environ["ANSIBLE_STRATEGY"] = before


def main() -> None:
    """Measure, print the table, write the JSON."""
    outputs = Stack(SANDBOX).outputs()
    walls: dict[str, list[float]] = defaultdict(list)
    roles: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in STRATEGIES}
    tasks: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for name in STRATEGIES:
            with strategy(name):
                result = converge(outputs, check=False)
            if not result.ok or result.changed:
                raise SystemExit(f"the platform is not converged, so this would measure repairs: {result.changed}")
            walls[name].append(result.seconds)
            for role, seconds in result.role_seconds.items():
                roles[name][role].append(seconds)
            if name == STRATEGIES[0]:
                for task, seconds in result.task_seconds.items():
                    tasks[task].append(seconds)
    rows = [["whole run", *(f"{spread(walls[name])['median']:.1f}" for name in STRATEGIES)]]
    rows += [
        [f"  role {role}", *(f"{spread(roles[name][role])['median']:.1f}" for name in STRATEGIES)]
        for role in roles[STRATEGIES[0]]
    ]
    slowest = sorted(tasks, key=lambda task: -spread(tasks[task])["median"])[:SLOWEST_TASKS]
    rows += [[f"  task {task}", f"{spread(tasks[task])['median']:.2f}", ""] for task in slowest]
    write(
        "rerun",
        ["median seconds of a run that changes nothing", *STRATEGIES],
        rows,
        {
            "rounds": ROUNDS,
            "seconds": {name: spread(walls[name]) for name in STRATEGIES},
            "role_seconds": {name: {r: spread(s) for r, s in roles[name].items()} for name in STRATEGIES},
            "task_seconds": {task: spread(seconds) for task, seconds in tasks.items()},
        },
    )


if __name__ == "__main__":
    main()
