"""The same playbooks against a stack's server, run by hand: python -m infra.converge --stack NAME [--check].

It reads the stack's outputs through the Pulumi CLI and changes no Pulumi state.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra import ROOT
from infra.configure import provenance
from infra.events import RunResult
from infra.inventory import complete
from infra.runner import run_playbook
from infra.ssh import ADMIN_USER, Connection


def connection_of(outputs: Mapping[str, Any]) -> Connection:
    """The way to the server that a stack's outputs describe."""
    return Connection(
        host=outputs["address"],
        user=ADMIN_USER,
        private_key=outputs["ssh_private_key"],
        host_public_key=outputs["ssh_host_public_key"],
    )


def converge(
    outputs: Mapping[str, Any],
    *,
    check: bool,
    playbook: str = "site",
    tags: str = "",
    wait_seconds: float | None = None,
) -> RunResult:
    """Run a playbook with the inventory of a stack's outputs (which hold secrets: never print them)."""
    audit = outputs.get("audit") or {}
    # In check mode the server is compared with the last converged commit, so that a new one alone is no difference.
    who = (audit.get("converged") if check else None) or provenance()
    inventory = complete(outputs["inventory"], {"platform_commit": who["commit"], "platform_actor": who["by"]})
    return run_playbook(
        ROOT / "playbooks" / f"{playbook}.yml",
        inventory,
        connection_of(outputs),
        lambda line: print(line, flush=True),
        check=check,
        tags=tags,
        wait_seconds=wait_seconds,
    )


def read_outputs(stack: str) -> dict[str, Any]:
    """The outputs of a stack, secrets in clear."""
    done = subprocess.run(
        ["pulumi", "stack", "output", "--json", "--show-secrets", "--non-interactive", "--stack", stack],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    outputs: dict[str, Any] = json.loads(done.stdout)
    return outputs


def main(arguments: list[str]) -> int:
    """Run one playbook and report; 0 when it succeeded."""
    parser = argparse.ArgumentParser(prog="python -m infra.converge", description=__doc__)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--playbook", default="site", help="a file of playbooks/, without .yml")
    parser.add_argument("--tags", default="")
    parser.add_argument("--check", action="store_true", help="change nothing, say what differs")
    parser.add_argument("--timings", type=Path, metavar="FILE", help="write seconds per role and task as JSON")
    options = parser.parse_args(arguments)
    result = converge(read_outputs(options.stack), check=options.check, playbook=options.playbook, tags=options.tags)
    if options.timings:
        timings = {"seconds": result.seconds, "roles": result.role_seconds, "tasks": result.task_seconds}
        options.timings.write_text(json.dumps(timings, indent=2) + "\n", encoding="utf-8")
    print(result.summary())
    if result.failure is not None:
        print(result.failure, file=sys.stderr)
    return 0 if result.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
