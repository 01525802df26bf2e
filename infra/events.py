"""What a play did, read from Ansible's events: progress for people, a result for the program."""

import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

HEARTBEAT_SECONDS = 10.0
MESSAGE_LINES = 40
PREFLIGHT = "/tasks/preflight.yml"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_CHANGED_LINE = re.compile(r"^changed: \[", re.MULTILINE)
CHANGED, FAILED, UNREACHABLE = "changed", "failed", "unreachable"


@dataclass(frozen=True)
class Failure:
    """The first task that failed, and why."""

    host: str
    role: str
    task: str
    message: str
    unreachable: bool = False

    def __str__(self) -> str:
        where = f"{self.role} : {self.task}" if self.role else self.task
        return f"{where}\n  host: {self.host}\n  " + self.message.replace("\n", "\n  ")


@dataclass(frozen=True)
class TaskTime:
    """How long one task took on one host."""

    role: str
    task: str
    host: str
    seconds: float


@dataclass(frozen=True)
class RunResult:
    """The outcome of one playbook run. `drift` lists what changed or failed, or in check mode what would."""

    ok: bool
    seconds: float
    failure: Failure | None
    drift: list[dict[str, str]]
    timings: list[TaskTime]
    stats: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> list[str]:
        """The tasks that changed something, or in check mode would."""
        return [_title(entry) for entry in self.drift if entry["message"] == CHANGED]

    @property
    def role_seconds(self) -> dict[str, float]:
        """Seconds per role, the slowest first."""
        return _summed((entry.role or "(play)", entry.seconds) for entry in self.timings)

    @property
    def task_seconds(self) -> dict[str, float]:
        """Seconds per task, the slowest first."""
        return _summed((_title(asdict(entry)), entry.seconds) for entry in self.timings)

    def summary(self) -> str:
        """One line for people."""
        return f"{len(self.timings)} tasks, {len(self.changed)} changed, {self.seconds:.1f} s"

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a process boundary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `as_dict` wrote."""
        failure = data["failure"]
        return cls(
            ok=data["ok"],
            seconds=data["seconds"],
            failure=Failure(**failure) if failure else None,
            drift=list(data["drift"]),
            timings=[TaskTime(**entry) for entry in data["timings"]],
            stats=data["stats"],
        )


def failed(host: str, task: str, message: str, *, unreachable: bool = False, seconds: float = 0.0) -> RunResult:
    """The result of a run that never reached its first task."""
    failure = Failure(host, "", task, message, unreachable)
    kind = UNREACHABLE if unreachable else FAILED
    drift = [{"host": host, "role": "", "task": task, "message": kind}]
    return RunResult(ok=False, seconds=seconds, failure=failure, drift=drift, timings=[])


class EventLog:
    """Digests events one by one. Says when a role starts, when a task changed something, failed, or takes long."""

    def __init__(self, say: Callable[[str], None], *, check: bool) -> None:
        self._say = say
        self._check = check
        self._began = time.monotonic()
        self._role = ""
        self._handlers: set[str] = set()
        self._running: tuple[str, float] | None = None
        self._told = 0.0
        self._stopped = threading.Event()
        self._failure: Failure | None = None
        self._drift: dict[tuple[str, str, str], str] = {}
        self._timings: list[TaskTime] = []
        self._stats: Mapping[str, Any] = {}
        self._noise: list[str] = []
        self._item_messages: list[str] = []
        self._item_changed = False

    def start_heartbeat(self) -> None:
        """Say every ten seconds which task is still running."""
        threading.Thread(target=self._beat, daemon=True).start()

    def stop_heartbeat(self) -> None:
        """End the heartbeat."""
        self._stopped.set()

    def _beat(self) -> None:
        while not self._stopped.wait(1.0):
            running = self._running
            if running is None:
                continue
            title, since = running
            seconds = time.monotonic() - since
            if seconds - self._told >= HEARTBEAT_SECONDS:
                self._told = seconds
                self._say(f"{title}: still running ({seconds:.0f} s)")

    def __call__(self, event: Mapping[str, Any]) -> bool:
        """Take one event; the answer tells ansible-runner not to keep it."""
        kind, data = str(event.get("event")), event.get("event_data") or {}
        match kind:
            case "playbook_on_task_start":
                self._task_started(data)
            case "runner_item_on_ok":
                self._item_changed |= _is_changed(event)
            case "runner_on_ok":
                self._finished(data)
                if self._item_changed or _is_changed(event):
                    self._task_changed(data)
            case "runner_on_skipped":
                self._finished(data)
            case "runner_item_on_failed":
                # The task's own event only says that some item failed.
                self._item_messages.append(_message(data.get("res") or {}))
            case "runner_on_failed" if not data.get("ignore_errors"):
                self._finished(data)
                self._task_failed(data, FAILED)
            case "runner_on_unreachable":
                self._task_failed(data, UNREACHABLE)
            case "playbook_on_stats":
                self._stats = data.get("artifact_data") or {}
                self._running = None
            case "verbose" | "error" if event.get("stdout"):
                # Outside of any task: a syntax error, a missing role.
                self._noise.append(str(event["stdout"]))
        return False

    def _task_started(self, data: Mapping[str, Any]) -> None:
        role = data.get("role") or ""
        # A check only says what differs, and the input checks before the first change are no start of a role.
        if role and role != self._role and not self._check and PREFLIGHT not in str(data.get("task_path")):
            self._say(role)
            self._role = role
        if data.get("is_conditional"):
            self._handlers.add(str(data.get("task_uuid")))
        self._told = 0.0
        self._item_messages.clear()
        self._item_changed = False
        self._running = (_title(data), time.monotonic())

    def _finished(self, data: Mapping[str, Any]) -> None:
        seconds = round(float(data.get("duration") or 0.0), 3)
        self._timings.append(TaskTime(data.get("role") or "", str(data.get("task")), str(data.get("host")), seconds))

    def _task_changed(self, data: Mapping[str, Any]) -> None:
        self._say(f"{_title(data)}: {'differs' if self._check else 'changed'}")
        # A handler follows from the task that notified it, which is listed already.
        if str(data.get("task_uuid")) not in self._handlers:
            self._note(data, CHANGED)

    def _task_failed(self, data: Mapping[str, Any], kind: str) -> None:
        message = "\n".join(dict.fromkeys([_message(data.get("res") or {}), *self._item_messages]))
        self._say(f"{_title(data)}: {kind}")
        self._note(data, kind)
        if self._failure is None:
            host, role, task = _where(data)
            self._failure = Failure(host, role, task, message, unreachable=kind == UNREACHABLE)

    def _note(self, data: Mapping[str, Any], kind: str) -> None:
        self._drift[_where(data)] = kind

    def result(self, *, succeeded: bool, reason: str) -> RunResult:
        """The outcome; `reason` says why a run without a failed task did not succeed."""
        failure = self._failure
        if not succeeded and failure is None:
            running = f"; it was at: {self._running[0]}" if self._running else ""
            noise = "\n".join("\n".join(self._noise).splitlines()[-MESSAGE_LINES:])
            failure = Failure("all", "", "ansible-playbook", f"{reason}{running}\n{noise}".strip())
        drift = [
            {"host": host, "role": role, "task": task, "message": kind}
            for (host, role, task), kind in sorted(self._drift.items())
        ]
        return RunResult(
            ok=succeeded and failure is None,
            seconds=round(time.monotonic() - self._began, 3),
            failure=failure,
            drift=drift,
            timings=self._timings,
            stats=self._stats,
        )


def _summed(parts: Iterable[tuple[str, float]]) -> dict[str, float]:
    total: dict[str, float] = defaultdict(float)
    for name, seconds in parts:
        total[name] += seconds
    return {name: round(seconds, 3) for name, seconds in sorted(total.items(), key=lambda item: -item[1])}


def _where(data: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(data.get("host")), data.get("role") or "", str(data.get("task"))


def _title(data: Mapping[str, Any]) -> str:
    _, role, task = _where(data)
    return f"{role} : {task}" if role else task


def _is_changed(event: Mapping[str, Any]) -> bool:
    # A task with no_log loses its result on the way, and with it "changed"; the line Ansible prints still says so.
    res = event["event_data"].get("res") or {}
    printed = _COLOUR.sub("", str(event.get("stdout") or ""))
    return bool(res.get("changed")) or ("censored" in res and _CHANGED_LINE.search(printed) is not None)


def _message(res: Mapping[str, Any]) -> str:
    if res.get("censored"):
        return str(res["censored"])
    texts = [str(res[key]).strip() for key in ("msg", "stderr", "module_stderr") if res.get(key)]
    lines = "\n".join(dict.fromkeys(filter(None, texts))).splitlines()
    return "\n".join(lines[-MESSAGE_LINES:]) or "no message"
