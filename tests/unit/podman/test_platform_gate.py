"""New connections to a container wait while it restarts: what the kernel is told, and when nothing is under way."""

import socket
import subprocess
from pathlib import Path

import pytest

from roles.podman.files import platform_gate as gate

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ENDPOINTS = ["127.0.0.1:8000", "10.89.0.202:8000"]


def row(local: str, remote: str, state: str) -> str:
    return f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0\n"


@pytest.mark.parametrize("seconds", [60, 0])
def test_a_hold_is_whole_whatever_is_there_already(seconds: int) -> None:
    lines = gate.ruleset(ENDPOINTS, seconds).splitlines()
    for family in ("bridge", "inet"):
        own = [line for line in lines if f" {family} platform_gate" in line]
        assert [line.split()[:2] for line in own[:5]] == [
            ["add", "table"],
            ["add", "set"],
            ["add", "chain"],
            ["flush", "chain"],
            ["add", "rule"],
        ]
        held = [line for line in own if "10.89.0.202 . 8000" in line]
        assert [line.split()[0] for line in held] == (["add", "delete", "add"] if seconds else ["add", "delete"])
        assert ("timeout 60s" in held[-1]) is bool(seconds), "the kernel would hold for ever"


def test_nft_understands_it() -> None:
    check = subprocess.run(
        ["unshare", "--map-root-user", "--net", "nft", "--check", "--file", "-"],
        input=gate.ruleset(ENDPOINTS, 60), text=True, capture_output=True, check=False,
    )  # fmt: skip
    if "unshare" in check.stderr or "No such file" in check.stderr:
        pytest.skip(f"no network namespace here: {check.stderr.strip()}")
    assert check.returncode == 0, check.stderr


@pytest.mark.parametrize(
    ("local", "remote", "state", "busy"),
    [
        ("CA00590A:1F40", "0100590A:C350", "01", 1),
        ("CA00590A:1F40", "0100590A:C350", "04", 1),  # the answer's end is not confirmed
        ("CA00590A:1F40", "0100590A:C350", "06", 0),  # over
        ("CA00590A:1F40", "0100590A:C350", "08", 0),  # the caller went away
        ("CA00590A:1F40", "00000000:0000", "0A", 0),  # the listening socket
        ("CA00590A:C351", "0100590A:1F40", "01", 0),  # a connection of its own to elsewhere
        ("0100007F:1F40", "0100007F:C350", "01", 0),  # its health check
        ("0000000000000000FFFF0000CA00590A:1F40", "0000000000000000FFFF00000100590A:C350", "01", 1),
        ("0000000000000000FFFF00000100007F:1F40", "0000000000000000FFFF00000100007F:C350", "01", 0),
        ("00000000000000000000000001000000:1F40", "00000000000000000000000001000000:C350", "01", 0),
    ],
)
def test_what_is_under_way_is_told_from_what_is_not(local: str, remote: str, state: str, busy: int) -> None:
    assert gate.connections(HEAD + row(local, remote, state), [8000]) == busy


def test_the_kernel_s_own_table_is_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            text = Path("/proc/self/net/tcp").read_text()
    assert f":{port:04X} " in text
    assert gate.connections(text, [port]) == 0, "loopback is the container's own"
