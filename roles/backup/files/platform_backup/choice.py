"""Which moments of the ledger can be restored, and which of them a drill restores."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from .moments import Moment, utc
from .repository import Backup, Stanza
from .settings import BackupError
from .target import usable

RANDOM = "random"


class RefusedError(BackupError):
    """What was asked for cannot be restored; nothing was started."""


@dataclass(frozen=True)
class Archive:
    """What decides which moments can be restored. `lineage`: the present timeline and those that lead to it, each with
    the position at which it was left; what an earlier restore undid lies beyond such a position.
    """

    stanza: Stanza
    lineage: Mapping[int, int | None]

    def backup_for(self, moment: Moment) -> Backup | None:
        """The newest backup from which the moment is reached, when its log is archived."""
        if moment.system != str(self.stanza.system_id) or moment.timeline not in self.lineage:
            return None
        left_at = self.lineage[moment.timeline]
        if moment.segment > self.stanza.newest_segment or (left_at is not None and moment.position > left_at):
            return None
        path = {number: end for number, end in self.lineage.items() if number <= moment.timeline}
        reaching = [
            backup
            for backup in usable(self.stanza.backups, path)
            if not backup.damaged and backup.lsn_stop <= moment.position
        ]
        return reaching[-1] if reaching else None

    def restorable(self, moments: Sequence[Moment]) -> list[Moment]:
        """The moments that can be restored, oldest first."""
        return [moment for moment in moments if self.backup_for(moment)]


def choose(target: str, moments: Sequence[Moment], archive: Archive, dice: random.Random) -> Moment:
    """The moment to restore: by chance, by name, or the last one at a time. Otherwise refuse with the valid range."""
    usable = archive.restorable(moments)
    if not usable:
        raise RefusedError(
            f"nothing to compare a restore with: none of the {len(moments)} moments in the ledger is covered by a"
            " backup and its archived log yet. A marker is written every few minutes and archived within a minute:"
            " wait, or make a backup with: make backup",
        )
    within = (
        f"restorable are {len(usable)} moments from {usable[0].name} ({usable[0].at}) to {usable[-1].name}"
        f" ({usable[-1].at})"
    )
    if target == RANDOM:
        return dice.choice(usable)
    named = [moment for moment in moments if moment.name == target]
    if named:
        if named[0] not in usable:
            raise RefusedError(f"{target} cannot be restored: no backup and archived log reach it; {within}")
        return named[0]
    try:
        wanted = datetime.fromisoformat(target)
    except ValueError:
        raise RefusedError(f"the ledger knows no moment {target}; {within}") from None
    wanted = wanted if wanted.tzinfo else wanted.replace(tzinfo=UTC)
    earlier = [moment for moment in usable if moment.time <= wanted]
    if not earlier:
        raise RefusedError(f"no known moment at or before {utc(wanted)}; {within}")
    return earlier[-1]
