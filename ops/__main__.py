"""The operator's commands: python -m ops COMMAND --stack NAME. `make help` lists them."""

import argparse
import sys
from collections.abc import Callable

from infra.config_values import ConfigError
from infra.ram import NoMemoryFilesystemError
from infra.ssh import UnreachableError
from ops.backup import backup, restore_point
from ops.connect import logs, psql, ssh, tunnel
from ops.drift import drift
from ops.errors import OperatorError
from ops.images_bundle import images_bundle
from ops.odoo_nudge import odoo_nudge
from ops.rebuild_silver import rebuild_silver
from ops.restore import restore
from ops.restore_drill import restore_drill
from ops.rotate import rotate
from ops.stack import SANDBOX, Stack
from ops.status import show_status
from ops.up import down, preview, up
from ops.verify import verify
from sandbox import home
from sandbox.environment import exports
from sandbox.errors import SandboxError


def main(arguments: list[str]) -> int:
    """Run one command; an expected failure is one line on stderr and exit code 1."""
    options = _parser().parse_args(arguments)
    stack = Stack(options.stack)
    run: dict[str, Callable[[], None]] = {
        "up": lambda: up(stack, options.phase),
        "preview": lambda: preview(stack, options.phase),
        "down": lambda: down(stack),
        "status": lambda: show_status(stack, stack.outputs(), options.format),
        "drift": lambda: drift(stack),
        "verify": lambda: verify(stack),
        "backup": lambda: backup(stack, options.type),
        "restore-point": lambda: restore_point(stack, options.point),
        "restore": lambda: restore(
            stack, {"time": options.time, "lsn": options.lsn, "name": options.name}, options.confirm
        ),
        "restore-drill": lambda: restore_drill(stack, options.target),
        "rotate": lambda: rotate(stack, options.secret, finish=options.finish),
        "odoo-nudge": lambda: odoo_nudge(stack, options.webhook, remove=options.remove, show=options.show),
        "rebuild-silver": lambda: rebuild_silver(stack),
        "ssh": lambda: ssh(stack),
        "psql": lambda: psql(stack),
        "tunnel": lambda: tunnel(stack, options.component),
        "logs": lambda: logs(stack, options.component),
        "env": lambda: show_environment(stack),
        "images-bundle": lambda: images_bundle(options.folder),
    }
    try:
        run[options.command]()
    except (OperatorError, ConfigError, SandboxError, NoMemoryFilesystemError, UnreachableError) as error:
        print(f"[{options.command}] {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"[{options.command}] interrupted; run it again to go on where it stopped", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ops", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    names = (
        "up",
        "preview",
        "down",
        "status",
        "drift",
        "verify",
        "backup",
        "restore-point",
        "restore",
        "restore-drill",
    )
    for name in (
        *names,
        "rotate",
        "odoo-nudge",
        "rebuild-silver",
        "ssh",
        "psql",
        "tunnel",
        "logs",
        "env",
        "images-bundle",
    ):
        command = commands.add_parser(name)
        command.add_argument("--stack", default=SANDBOX)
        if name in {"up", "preview"}:
            command.add_argument("--phase", type=int, choices=[1, 2, 3, 4], default=4)
        if name == "status":
            command.add_argument("--format", choices=["table", "json"], default="table")
        if name == "backup":
            command.add_argument("--type", choices=["full", "diff", "incr"], default="incr")
        if name == "restore-point":
            command.add_argument("point")
        if name == "restore":
            command.add_argument("--time", default="", help="ISO 8601; without a zone it is UTC")
            command.add_argument("--lsn", default="", help="position of the log, such as 0/3000148")
            command.add_argument("--name", default="", help="a restore point")
            command.add_argument("--confirm", default="", help="the platform's name, where nobody can type it")
        if name == "restore-drill":
            command.add_argument("--target", default="", help="a name of the ledger or a time; random without one")
        if name == "rotate":
            command.add_argument("secret")
            command.add_argument("--finish", action="store_true")
        if name == "odoo-nudge":
            command.add_argument(
                "--webhook", default="", help="what Odoo calls; the platform's own address without one"
            )
            command.add_argument("--remove", action="store_true")
            command.add_argument("--show", action="store_true", help="change nothing")
        if name == "images-bundle":
            command.add_argument("folder")
        if name in {"tunnel", "logs"}:
            command.add_argument("component", nargs="?" if name == "logs" else None)
    return parser


def show_environment(stack: Stack) -> None:
    """Print shell exports for typing Pulumi commands by hand on the sandbox."""
    if not stack.is_sandbox:
        raise OperatorError("make env is for the sandbox; a cloud stack uses your own environment")
    print(exports(home.current()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
