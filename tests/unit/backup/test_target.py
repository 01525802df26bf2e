"""Which backup and which timeline lead to the moment an operator asks for, and which moments are refused."""

from datetime import UTC, datetime

import pytest

from roles.backup.files.platform_backup.repository import Backup, Timeline, lsn
from roles.backup.files.platform_backup.settings import BackupError
from roles.backup.files.platform_backup.target import Point, Route, Target, find_route, parse_target

NOON = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp())


def made(label: str, minute: int, *, timeline: int = 1, position: int = 0) -> Backup:
    """A backup that ended so many minutes after noon, at a position (in hundreds) of the log."""
    at, end = NOON + 60 * minute, (position or minute) * 100
    return Backup(label, "incr", at - 5, at, timeline, end - 50, end, size=1, stored=1, damaged=False)


# At 12:50 the platform was restored to what it had been at 12:30 (position 3000): timeline 2 left timeline 1 there.
HISTORY = [Timeline(1, 0), Timeline(2, NOON + 50 * 60, ((1, 3000),))]
BACKUPS = (made("first", 10), made("before", 25), made("undone", 40), made("after", 60, timeline=2, position=35))
POINTS = [Point("upgrade", 1, 4500, NOON + 45 * 60), Point("upgrade-2", 2, 3600, NOON + 62 * 60)]
UNTIL = NOON + 70 * 60


def route(target: Target) -> Route:
    return find_route(target, BACKUPS, HISTORY, POINTS, until=UNTIL, end=4000)


def at(minute: float) -> Target:
    return parse_target(time=datetime.fromtimestamp(NOON + 60 * minute, UTC).isoformat())


@pytest.mark.parametrize(
    ("minute", "label", "timeline"),
    [
        (10.1, "first", 1),
        (30, "before", 1),
        # What an earlier restore undid can be brought back.
        (45, "undone", 1),
        # After that restore, before the next backup: the backup that the restore undid does not lie on the way.
        (55, "before", 2),
        (65, "after", 2),
    ],
)
def test_a_time_is_reached_along_the_timeline_of_that_time(minute: float, label: str, timeline: int) -> None:
    found = route(at(minute))
    assert (found.backup.label, found.timeline) == (label, timeline)


@pytest.mark.parametrize("minute", [-60, 9, 10, 71])
def test_a_time_outside_the_archive_is_refused_with_the_range(minute: float) -> None:
    with pytest.raises(BackupError, match="2026-11-23T12:10:01Z to 2026-11-23T13:10:00Z"):
        route(at(minute))


def test_the_latest_state_is_on_the_newest_timeline() -> None:
    assert (route(Target("latest")).backup.label, route(Target("latest")).timeline) == ("after", 2)


def test_a_position_is_one_of_the_present_history() -> None:
    assert route(parse_target(position="0/E00")).backup.label == "after"
    assert route(parse_target(position="0/C00")).backup.label == "before"


@pytest.mark.parametrize("position", ["0/10", "0/3E8", "0/FA1", "1/0"])
def test_a_position_outside_the_log_is_refused(position: str) -> None:
    with pytest.raises(BackupError, match="after 0/3E8 up to 0/FA0"):
        route(parse_target(position=position))


def test_a_named_point_is_reached_on_its_own_timeline() -> None:
    found = route(parse_target(name="upgrade"))
    assert (found.backup.label, found.timeline) == ("undone", 1)
    assert route(parse_target(name="upgrade-2")).backup.label == "after"


def test_an_unknown_point_is_refused_with_those_there_are() -> None:
    with pytest.raises(BackupError, match="no restore point downgrade; the newest are: upgrade-2, upgrade"):
        route(parse_target(name="downgrade"))


def test_without_a_backup_nothing_can_be_restored() -> None:
    with pytest.raises(BackupError, match="no backup"):
        find_route(Target("latest"), (), HISTORY, [], until=UNTIL, end=0)


@pytest.mark.parametrize(
    "text", ["2026-11-23T04:05:06Z", "2026-11-23T06:05:06+02:00", "2026-11-23 04:05:06.000000+00:00"]
)
def test_zones_are_understood(text: str) -> None:
    target = parse_target(time=text)
    assert target.value == "2026-11-23 04:05:06.000000+00"
    assert not target.note


def test_a_time_without_a_zone_is_utc_and_says_so() -> None:
    target = parse_target(time="2026-11-23T04:05:06")
    assert target.value == "2026-11-23 04:05:06.000000+00"
    assert "taken as UTC" in target.note


@pytest.mark.parametrize(
    "asked",
    [
        {"time": "yesterday"},
        {"time": "2026-13-01"},
        {"position": "0/XYZ"},
        {"position": "3000148"},
        {"name": "no spaces please"},
        {"name": "x" * 64},
        {"time": "2026-11-23", "name": "both"},
    ],
)
def test_bad_targets_are_refused(asked: dict[str, str]) -> None:
    with pytest.raises(BackupError):
        parse_target(**asked)


def test_positions_are_compared_as_numbers() -> None:
    assert lsn("1/0") > lsn("0/FFFFFFFF")
