"""Bring cluster and repository together: register a new one, know an old one, restore a lost one, refuse a stranger."""

import json
import sys
from enum import Enum

from .metrics import State
from .repository import Repository, Stanza
from .runs import publish
from .server import Server
from .settings import BackupError, Settings
from .units import BACKUP_UNIT, request_restore, start_and_wait


class Step(Enum):
    """What has to happen."""

    REGISTER = "register the cluster in the repository"
    REGISTER_ANEW = "register the cluster in place of one that left no backup"
    RESTORE = "restore the lost platform from the repository"
    FIRST_BACKUP = "make the first full backup"
    NOTHING = ""


def decide(stanza: Stanza, system_id: int, *, blank: bool, stanza_name: str) -> Step:
    """What a cluster and a repository mean to each other. Neither is ever overwritten."""
    if not stanza.exists:
        return Step.REGISTER
    if stanza.system_id != system_id:
        if not stanza.backups:
            return Step.REGISTER_ANEW
        if blank:
            return Step.RESTORE
        raise BackupError(
            f"the repository's stanza {stanza_name} belongs to another cluster (system identifier {stanza.system_id}), "
            f"and the cluster on this server (system identifier {system_id}) holds data of its own. Neither is "
            "touched. If the repository is the right one, attach the volume that belongs to it, or empty the volume: a "
            "blank server is restored from it. If this server is the right one, give it an empty bucket."
        )
    return Step.NOTHING if stanza.backups else Step.FIRST_BACKUP


def adopt(settings: Settings, *, check: bool) -> None:
    """Do it, or with `check` say what would be done; prints a JSON document with `changed` and `steps`."""
    repository, server = Repository(settings), Server(settings)
    done: list[Step] = []
    if check and not server.answers():
        # The task that would start it has said so.
        print(json.dumps({"changed": False, "steps": []}))
        return
    while True:
        stanza = repository.stanza()
        step = decide(stanza, server.system_id, blank=server.is_blank(), stanza_name=settings.stanza)
        if step is Step.NOTHING:
            break
        if step in done:
            raise BackupError(f"could not {step.value}: it was done and is needed again; see: journalctl -t pgbackrest")
        done.append(step)
        if check:
            break
        take(step, repository)
    if not check:
        state = State(settings)
        state.record_backups(stanza)
        state.save()
        publish(settings, state)
    print(json.dumps({"changed": bool(done), "steps": [step.value for step in done]}))


def take(step: Step, repository: Repository) -> None:
    """Take one step."""
    match step:
        case Step.REGISTER:
            repository.read("stanza-create")
        case Step.REGISTER_ANEW:
            repository.read("stanza-upgrade")
        case Step.RESTORE:
            print(request_restore({"lost": True}), file=sys.stderr)
        case Step.FIRST_BACKUP:
            start_and_wait(BACKUP_UNIT.format("full"))
        case Step.NOTHING:
            pass
