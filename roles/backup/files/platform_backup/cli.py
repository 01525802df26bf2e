"""The command line: platform-backup COMMAND."""

import argparse
import sys
from collections.abc import Callable, Sequence

from . import runs
from .adopt import adopt
from .drill import clear, drill
from .marker import NotNowError, write_marker
from .metrics import KINDS
from .settings import BackupError, Settings
from .targets import RANDOM
from .units import BACKUP_UNIT, start_and_wait

# systemd counts it as success (SuccessExitStatus): nothing is wrong, and the next run tries again.
NOT_NOW = 75


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
    commands.add_parser("marker", help="write down what is true at one moment")
    drills = commands.add_parser("drill", help="restore a moment beside the live platform and compare")
    drills.add_argument("target", nargs="?", default=RANDOM, help="random, a name of the ledger, or a time (ISO 8601)")
    drills.add_argument("--seed", type=int, help="of the random choice; the history keeps it")
    commands.add_parser("clear", help="remove what a killed drill left")
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
            "marker": lambda: write_marker(settings),
            "drill": lambda: drill(settings, options.target, options.seed),
            "clear": lambda: clear(settings),
        }
        run[options.command]()
    except NotNowError as error:
        print(error, file=sys.stderr)
        return NOT_NOW
    except BackupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
