"""Which listening sockets the component table explains."""

import pytest

from plugins.filter.listeners import unexpected_listeners

GATEWAY = "10.89.0.1"
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - nothing is bound here


def found(address: str, port: int, name: str = "nc") -> list[str]:
    socket = {"address": address, "port": port, "name": name, "pid": 7}
    return unexpected_listeners([socket], public=[22, 443], bridge=[5432], gateway=GATEWAY)


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("127.0.0.1", 9999),
        ("127.0.0.53%lo", 53),
        ("::1", 9999),
        ("[::1]", 9999),
        (EVERY_ADDRESS, 22),
        ("*", 443),
        ("::", 443),
        (GATEWAY, 5432),
        (GATEWAY, 53),
    ],
)
def test_explained(address: str, port: int) -> None:
    assert found(address, port) == []


@pytest.mark.parametrize(
    ("address", "port"),
    [(EVERY_ADDRESS, 5432), ("*", 5432), ("::", 8080), ("203.0.113.5", 53), (GATEWAY, 9999), ("10.88.0.1", 53)],
)
def test_not_explained(address: str, port: int) -> None:
    assert found(address, port) == [f"nc (pid 7) listens on {address} port {port}"]


def test_a_process_without_a_name_is_still_reported() -> None:
    assert found(EVERY_ADDRESS, 1, name="") == [f"a process (pid 7) listens on {EVERY_ADDRESS} port 1"]
