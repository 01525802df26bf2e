"""A configuration of pgBackRest tried before it lands."""

from pathlib import Path

from .repository import Repository
from .settings import BackupError, Settings

# pgBackRest ends with these when it does not take an option or its value.
OPTION_PROBLEMS = {27, *range(31, 38)}
# Each command reads the options that concern it and then gives up: there is no segment to push, and no server.
HARMLESS = (["archive-push"], ["--pg1-socket-path=/nonexistent", "backup"])


def rehearse(settings: Settings, path: Path) -> None:
    """Refuse what pgBackRest does not understand, a bucket it cannot open and a cipher that does not fit."""
    repository = Repository(settings, configuration=str(path))
    for command in HARMLESS:
        done = repository.ask(*command)
        # What it has against the file it says on standard output, before it knows where else to say it.
        if done.returncode in OPTION_PROBLEMS or "configuration file contains" in done.stdout:
            raise BackupError(done.stdout.strip())
    repository.stanza()
