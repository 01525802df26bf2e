"""The repository as pgBackRest tells about it."""

import json
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .settings import BackupError, Settings

OK, NO_STANZA_PATH, NO_BACKUP, NO_STANZA_DATA = 0, 1, 2, 3
HISTORY = re.compile(r"([0-9A-F]{8})\.history")
SEGMENT = re.compile(r"[0-9A-F]{24}-.*")


@dataclass(frozen=True)
class Backup:
    """One backup: label, kind, seconds since 1970, sizes in bytes, log positions as numbers."""

    label: str
    kind: str
    start: int
    stop: int
    timeline: int
    lsn_start: int
    lsn_stop: int
    size: int
    stored: int
    damaged: bool


@dataclass(frozen=True)
class Timeline:
    """A line of history: when it began to be archived, and where each of its forerunners was left (timeline, LSN)."""

    number: int
    began: int
    forks: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Stanza:
    """What the repository holds of this platform. `archive` is the folder of its log, empty without one."""

    code: int
    message: str
    system_id: int | None
    backups: tuple[Backup, ...]
    archive: str
    newest_segment: str

    @property
    def exists(self) -> bool:
        """Whether a cluster was ever registered here."""
        return self.system_id is not None


def lsn(text: str) -> int:
    """A log position such as 0/2000028 as a number."""
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def show_lsn(position: int) -> str:
    """A log position as PostgreSQL writes it."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def as_postgres(words: Sequence[str]) -> list[str]:
    """The command as the user postgres, whoever runs this program."""
    return list(words) if os.geteuid() else ["runuser", "-u", "postgres", "--", *words]


class Repository:
    """Runs pgBackRest for the platform's stanza."""

    def __init__(self, settings: Settings, configuration: str = "") -> None:
        self.settings = settings
        self._options = [f"--stanza={settings.stanza}"] + ([f"--config={configuration}"] if configuration else [])

    def command(self, *arguments: str) -> list[str]:
        """A pgBackRest command for the stanza."""
        return as_postgres(["pgbackrest", *self._options, *arguments])

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command and keep what it prints; it may hold bytes that are no text."""
        return subprocess.run(
            self.command(*arguments, "--log-level-console=off", "--log-level-stderr=warn"),
            cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip

    def run(self, *arguments: str) -> int:
        """Run a command in the foreground, its messages where ours go; returns its exit code."""
        return subprocess.run(
            self.command(*arguments, "--log-level-console=info"), cwd="/", stdin=subprocess.DEVNULL, check=False
        ).returncode

    def read(self, *arguments: str) -> str:
        """What a command prints; its failure is an error with its message."""
        done = self.ask(*arguments)
        if done.returncode:
            raise BackupError(f"pgbackrest {arguments[0]}: {explain(done.stderr or done.stdout)}")
        return done.stdout

    def stanza(self) -> Stanza:
        """What is there; a repository that does not answer or cannot be decrypted is an error."""
        return parse_stanza(json.loads(self.read("info", "--output=json"), strict=False), self.settings.stanza)

    def timelines(self, stanza: Stanza) -> list[Timeline]:
        """Every line of history in the archive, the oldest first."""
        folder = f"archive/{self.settings.stanza}/{stanza.archive}"
        listed = json.loads(self.read("repo-ls", "--output=json", folder))
        found = [Timeline(1, 0)]
        for name, facts in sorted(listed.items()):
            matched = HISTORY.fullmatch(name)
            if matched:
                forks = parse_history(self.read("repo-get", f"{folder}/{name}"))
                found.append(Timeline(int(matched[1], 16), int(facts["time"]), forks))
        return found

    def archived_until(self, stanza: Stanza) -> int:
        """When the newest segment of the log arrived, in seconds since 1970; 0 for an empty archive."""
        if not stanza.newest_segment:
            return 0
        folder = f"archive/{self.settings.stanza}/{stanza.archive}/{stanza.newest_segment[:16]}"
        listed = json.loads(self.read("repo-ls", "--output=json", folder))
        return max((int(facts["time"]) for name, facts in listed.items() if SEGMENT.fullmatch(name)), default=0)


def parse_history(text: str) -> tuple[tuple[int, int], ...]:
    """The forerunners that a timeline's history file names, each with the position at which it was left."""
    rows = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return tuple((int(cells[0]), lsn(cells[1])) for cells in rows)


def parse_stanza(info: list[dict[str, Any]], name: str) -> Stanza:
    """Read `pgbackrest info --output=json`."""
    (found,) = [entry for entry in info if entry["name"] == name]
    code = found["status"]["code"]
    message = found["status"]["message"]
    if code not in {OK, NO_STANZA_PATH, NO_BACKUP, NO_STANZA_DATA}:
        details = [entry["status"]["message"] for entry in found.get("repo", []) if entry["status"]["code"] == code]
        raise BackupError(f"the repository cannot be read: {explain(' '.join(details) or message)}")
    if not found["db"]:
        return Stanza(code, message, None, (), "", "")
    current = found["db"][-1]
    archives = [entry for entry in found["archive"] if entry["database"]["id"] == current["id"]]
    archive = f"{current['version']}-{current['id']}"
    newest = max((entry["max"] or "" for entry in archives), default="")
    backups = tuple(
        Backup(
            label=entry["label"],
            kind=entry["type"],
            start=entry["timestamp"]["start"],
            stop=entry["timestamp"]["stop"],
            timeline=int(entry["archive"]["start"][:8], 16),
            lsn_start=lsn(entry["lsn"]["start"]),
            lsn_stop=lsn(entry["lsn"]["stop"]),
            size=entry["info"]["size"],
            stored=entry["info"]["repository"]["delta"],
            damaged=bool(entry["error"]),
        )
        for entry in found["backup"]
        if entry["database"]["id"] == current["id"]
    )
    return Stanza(code, message, int(current["system-id"]), backups, archive, newest)


def explain(message: str) -> str:
    """pgBackRest's message without what nobody needs, and what it means where that is not obvious."""
    if "CryptoError" in message or "FormatError" in message:
        return (
            "it cannot be decrypted with this stack's backup_cipher: it was written by another stack, or the cipher "
            "was replaced. Use the stack that made these backups, or an empty bucket"
        )
    refused = re.search(r"HTTP request failed with [^:]+", message)
    if refused:
        code = re.search(r"<Code>(\w+)</Code>", message)
        return f"the object storage answers: {refused[0]}{f', {code[1]}' if code else ''}"
    return message.strip()
