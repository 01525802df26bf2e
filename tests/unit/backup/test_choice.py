"""Which moments can be restored, and which of them a drill restores."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from roles.backup.files.platform_backup.choice import RANDOM, Archive, RefusedError, choose
from roles.backup.files.platform_backup.moments import Moment, utc
from roles.backup.files.platform_backup.repository import Backup, Stanza, show_lsn

SYSTEM = 7711225313583476753
MEGABYTE = 1 << 20
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def moment(hour: int, position: int, *, timeline: int = 1, system: int = SYSTEM) -> Moment:
    """A moment some hours after noon, at a position in MB."""
    segment = f"{timeline:08X}{0:08X}{position // 16:08X}"
    at = utc(NOON + timedelta(hours=hour))
    return Moment(f"m{hour}", at, str(system), timeline, show_lsn(position * MEGABYTE), segment, "", hour, 0.1, {})


def backup(label: str, position: int, *, timeline: int = 1, damaged: bool = False) -> Backup:
    """A backup that ended at a position in MB."""
    stop = position * MEGABYTE
    return Backup(label, "full", 0, position, timeline, stop, stop, 1000, 100, damaged)


def archive(
    *backups: Backup, newest: str = "0000000100000000000000FF", lineage: dict[int, int] | None = None
) -> Archive:
    ends: dict[int, int | None] = {number: end * MEGABYTE for number, end in (lineage or {}).items()}
    last = max(ends, default=0) + 1
    return Archive(Stanza(0, "ok", SYSTEM, backups, "17-1", newest), {**ends, last: None})


MOMENTS = [moment(1, 20), moment(2, 50), moment(3, 100)]
FULL, LATER = backup("full", 10), backup("later", 60)


def labels(known: Archive, moments: list[Moment]) -> list[str | None]:
    found = [known.backup_for(moment) for moment in moments]
    return [backup.label if backup else None for backup in found]


def test_the_newest_backup_before_the_moment_is_taken() -> None:
    assert labels(archive(FULL, LATER), MOMENTS) == ["full", "full", "later"]


def test_a_moment_before_the_first_backup_cannot_be_restored() -> None:
    assert labels(archive(LATER), MOMENTS) == [None, None, "later"]


def test_a_moment_whose_log_is_not_archived_cannot_be_restored() -> None:
    assert labels(archive(FULL, newest="000000010000000000000003"), MOMENTS) == ["full", "full", None]
    assert labels(archive(FULL, newest=""), MOMENTS) == [None, None, None]


def test_a_damaged_backup_is_passed_over() -> None:
    assert labels(archive(FULL, backup("later", 60, damaged=True)), MOMENTS) == ["full", "full", "full"]


def test_a_moment_of_another_cluster_cannot_be_restored() -> None:
    assert labels(archive(FULL), [moment(1, 20, system=1)]) == [None]


def test_what_an_earlier_restore_undid_is_not_restored() -> None:
    after = moment(4, 70, timeline=2)
    known = archive(FULL, LATER, newest="0000000200000000000000FF", lineage={1: 55})
    # The second backup was made on the part of timeline 1 that was left behind.
    assert labels(known, [*MOMENTS, after]) == ["full", "full", None, "full"]
    fresh = archive(FULL, LATER, backup("new", 65, timeline=2), newest="0000000200000000000000FF", lineage={1: 55})
    assert labels(fresh, [after]) == ["new"]


def pick(target: str, known: Archive | None = None, seed: int = 1) -> str:
    return choose(target, MOMENTS, known or archive(FULL), random.Random(seed)).name


def test_the_dice_reach_every_moment_and_repeat_with_their_seed() -> None:
    assert {pick(RANDOM, seed=seed) for seed in range(20)} == {"m1", "m2", "m3"}
    assert pick(RANDOM, seed=7) == pick(RANDOM, seed=7)


def test_a_name_and_a_time_are_found() -> None:
    assert pick("m2") == "m2"
    assert pick("2026-01-02T14:30:00Z") == "m2"
    assert pick("2026-01-02T15:30:00+01:00") == "m2"
    assert pick("2026-01-02T14:30:00") == "m2"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("m9", "the ledger knows no moment m9"),
        ("2026-01-02T12:30:00Z", "no known moment at or before 2026-01-02T12:30:00.000Z"),
        ("m3", "m3 cannot be restored"),
    ],
)
def test_a_refusal_names_the_valid_range(target: str, reason: str) -> None:
    with pytest.raises(RefusedError) as caught:
        pick(target, archive(FULL, newest="000000010000000000000003"))
    assert reason in str(caught.value)
    assert "restorable are 2 moments from m1 (2026-01-02T13:00:00.000Z) to m2 (2026-01-02T14:00:00.000Z)" in str(
        caught.value
    )


def test_with_nothing_to_restore_it_says_what_to_wait_for() -> None:
    with pytest.raises(RefusedError, match="none of the 3 moments in the ledger is covered"):
        pick(RANDOM, archive(FULL, newest=""))
