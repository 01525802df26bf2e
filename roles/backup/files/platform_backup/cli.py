"""The command line: platform-backup COMMAND."""

import argparse
import sys
from collections.abc import Callable, Sequence

from . import runs
from .adopt import adopt
from .metrics import KINDS
from .settings import BackupError, Settings
from .units import BACKUP_UNIT, start_and_wait


def parser() -> argparse.ArgumentParser:
    """What can be asked."""
    top = argparse.ArgumentParser(prog="platform-backup", description="Backups of this server's database.")
    commands = top.add_subparsers(dest="command", required=True)
    for name, help_text in {
        "start": "make a backup in its unit, and wait for it",
        "run": "make a backup here and now (what the unit runs)",
    }.items():
        commands.add_parser(name, help=help_text).add_argument("kind", choices=KINDS)
    commands.add_parser("verify", help="read the whole repository and compare checksums")
    commands.add_parser("metrics", help="publish the state of backups and archiver for Prometheus")
    commands.add_parser("adopt", help="bring cluster and repository together").add_argument(
        "--check", action="store_true", help="only say what would be done"
    )
    return top


def main(arguments: Sequence[str]) -> int:
    """Run one command; an expected failure is one message on stderr and exit code 1."""
    options = parser().parse_args(arguments)
    try:
        settings = Settings.load()
        run: dict[str, Callable[[], object]] = {
            "start": lambda: print(start_and_wait(BACKUP_UNIT.format(options.kind))),
            "run": lambda: runs.backup(settings, options.kind),
            "verify": lambda: runs.verify(settings),
            "metrics": lambda: runs.refresh(settings),
            "adopt": lambda: adopt(settings, check=options.check),
        }
        run[options.command]()
    except BackupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
