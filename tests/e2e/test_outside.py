"""What a stranger sees: 22, 80 and 443, and nothing else."""

import asyncio
import resource

import pytest

from infra import components
from ops.connect import Server
from tests.e2e.platform import Platform

PARALLEL = 2000
SECONDS = 1.5
WRONGLY_PUBLISHED = 18080

# One static program is enough for a container that listens; it is unpacked beside the system, not installed into it.
PUBLISH_WRONGLY = f"""
folder=$(mktemp -d)
cd "$folder"
apt-get download --quiet busybox-static >/dev/null
dpkg --extract busybox-static_*.deb root
tar --create --directory root --dereference . | podman import --quiet - localhost/wrongly-published:test >/dev/null
podman run --detach --rm --name wrongly-published --publish 0.0.0.0:{WRONGLY_PUBLISHED}:8080 \\
  localhost/wrongly-published:test /usr/bin/busybox httpd -f -p 8080 -h /usr >/dev/null
rm -r "$folder"
"""
REMOVE_WRONGLY = """
podman rm --force --time 0 wrongly-published >/dev/null
podman rmi --force localhost/wrongly-published:test >/dev/null
"""


async def open_ports(address: str) -> set[int]:
    """Every TCP port that accepts a connection."""
    ports, found = iter(range(1, 65536)), set()

    async def worker() -> None:
        for port in ports:
            try:
                async with asyncio.timeout(SECONDS):
                    _, writer = await asyncio.open_connection(address, port)
            except OSError:  # TimeoutError is one too
                continue
            found.add(port)
            writer.close()

    # Not one task per port: while all of them start, the first answers would be too late.
    await asyncio.gather(*(worker() for _ in range(PARALLEL)))
    return found


def scan(address: str) -> set[int]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < PARALLEL + 100:
        pytest.fail(f"the scan needs {PARALLEL + 100} open files, the machine allows {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, PARALLEL + 100), hard))
    return asyncio.run(open_ports(address))


def listening_public_ports() -> set[int]:
    return {
        port.number
        for component in components.load()
        if not component.planned
        for port in component.ports
        if port.bind == "public"
    }


def test_only_the_declared_ports_answer(platform: Platform) -> None:
    assert scan(platform.outputs["address"]) == listening_public_ports()


def test_a_wrongly_published_container_port_is_unreachable(platform: Platform, server: Server) -> None:
    server.run(PUBLISH_WRONGLY)
    try:
        answer = server.run(
            f"curl --silent --output /dev/null --write-out '%{{http_code}}' 127.0.0.1:{WRONGLY_PUBLISHED}/"
        )
        assert answer in {"404", "200"}, "the container does not answer on the server, so the scan would prove nothing"
        assert scan(platform.outputs["address"]) == listening_public_ports()
    finally:
        server.run(REMOVE_WRONGLY)
