"""Every container on the server is one of the component table's, and may do no more than its unit says.

The kernel is asked beside Podman: what a process can do stands in /proc, whatever was asked for when it started.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from infra import components
from ops.connect import Server

# Where a container may see something of the server: settings, data, and what it alone keeps.
SETTINGS, DATA, STATE = (
    PurePosixPath(components.platform()[name]) for name in ("platform_etc", "platform_volume_mount", "platform_state")
)
# What Podman brings into every container of a read-only root.
OWN_TMPFS = {"/dev/shm", "/run", "/tmp", "/var/tmp"}
NO_CAPABILITY, FILTERED = "0000000000000000", "2"

# Runs on the server, as root.
LOOK = """
import json, os, pathlib, subprocess
def said(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
def processes(namespace):
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(folder / "ns/pid") == namespace:
                yield dict(line.split(":\\t", 1) for line in (folder / "status").read_text().splitlines())
        except OSError:
            continue
found = []
for container in json.loads(said("podman", "inspect", *said("podman", "ps", "--quiet").split()) or "[]"):
    unit = container["Config"]["Labels"].get("PODMAN_SYSTEMD_UNIT", "")
    path = pathlib.Path("/etc/containers/systemd") / unit.replace(".service", ".container")
    show = ("systemctl", "show", "--property=ActiveState,MemoryMax", unit)
    namespace = os.readlink("/proc/%d/ns/pid" % container["State"]["Pid"])
    found.append({
        "inspect": container,
        "unit": unit,
        "declared": path.read_text() if unit and path.exists() else "",
        "state": dict(line.split("=", 1) for line in said(*show).splitlines()) if unit else {},
        "processes": list(processes(namespace)),
    })
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Container:
    """One running container: what Podman and the kernel say of it, and the unit it should come from."""

    inspect: dict[str, Any]
    unit: str
    declared: str
    state: dict[str, str]
    processes: list[dict[str, str]]

    @property
    def name(self) -> str:
        return str(self.inspect["Name"])

    @property
    def published(self) -> list[tuple[str, int]]:
        """Address and port on the server of everything that is published."""
        bindings = (self.inspect["HostConfig"]["PortBindings"] or {}).values()
        return sorted((b["HostIp"], int(b["HostPort"])) for binding in bindings for b in binding)

    def says(self, key: str) -> list[str]:
        """What the unit says, each time it does."""
        lines = (line.partition("=") for line in self.declared.splitlines())
        return [value for name, _, value in lines if name == key]


def images() -> dict[str, dict[str, str]]:
    pinned: dict[str, dict[str, str]] = yaml.safe_load((components.VARIABLES / "images.yml").read_text())["images"]
    return pinned


def owner(container: Container) -> components.Component | None:
    """The row of the table whose ports a container publishes; a container without ports has the row's unit."""
    rows = [row for row in components.load() if row.kind == "container" and not row.planned]
    ports = {port for _, port in container.published}
    for row in rows:
        if container.unit == row.unit or (ports and ports <= {port.number for port in row.ports}):
            return row
    return None


def violations(container: Container) -> Iterator[str]:
    """What a container is or may do beyond its unit and the table."""
    for rule in (_belonging, _ports, _confinement, _limits, _mounts, _processes):
        yield from rule(container)


def _belonging(container: Container) -> Iterator[str]:
    if owner(container) is None:
        yield "it is in no row of the component table"
    if not container.declared:
        yield "it comes from no unit"
    if container.state.get("ActiveState") != "active":
        yield "its unit is not active"
    image = container.inspect["ImageName"]
    if image not in {f"{pin['name']}:{pin['tag']}" for pin in images().values()}:
        yield f"its image {image} is not pinned"


def _ports(container: Container) -> Iterator[str]:
    row = owner(container)
    for address, port in container.published:
        if address != "127.0.0.1":
            yield f"port {port} is published on {address or 'every address'}"
        if row and port not in {p.number for p in row.ports if p.bind == "loopback"}:
            yield f"port {port} is not the component's"
    declared = sorted(value.rpartition(":")[0] for value in container.says("PublishPort"))
    if sorted(f"{address}:{port}" for address, port in container.published) != declared:
        yield f"its unit publishes {declared}"
    networks = set(container.inspect["NetworkSettings"]["Networks"] or ["none"])
    if networks != {value.partition(":")[0].removesuffix(".network") for value in container.says("Network")}:
        yield f"its networks are {sorted(networks)}"


def _confinement(container: Container) -> Iterator[str]:
    host, user = container.inspect["HostConfig"], container.inspect["Config"]["User"]
    if not host["ReadonlyRootfs"]:
        yield "its root can be written"
    if host["Privileged"] or host["Devices"] or host["CapAdd"]:
        yield "it has privileges, devices or capabilities added"
    for kind in ("NetworkMode", "PidMode", "IpcMode", "UTSMode"):
        if host[kind] == "host":
            yield f"it shares the server's {kind}"
    if user.partition(":")[0] in {"", "0", "root"}:
        yield "it starts as root"


def _limits(container: Container) -> Iterator[str]:
    memory = container.state.get("MemoryMax", "infinity")
    if container.says("MemoryMax") != [f"{int(memory) >> 20}M" if memory.isdigit() else memory]:
        yield f"its memory limit is {memory}"
    if (container.inspect["State"].get("Health") or {}).get("Status") != "healthy":
        yield "it is not healthy"
    if container.inspect["HostConfig"]["LogConfig"]["Type"] != "journald":
        yield "its log is not in the journal"


def _mounts(container: Container) -> Iterator[str]:
    declared = {}
    for value in container.says("Volume"):
        source, target, options = value.split(":")
        declared[target] = (source, "rw" in options.split(","))
    seen = {m["Destination"]: (m["Source"], m["RW"]) for m in container.inspect["Mounts"] if m["Type"] != "tmpfs"}
    if seen != declared:
        yield f"it sees {seen} of the server; its unit says {declared}"
    for source, _ in seen.values():
        if not any(PurePosixPath(source).is_relative_to(folder) for folder in (SETTINGS, DATA, STATE / container.name)):
            yield f"it sees {source}, which is neither its settings nor its data"
    writable = set(container.inspect["HostConfig"]["Tmpfs"]) - OWN_TMPFS
    if writable != {value.partition(":")[0] for value in container.says("Tmpfs")} - OWN_TMPFS:
        yield f"it can write to {sorted(writable)} in memory"


def _processes(container: Container) -> Iterator[str]:
    if not container.processes:
        yield "it has no process"
    for process in container.processes:
        title = process["Name"]
        for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb"):
            if process[name] != NO_CAPABILITY:
                yield f"process {title} has {name} {process[name]}"
        if process["NoNewPrivs"] != "1":
            yield f"process {title} may gain privileges"
        if process["Seccomp"] != FILTERED:
            yield f"process {title} may use every system call"
        if "0" in process["Uid"].split():
            yield f"process {title} is root"


def look(server: Server) -> dict[str, Container]:
    found = [Container(**row) for row in json.loads(server.python(LOOK))]
    return {container.name: container for container in found}


@contextmanager
def started(server: Server, words: str) -> Iterator[None]:
    """A container beside the platform's, made by hand of one of its images."""
    image = "{name}:{tag}".format(**images()["gateway"])
    server.run(f"podman run --detach --rm --name stray --entrypoint sleep {words} {image} 600 >/dev/null")
    try:
        yield
    finally:
        server.run("podman rm --force --time 0 stray >/dev/null")


def test_every_container_is_of_the_table_and_may_do_no_more_than_its_unit_says(server: Server) -> None:
    running = look(server)
    assert {name: list(violations(container)) for name, container in running.items()} == {name: [] for name in running}
    rows = {row.name for row in components.load() if row.kind == "container" and not row.planned and row.phase == 1}
    owners = {found.name for container in running.values() if (found := owner(container))}
    assert owners == rows, "every component of the table runs, and nothing else does"


def test_secrets_of_containers_are_in_files_for_root_alone(server: Server) -> None:
    for container in look(server).values():
        files = container.says("EnvironmentFile")
        assert files, container.name
        for file in files:
            assert server.run(f"stat --format='%U %a' {file}") == "root 600", file


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "no row of the component table"),
        ("", "its root can be written"),
        ("", "has CapBnd"),
        ("", "may gain privileges"),
        ("--publish=18081:8000", "port 18081 is published on 0.0.0.0"),
        ("--volume=/etc:/host:ro", "neither its settings nor its data"),
        ("--user=0", "is root"),
        ("--pid=host", "shares the server's PidMode"),
        ("--network=host", "shares the server's NetworkMode"),
        ("--security-opt=seccomp=unconfined", "may use every system call"),
    ],
)
def test_a_container_made_by_hand_is_noticed(server: Server, words: str, says: str) -> None:
    with started(server, words):
        seen = list(violations(look(server)["stray"]))
    assert [problem for problem in seen if says in problem], seen
