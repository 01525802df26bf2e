"""The hypervisor: runs a droplet's record as a container and keeps the two equal."""

import shutil
import time
from pathlib import Path
from typing import Any

from sandbox import image, loop, nft
from sandbox.docker import DockerError, docker, exists, is_running, remove_container
from sandbox.errors import SandboxError
from sandbox.home import Home
from sandbox.network import APT_PORT, ensure_network, public_network, service_address
from sandbox.services import apt_cache, ca
from sandbox.state import Record, State

# What a Debian system with systemd, UFW and Podman needs; --privileged asks for more than some test machines may give.
_CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE", "SETFCAP",
    "SYS_ADMIN", "NET_ADMIN", "NET_RAW", "SYS_PTRACE", "SYS_CHROOT", "MKNOD", "DAC_READ_SEARCH", "LINUX_IMMUTABLE",
    "IPC_LOCK", "SYS_NICE", "SYS_BOOT", "SYSLOG", "AUDIT_WRITE",
)  # fmt: skip
_BOOT_TIMEOUT_SECONDS = 90
_POWER_OFF_SECONDS = 20
_LOG_LINES = 10
# One process at a time writes down and applies what droplets are made of.
_LOCK = "machines"


def container_name(home: Home, droplet: Record) -> str:
    """Name of a droplet's container."""
    return home.name("droplet", droplet["id"])


def vpc_network(home: Home, vpc_id: str) -> str:
    """Name of the docker network that carries a VPC."""
    return home.name("vpc", vpc_id)


def create(home: Home, state: State, droplet: Record, user_data: str) -> None:
    """Make a droplet's container, powered off."""
    remove_container(container_name(home, droplet))
    public_network(home)
    with state.locked(_LOCK):
        account = state.read()
        _write_hardware(home, droplet, account)
        _write_seed(_folder(home, droplet) / "seed", droplet, account, user_data)
    apt_cache.ensure(home)
    _make_container(home, droplet)


def start(home: Home, state: State, droplet: Record) -> None:
    """Power a droplet on and wait until it has booted."""
    name = container_name(home, droplet)
    with state.locked(_LOCK):
        _write_hardware(home, droplet, state.read())
    if not is_running(name):
        docker("start", name)
    _wait_for_boot(name, droplet)


def stop(home: Home, droplet: Record, *, graceful: bool = True) -> None:
    """Power a droplet off; its disk stays."""
    name = container_name(home, droplet)
    if is_running(name):
        docker("stop", "--time", str(_POWER_OFF_SECONDS if graceful else 0), name)


def remove(home: Home, droplet: Record) -> None:
    """Remove everything of a droplet that start made."""
    remove_container(container_name(home, droplet))
    if exists("volume", container_name(home, droplet)):
        docker("volume", "rm", container_name(home, droplet))
    shutil.rmtree(_folder(home, droplet), ignore_errors=True)


def refresh_all(home: Home, state: State) -> None:
    """Bring changed addresses, firewall rules and volumes into the droplets; a stopped one gets them when it boots."""
    with state.locked(_LOCK):
        account = state.read()
        for droplet in account.get("droplets", {}).values():
            name = container_name(home, droplet)
            changed = _write_hardware(home, droplet, account)
            if changed and is_running(name):
                docker("exec", name, "/usr/local/lib/sandbox/apply")
                docker("exec", name, "/usr/local/lib/sandbox/trigger-volumes", "change")


def resume(home: Home, state: State) -> None:
    """Start every droplet that does not run though its owner never powered it off: it crashed, or this machine did."""
    for droplet in state.read().get("droplets", {}).values():
        name = container_name(home, droplet)
        if droplet["powered"] and exists("container", name) and not is_running(name):
            start(home, state, droplet)


def is_on(home: Home, droplet: Record) -> bool:
    """Whether a droplet is powered on."""
    return is_running(container_name(home, droplet))


def _write_hardware(home: Home, droplet: Record, state: dict[str, Any]) -> bool:
    """Write down what the droplet applies at boot: addresses, firewall, volumes, trust. True if it changed."""
    folder = _folder(home, droplet)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    attached = [volume for volume in state.get("volumes", {}).values() if droplet["id"] in volume["droplet_ids"]]
    return any(
        [
            # The size is there so that a grown volume counts as a change.
            _write(
                folder / "volumes",
                [f"{volume['name']} {loop.attach(home, volume)} {volume['size']}" for volume in attached],
            ),
            _write(folder / "addresses", _addresses(home, droplet, state)),
            _write(folder / "firewall.nft", [nft.ruleset(droplet, state)]),
            _write(folder / "resolv.conf", [f"nameserver {address}" for address in _host_resolvers()]),
            _write(folder / "ca.crt", ca.ensure(home).read_text().splitlines()),
            _write(folder / "apt-proxy", [f"http://{service_address(home, 'apt')}:{APT_PORT}"]),
        ]
    )


