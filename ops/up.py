"""`make up` and `make down`: the platform from nothing, and the sandbox away again."""

import time
from collections.abc import Mapping
from typing import Any

import yaml

from ops.errors import OperatorError
from ops.stack import PROJECT, ROOT, UP, Stack
from ops.status import show_status
from ops.verify import verify_outside
from sandbox import archives, home
from sandbox.__main__ import prepare
from sandbox.cloud.account import Account
from sandbox.network import POOL
from sandbox.services import acme, mail, odoo
from sandbox.tidy import remove_everything

# The sandbox's own choices, beside where its certificate authority and mail server are; the rest is the default.
SANDBOX_CONFIG: dict[str, Any] = {
    "region": "fra1",
    "domain": "supabase.test",
    "dns_provider": "digitalocean",
    "environment": "staging",
    "alert_email": "operator@supabase.test",
    "protect": False,
    "ssh_allowed_cidrs": [str(POOL)],
    "smtp_port": mail.PORT,
    "smtp_sender": "no-reply@supabase.test",
    "auth_signups": True,
    # Their source is out of reach of a machine that reaches only package registries.
    "source_extensions": [],
    # What runs in containers is built here: no registry is asked.
    "images_archive": str(archives.FOLDER.relative_to(ROOT)),
}


def up(stack: Stack, phase: int) -> None:
    """Provision, converge, verify from outside, and show the components. Safe to run again at any time."""
    started = time.monotonic()
    if stack.is_sandbox:
        prepare_sandbox(stack, phase)
    interrupted = stack.release_lock_of_a_dead_run()
    stack.pulumi(*UP)
    if interrupted and stack.is_sandbox:
        stack.forget_interrupted_creations()
    outputs = stack.outputs()
    verify_outside(stack, outputs)
    show_status(stack, outputs, "table")
    print(
        f"\n[up] {stack.name} is up after {time.monotonic() - started:.0f} s. Next: make status, make psql, make drift"
    )


def preview(stack: Stack, phase: int) -> None:
    """Show what `up` would do to the infrastructure and what drifted; change nothing."""
    if stack.is_sandbox:
        prepare_sandbox(stack, phase)
    stack.pulumi("preview", "--diff")


def down(stack: Stack) -> None:
    """Destroy the sandbox and every trace of it. A cloud stack is refused: its data is not removed by habit."""
    if not stack.is_sandbox:
        raise OperatorError(
            f"make down removes the sandbox only; docs/operations.md says how to remove {stack.name} on purpose"
        )
    if stack.exists():
        stack.release_lock_of_a_dead_run()
        stack.pulumi("destroy", "--yes", "--skip-preview", "--refresh=false")
        stack.pulumi("stack", "rm", "--yes")
    remove_everything(Account(home.current()))
    print("[down] nothing of the sandbox is left")


def prepare_sandbox(stack: Stack, phase: int) -> None:
    """Make the tools, images and the stack that the sandbox needs, and set its phase."""
    prepare([], phase)
    if not stack.exists():
        (ROOT / f"Pulumi.{stack.name}.yaml").unlink(missing_ok=True)
        stack.pulumi("stack", "init")
    path = ROOT / f"Pulumi.{stack.name}.yaml"
    document = yaml.safe_load(path.read_text()) if path.exists() else {}
    sandbox = home.current()
    acme.ensure(sandbox)
    mail.ensure(sandbox)
    chosen: dict[str, Any] = {
        "phase": phase,
        "acme_directory": acme.directory_url(sandbox),
        "smtp_host": mail.address(sandbox),
    }
    secrets: dict[str, str] = {}
    if phase >= odoo.FIRST_PHASE:
        odoo.ensure(sandbox)
        known = odoo.values(sandbox)
        secrets = {"odoo_api_key": known.pop("odoo_api_key")}
        chosen |= known
    path.write_text(yaml.safe_dump(with_sandbox_values(document, chosen), sort_keys=False))
    for key, value in secrets.items():
        stack.keep_secret(key, value)


def with_sandbox_values(document: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """A stack's configuration with the sandbox's choices; what else the operator set stays: rotations above all."""
    ours = {f"{PROJECT}:{key}": value for key, value in {**SANDBOX_CONFIG, **chosen}.items()}
    return {**document, "config": {**document.get("config", {}), **ours}}
