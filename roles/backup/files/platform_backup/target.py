"""Which moment is meant, and from which backup along which line of history it is reached. Pure: asks nobody.

Every restore to an earlier moment starts a new timeline that leaves its forerunner at a position of the log. What the
platform was at a time is on the timeline that was written at that time, whatever was restored later; so that after a
restore one can go back to the moments before it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from .repository import Backup, Timeline, lsn, show_lsn
from .settings import BackupError

LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
TIME_HELP = "allowed: ISO 8601 such as 2026-11-23T04:05:06Z or 2026-11-23T06:05:06.25+02:00"


@dataclass(frozen=True)
class Point:
    """A named restore point: its name, its place, and when it was made in seconds since 1970."""

    name: str
    timeline: int
    position: int
    at: float


@dataclass(frozen=True)
class Target:
    """The moment asked for: `latest`, or a time, a position of the log, the name of a restore point."""

    kind: str
    value: str = ""
    moment: float = 0.0
    position: int = 0
    note: str = ""


@dataclass(frozen=True)
class Route:
    """The backup to start from and the timeline to follow."""

    backup: Backup
    timeline: int


def parse_target(*, time: str = "", position: str = "", name: str = "") -> Target:
    """Read what the operator asked for; at most one of the three."""
    given = [word for word in (time, position, name) if word]
    if len(given) > 1:
        raise BackupError(f"one target is enough, {len(given)} were given: {', '.join(given)}")
    if time:
        return _parse_time(time)
    if position:
        if not LSN.fullmatch(position):
            raise BackupError(
                f"{position!r} is no position of the log; allowed: two hexadecimal numbers as in 0/3000148"
            )
        return Target("lsn", show_lsn(lsn(position)), position=lsn(position))
    if name:
        if not NAME.fullmatch(name):
            raise BackupError(f"{name!r} is no name of a restore point; allowed: 1 to 63 letters, digits and ._-")
        return Target("name", name)
    return Target("latest")


def _parse_time(text: str) -> Target:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise BackupError(f"{text!r} is no time ({error}); {TIME_HELP}") from None
    note = ""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
        note = f"{text} names no time zone; it is taken as UTC"
    moment = moment.astimezone(UTC)
    return Target("time", moment.strftime("%Y-%m-%d %H:%M:%S.%f+00"), moment=moment.timestamp(), note=note)


def show_time(seconds: float) -> str:
    """A moment for people, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def known_range(backups: Iterable[Backup], until: float) -> str:
    """The moments that can be restored, for people."""
    return f"{show_time(earliest(backups))} to {show_time(until)}"


def earliest(backups: Iterable[Backup]) -> int:
    """The first moment that can be restored: the second after the oldest backup ended."""
    return min(backup.stop for backup in backups) + 1


def lineage(timelines: Iterable[Timeline], number: int) -> dict[int, int | None]:
    """The timelines that lead to one, each with the position at which it was left; the last has no end."""
    (found,) = [timeline for timeline in timelines if timeline.number == number]
    return {**dict(found.forks), number: None}


def usable(backups: Iterable[Backup], path: Mapping[int, int | None]) -> list[Backup]:
    """The backups that lie on a lineage, the oldest first."""

    def lies_on(backup: Backup) -> bool:
        if backup.timeline not in path:
            return False
        left_at = path[backup.timeline]
        return left_at is None or backup.lsn_stop <= left_at

    return sorted(filter(lies_on, backups), key=lambda backup: backup.stop)


def newest_named(points: Iterable[Point], name: str) -> Point:
    """The restore point of a name, the newest where it was used again; an unknown name is refused with some known."""
    newest_first = sorted(points, key=lambda point: -point.at)
    for point in newest_first:
        if point.name == name:
            return point
    known = ", ".join(point.name for point in newest_first[:5])
    raise BackupError(f"there is no restore point {name}; the newest are: {known or 'none'}")


def find_route(
    target: Target,
    backups: tuple[Backup, ...],
    timelines: list[Timeline],
    points: Iterable[Point],
    *,
    until: float,
    end: int,
) -> Route:
    """The way to a target. `until` is the last moment that can be reached, `end` the last position of the log.

    A target that no backup leads to is refused with the range that can be restored.
    """
    if not backups:
        raise BackupError("the repository holds no backup of this platform; make one with: make backup TYPE=full")
    newest = max(timeline.number for timeline in timelines)
    possible = f"what can be restored: {known_range(backups, until)}"
    match target.kind:
        case "time":
            if not earliest(backups) <= target.moment <= until:
                raise BackupError(f"{show_time(target.moment)} is outside the archived range; {possible}")
            number = max(timeline.number for timeline in timelines if timeline.began <= target.moment)
            path = lineage(timelines, number)
            fitting = [backup for backup in usable(backups, path) if backup.stop + 1 <= target.moment]
        case "lsn":
            number, path = newest, lineage(timelines, newest)
            fitting = [backup for backup in usable(backups, path) if backup.lsn_stop < target.position]
            if target.position > end or not fitting:
                positions = [backup.lsn_stop for backup in usable(backups, path)]
                first = show_lsn(min(positions)) if positions else "none"
                raise BackupError(
                    f"{target.value} is outside the archived log; positions that can be restored on timeline {newest}: "
                    f"after {first} up to {show_lsn(end)}. A moment before an earlier restore is reached by its time."
                )
        case "name":
            point = newest_named(points, target.value)
            number = point.timeline
            path = lineage(timelines, number)
            fitting = [backup for backup in usable(backups, path) if backup.lsn_stop < point.position]
        case _:
            number, path = newest, lineage(timelines, newest)
            fitting = usable(backups, path)
    if not fitting:
        raise BackupError(f"no backup leads to {target.value or 'the latest state'} on timeline {number}; {possible}")
    return Route(fitting[-1], number)