def _addresses(home: Home, droplet: Record, state: dict[str, Any]) -> list[str]:
    _, subnet = public_network(home)
    lines = [f"eth0 {droplet['public_ip']}/{subnet.prefixlen}"]
    lines += [
        f"eth0 {ip}/32"
        for ip, reserved in state.get("reserved_ips", {}).items()
        if reserved["droplet_id"] == droplet["id"]
    ]
    if droplet["vpc_uuid"]:
        prefix = state["vpcs"][droplet["vpc_uuid"]]["ip_range"].partition("/")[2]
        lines.append(f"eth1 {droplet['private_ip']}/{prefix}")
    return lines


def _host_resolvers() -> list[str]:
    """The name servers of this machine; a stub on its loopback is replaced with what the stub asks."""
    for source in ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"):
        path = Path(source)
        lines = path.read_text().splitlines() if path.exists() else []
        servers = [words[1] for words in map(str.split, lines) if len(words) > 1 and words[0] == "nameserver"]
        if remote := [server for server in servers if not server.startswith("127.") and ":" not in server]:
            return remote
    return []


def _folder(home: Home, droplet: Record) -> Path:
    return home.droplets / str(droplet["id"])


def _write(path: Path, lines: list[str]) -> bool:
    """Replace a file at once, for the droplet may be reading it. True if its content changed."""
    content = "".join(f"{line}\n" for line in lines)
    if path.exists() and path.read_text() == content:
        return False
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(content)
    fresh.replace(path)
    return True


def _make_container(home: Home, droplet: Record) -> None:
    name = container_name(home, droplet)
    network, _ = public_network(home)
    docker("volume", "create", "--label", home.label, name)
    docker(
        "create",
        "--name",
        name,
        "--hostname",
        droplet["name"],
        "--label",
        home.label,
        "--restart",
        "always",
        "--stop-signal",
        "SIGRTMIN+3",
        "--network",
        network,
        "--ip",
        droplet["public_ip"],
        "--cap-drop",
        "ALL",
        *[f"--cap-add={capability}" for capability in _CAPABILITIES],
        "--security-opt",
        "seccomp=unconfined",
        "--security-opt",
        "apparmor=unconfined",
        "--cgroupns",
        "private",
        "--device-cgroup-rule",
        "a *:* rwm",
        "--device",
        "/dev/fuse",
        "--tmpfs",
        "/run:exec",
        "--tmpfs",
        "/run/lock",
        "--tmpfs",
        "/tmp:exec",  # noqa: S108 a mount point
        # Podman's overlay file system cannot lie on docker's.
        "--volume",
        f"{name}:/var/lib/containers",
        "--volume",
        f"{_folder(home, droplet)}:/var/lib/sandbox:ro",
        image.build("droplet"),
        "/usr/local/lib/sandbox/init",
    )
    if droplet["vpc_uuid"]:
        link = vpc_network(home, droplet["vpc_uuid"])
        ensure_network(home, link, internal=True)
        docker("network", "connect", link, name)


def _write_seed(folder: Path, droplet: Record, state: dict[str, Any], user_data: str) -> None:
    """The metadata that cloud-init reads; DigitalOcean gives the keys to root."""
    folder.mkdir(mode=0o700, exist_ok=True)
    keys = [state["ssh_keys"][key]["public_key"].strip() for key in droplet["ssh_keys"]]
    metadata = [f"instance-id: '{droplet['id']}'", f"local-hostname: {droplet['name']}"]
    _write(folder / "meta-data", metadata + (["public-keys:", *[f"  - {key}" for key in keys]] if keys else []))
    _write(folder / "user-data", [user_data or "#cloud-config\n{}"])


def _wait_for_boot(name: str, droplet: Record) -> None:
    deadline = time.monotonic() + _BOOT_TIMEOUT_SECONDS
    answer = ""
    while time.monotonic() < deadline:
        try:
            # cloud-init's own end of work; "degraded" units are the droplet's business, not the cloud's.
            answer = docker(
                "exec",
                name,
                "sh",
                "-c",
                "test -e /var/lib/cloud/instance/boot-finished && systemctl is-active ssh",
                timeout=20,
            )
            if answer == "active":
                return
        except DockerError as error:
            answer = str(error)
        time.sleep(0.3)
    log = docker("logs", "--tail", str(_LOG_LINES), name)
    raise SandboxError(
        f"droplet {droplet['name']} did not boot within {_BOOT_TIMEOUT_SECONDS} s: {answer}; its console says:\n{log}"
    )
