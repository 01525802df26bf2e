"""Backups and verifications, one at a time, each leaving its outcome in state and metrics."""

import fcntl
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .metrics import State, give_to_owner_of, render, waiting_segments, write_whole
from .repository import Repository
from .server import Server
from .settings import BackupError, Settings

REPLACED = re.compile(r".*\.replaced-\d{8}T\d{6}Z")


@contextmanager
def one_at_a_time(settings: Settings) -> Iterator[None]:
    """Wait until no backup, verification or restore runs, and keep others waiting."""
    with (settings.state / "lock").open("a") as file:
        give_to_owner_of(settings.state, file.fileno())
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another backup, verification or restore is running; waiting for its end", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def replaced_directories(settings: Settings) -> list[Path]:
    """Data directories that a restore replaced."""
    return [path for path in settings.data.parent.glob("*.replaced-*") if REPLACED.fullmatch(path.name)]


def publish(settings: Settings, state: State) -> None:
    """Write the metrics."""
    text = render(
        state.known,
        Server(settings).archiver(),
        waiting_segments(settings.data),
        len(replaced_directories(settings)),
    )
    write_whole(settings.textfile / "backup.prom", text, 0o644)


def backup(settings: Settings, kind: str) -> None:
    """Make a backup. Its success makes directories replaced by an earlier restore superfluous: they are removed."""
    with one_at_a_time(settings):
        state, repository = State(settings), Repository(settings)
        superfluous = replaced_directories(settings)
        code = repository.run(f"--type={kind}", "backup")
        state.record_run(kind, ok=code == 0, message="" if code == 0 else f"pgbackrest ended with status {code}")
        state.save()
        if code == 0:
            for path in superfluous:
                print(f"removing {path}: a backup that came after the restore succeeded", flush=True)
                shutil.rmtree(path)
            state.record_backups(repository.stanza())
            state.save()
        publish(settings, state)
    if code:
        raise BackupError(f"the {kind} backup failed: pgbackrest ended with status {code}; its message is above")


def verify(settings: Settings) -> None:
    """Read every file of the repository and compare checksums. pgBackRest ends with status 0 whatever it finds."""
    with one_at_a_time(settings):
        state = State(settings)
        problem = ""
        try:
            report = Repository(settings).read("verify", "--output=text", "--verbose")
            print(report, flush=True)
            if not re.search(r"^status: ok$", report, re.MULTILINE):
                problem = report
        except BackupError as error:
            problem = str(error)
        state.record_run("verify", ok=not problem, message=problem)
        state.save()
        publish(settings, state)
    if problem:
        raise BackupError(
            "the repository is damaged: what is listed as invalid or missing cannot be restored. Make a new full "
            f"backup now (make backup TYPE=full) and find out who changed the bucket.\n{problem}"
        )


def refresh(settings: Settings) -> None:
    """Write the metrics that move by themselves."""
    publish(settings, State(settings))


def stamp() -> str:
    """The present moment as the names of files carry it."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
