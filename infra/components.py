"""Typed view of the component table: what runs in a phase, on which ports, behind which names.

Everything that opens a port, writes a DNS record or checks an endpoint asks here, so they cannot disagree.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from infra import ROOT

VARIABLES = ROOT / "playbooks" / "group_vars" / "all"
BINDS = ("public", "loopback", "bridge")
GROUPS = ("data", "app", "edge", "ops")


class TableError(Exception):
    """A row of the component table is malformed."""


@dataclass(frozen=True)
class Port:
    """A TCP port of a component; `bind` says who can reach it."""

    name: str
    number: int
    bind: str


@dataclass(frozen=True)
class Component:
    """One row of the table."""

    name: str
    title: str
    phase: int
    role: str
    group: str
    kind: str
    unit: str
    ports: tuple[Port, ...]
    vhosts: tuple[str, ...]
    paths: tuple[str, ...]
    health_port: str
    health_http: str | None
    planned: bool

    def port(self, name: str) -> int:
        """The number of the port called `name`."""
        for port in self.ports:
            if port.name == name:
                return port.number
        raise TableError(f"component {self.name} has no port called {name}; it has {[p.name for p in self.ports]}")


@dataclass(frozen=True)
class Components:
    """The whole table, in its order."""

    rows: tuple[Component, ...]
    denied: tuple[str, ...]

    def __iter__(self) -> Iterator[Component]:
        return iter(self.rows)

    def __getitem__(self, name: str) -> Component:
        for row in self.rows:
            if row.name == name:
                return row
        raise TableError(f"the component table has no row called {name}")

    def of_phase(self, phase: int) -> tuple[Component, ...]:
        """The components of a phase: its own and those of the phases before it."""
        return tuple(row for row in self.rows if row.phase <= phase)

    def runs_image(self, key: str, phase: int) -> bool:
        """Whether a platform of this phase may run the image: a component's image has the component's name."""
        row = next((row for row in self.rows if row.name == key), None)
        return row is None or row.phase <= phase

    def public_ports(self, phase: int) -> tuple[int, ...]:
        """Every TCP port that is open to other machines, in ascending order."""
        return tuple(sorted({p.number for row in self.of_phase(phase) for p in row.ports if p.bind == "public"}))

    def vhosts(self, phase: int) -> tuple[str, ...]:
        """Host name labels below the platform's domain, without the domain itself."""
        return tuple(sorted({label for row in self.of_phase(phase) for label in row.vhosts if label}))

    def denied_ports(self) -> tuple[int, ...]:
        """Ports the plan lists as explicitly denied from outside."""
        return tuple(sorted(p.number for name in self.denied for p in self[name].ports))

    def serves_https(self, phase: int) -> bool:
        """Whether the component that answers for the domain itself is there already."""
        return any("" in row.vhosts and not row.planned for row in self.of_phase(phase))


def parse(document: dict[str, Any]) -> Components:
    """Build the typed view, or say which row is wrong."""
    rows = tuple(_row(name, data) for name, data in document["components"].items())
    return Components(rows, tuple(document.get("firewall_denied_components", ())))


def _row(name: str, data: dict[str, Any]) -> Component:
    try:
        row = Component(
            name=name,
            title=data["title"],
            phase=data["phase"],
            role=data["role"],
            group=data["group"],
            kind=data["kind"],
            unit=data["unit"],
            ports=tuple(Port(p["name"], p["port"], p["bind"]) for p in data.get("ports", ())),
            vhosts=tuple(data.get("vhosts", ())),
            paths=tuple(data.get("paths", ())),
            health_port=data["health"]["port"],
            health_http=data["health"].get("http"),
            planned=bool(data.get("planned", False)),
        )
    except KeyError as missing:
        raise TableError(f"component {name}: {missing} is missing") from None
    for port in row.ports:
        if port.bind not in BINDS:
            raise TableError(f"component {name}, port {port.name}: bind is {port.bind!r}; allowed: {', '.join(BINDS)}")
    if row.group not in GROUPS:
        raise TableError(f"component {name}: group is {row.group!r}; allowed: {', '.join(GROUPS)}")
    return row


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


@cache
def load() -> Components:
    """The component table of this repository."""
    return parse(_read(VARIABLES / "components.yml"))


@cache
def known_defaults() -> dict[str, Any]:
    """Secrets, issuers and lengths that are refused everywhere."""
    return _read(VARIABLES / "known_defaults.yml")


@cache
def platform() -> dict[str, Any]:
    """What every role reads and no stack chooses: paths, networks, the database's name."""
    return _read(VARIABLES / "platform.yml")


@cache
def versions() -> dict[str, Any]:
    """Every pinned version of this repository."""
    pinned: dict[str, Any] = _read(VARIABLES / "versions.yml")["versions"]
    return pinned
