"""What a restore would do and what would be lost, found out without touching anything."""

import json
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .points import known_points
from .repository import Repository, Stanza, lsn, show_lsn
from .server import Server
from .settings import BackupError, Settings
from .target import Point, Route, Target, find_route, known_range, newest_named, show_time

SEGMENT_BYTES = 16 << 20
# Beside the data themselves, the log that recovery fetches needs some room.
SPARE_BYTES = 256 << 20
SPARE_FACTOR = 1.1


@dataclass(frozen=True)
class Plan:
    """A restore that can be done: where to, from what, and what goes."""

    target: Target
    route: Route
    lines: list[str]
    running: bool

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the operator's command."""
        return {"lines": self.lines, "note": self.target.note, "backup": self.route.backup.label}


def make_plan(settings: Settings, target: Target) -> Plan:
    """Check everything that can be checked beforehand; what is wrong is refused."""
    repository, server = Repository(settings), Server(settings)
    stanza = repository.stanza()
    if stanza.exists and stanza.system_id != server.system_id:
        raise BackupError(
            f"the repository belongs to another cluster (system identifier {stanza.system_id}, this server's is "
            f"{server.system_id}); nothing is restored over this one"
        )
    running = server.answers()
    timelines = repository.timelines(stanza) if stanza.backups else []
    until = time.time() if running else repository.archived_until(stanza)
    end = position_now(server) if running else end_of_archive(stanza)
    points = known_points(settings)
    route = find_route(target, stanza.backups, timelines, points, until=until, end=end)
    refuse_without_room(settings, route)
    lines = [
        f"what can be restored: {known_range(stanza.backups, until)}",
        f"restored is:          {describe(target, points)}",
        f"from the backup:      {route.backup.label} ({size(route.backup.size)}) along timeline {route.timeline}",
        *(f"lost is:              {line}" for line in losses(target, points, server if running else None, end)),
    ]
    return Plan(target, route, lines, running)


def position_now(server: Server) -> int:
    """Where the running server writes its log."""
    (text,) = server.row("select pg_current_wal_lsn()::text")
    return lsn(text)


def end_of_archive(stanza: Stanza) -> int:
    """The last position in the archive, from the name of its newest segment."""
    name = stanza.newest_segment
    return (int(name[8:16], 16) << 32) + (int(name[16:24], 16) + 1) * SEGMENT_BYTES if name else 0


def refuse_without_room(settings: Settings, route: Route) -> None:
    """The restored copy and the replaced one share the volume for a while."""
    needed = int(route.backup.size * SPARE_FACTOR) + SPARE_BYTES
    free = shutil.disk_usage(settings.mount).free
    if free < needed:
        raise BackupError(
            f"{settings.mount} has {size(free)} free; the restored copy needs {size(needed)} beside the present data. "
            "Enlarge the volume (volume_size) and run it again; nothing was touched"
        )


def describe(target: Target, points: Iterable[Point]) -> str:
    """The target for people."""
    match target.kind:
        case "time":
            return f"everything committed until {show_time(target.moment)}"
        case "lsn":
            return f"everything written before position {target.value}"
        case "name":
            point = newest_named(points, target.value)
            return f"restore point {target.value}, made {show_time(point.at)} at {show_lsn(point.position)}"
        case _:
            return "the latest archived state"


def losses(target: Target, points: list[Point], server: Server | None, end: int) -> list[str]:
    """What the platform no longer has afterwards."""
    if target.kind == "latest":
        return ["nothing that was archived" if server else "what the stopped server wrote and had not archived"]
    now = time.time()
    if target.kind == "time":
        earlier = [point for point in points if point.at <= target.moment]
        moment, position = target.moment, max((point.position for point in earlier), default=0)
        about = "at most "
    elif target.kind == "lsn":
        moment, position, about = 0.0, target.position, ""
    else:
        point = newest_named(points, target.value)
        moment, position, about = point.at, point.position, ""
    found = (
        [f"everything committed since then: {span(now - moment)}"] if moment else ["everything committed since then"]
    )
    if position and end > position:
        found.append(f"{about}{size(end - position)} of the log")
    if server is not None:
        found += rows_since(server, moment)
    return found


def rows_since(server: Server, moment: float) -> list[str]:
    """How many of the platform's own marker rows came later; they come with the drills' moments."""
    (there,) = server.row("select to_regclass('backup.markers') is not null")
    if not there or not moment:
        return []
    (rows,) = server.row(f"select count(*) from backup.markers where created_at > to_timestamp({moment:.6f})")  # noqa: S608
    return [f"{rows} rows of backup.markers, the platform's heartbeat"]


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"


def span(seconds: float) -> str:
    """A duration for people."""
    total = max(0, int(seconds))
    days, hours, minutes = total // 86400, total % 86400 // 3600, total % 3600 // 60
    words = [f"{days} d" if days else "", f"{hours} h" if hours else "", f"{minutes} min" if minutes else ""]
    return " ".join([word for word in words if word] + [f"{total % 60} s"])


def show(plan: Plan) -> str:
    """The plan as JSON."""
    return json.dumps(plan.as_dict())
