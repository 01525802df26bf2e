"""The same playbooks against a stack's server outside a Pulumi run. Changes no Pulumi state."""

from collections.abc import Mapping
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
    variables: Mapping[str, Any] | None = None,
    wait_seconds: float | None = None,
) -> RunResult:
    """Run a playbook with the inventory of a stack's outputs (which hold secrets: never print them).

    `variables` hold for this run alone.
    """
    audit = outputs.get("audit") or {}
    # In check mode the server is compared with the last converged commit, so that a new one alone is no difference.
    who = (audit.get("converged") if check else None) or provenance()
    run = {"platform_commit": who["commit"], "platform_actor": who["by"]}
    inventory = complete(outputs["inventory"], {**run, **(variables or {})})
    return run_playbook(
        ROOT / "playbooks" / f"{playbook}.yml",
        inventory,
        connection_of(outputs),
        lambda line: print(line, flush=True),
        check=check,
        tags=tags,
        wait_seconds=wait_seconds,
    )
