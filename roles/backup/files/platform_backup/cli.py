"""The command line: platform-backup COMMAND."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg

from . import runs
from .adopt import adopt
from .choice import RANDOM
from .drill import clear, drill
from .marker import NotNowError, write_marker
from .metrics import KINDS
from .plan import make_plan, show
from .points import make_point
from .rehearsal import rehearse
from .restore import restore, restore_lost_server
from .settings import BackupError, Settings
from .target import Target, parse_target
from .units import BACKUP_UNIT, request_restore, requested, start_and_wait

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
    commands.add_parser("rehearse", help="try a configuration of pgBackRest").add_argument("path", type=Path)
    commands.add_parser("point", help="make a named restore point").add_argument("name")
    for name, help_text in {
        "plan": "what a restore would do and what would be lost, as JSON; touches nothing",
        "restore": "restore in place, in a unit of its own, and wait for it",
    }.items():
        command = commands.add_parser(name, help=help_text)
        command.add_argument("--time", default="", help="ISO 8601; without a zone it is UTC")
        command.add_argument("--lsn", default="", help="position of the log, such as 0/3000148")
        command.add_argument("--name", default="", help="a restore point")
        if name == "restore":
            command.add_argument("--confirm", default="", help="the platform's name")
    commands.add_parser("restore-requested", help="do what was asked of the restore unit (what the unit runs)")
    commands.add_parser("marker", help="write down what is true at one moment")
    drills = commands.add_parser("drill", help="restore a moment beside the live platform and compare")
    drills.add_argument("target", nargs="?", default=RANDOM, help="random, a name of the ledger, or a time (ISO 8601)")
    drills.add_argument("--seed", type=int, help="of the random choice; the history keeps it")
    commands.add_parser("clear", help="remove what a killed drill left")
    return top


def target_of(options: argparse.Namespace) -> Target:
    """The moment asked for."""
    return parse_target(time=options.time, position=options.lsn, name=options.name)


def ask_for_restore(settings: Settings, options: argparse.Namespace) -> str:
    """Refuse what can be refused, then have the unit restore."""
    if options.confirm != settings.platform:
        raise BackupError(
            f"a restore replaces the data of {settings.platform}; confirm it with --confirm {settings.platform}. "
            "Nothing was touched"
        )
    make_plan(settings, target_of(options))
    return request_restore({"time": options.time, "position": options.lsn, "name": options.name})


def restore_as_requested(settings: Settings) -> None:
    """What the restore unit does."""
    request = requested()
    if request.pop("lost", False):
        restore_lost_server(settings)
    else:
        restore(settings, parse_target(**request))


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
            "rehearse": lambda: rehearse(settings, options.path),
            "point": lambda: print(make_point(settings, options.name).name),
            "plan": lambda: print(show(make_plan(settings, target_of(options)))),
            "restore": lambda: print(ask_for_restore(settings, options)),
            "restore-requested": lambda: restore_as_requested(settings),
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
    except psycopg.OperationalError as error:
        print(f"no connection to PostgreSQL: {error}", file=sys.stderr)
        return 1
    return 0
