"""What a cluster and a repository mean to each other: neither is ever overwritten."""

import pytest

from roles.backup.files.platform_backup.adopt import Step, decide
from roles.backup.files.platform_backup.repository import Backup, Stanza
from roles.backup.files.platform_backup.settings import BackupError

OURS, ANOTHER = 1, 2
BACKUP = Backup("20261123-050642F", "full", 0, 1, 1, 0, 1, size=1, stored=1, damaged=False)


def holding(system_id: int | None, *backups: Backup) -> Stanza:
    return Stanza(0, "ok", system_id, backups, "17-1", "")


@pytest.mark.parametrize(
    ("stanza", "blank", "step"),
    [
        (holding(None), True, Step.REGISTER),
        (holding(None), False, Step.REGISTER),
        (holding(OURS), True, Step.FIRST_BACKUP),
        (holding(OURS, BACKUP), False, Step.NOTHING),
        (holding(ANOTHER, BACKUP), True, Step.RESTORE),
        (holding(ANOTHER), True, Step.REGISTER_ANEW),
        (holding(ANOTHER), False, Step.REGISTER_ANEW),
    ],
)
def test_every_pair_has_its_step(stanza: Stanza, blank: bool, step: Step) -> None:
    assert decide(stanza, OURS, blank=blank, stanza_name="main") is step


def test_data_and_the_backups_of_another_cluster_are_both_left_alone() -> None:
    with pytest.raises(BackupError, match=r"belongs to another cluster.*Neither is touched"):
        decide(holding(ANOTHER, BACKUP), OURS, blank=False, stanza_name="main")
