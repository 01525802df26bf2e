"""The sandbox's cloud under the real Pulumi engine: one of each resource type, changed, broken and repaired."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import dns.message
import dns.query
import pytest

from sandbox import loop, machine
from sandbox.docker import docker
from sandbox.droplet import power
from sandbox.home import REPOSITORY
from sandbox.network import service_address
from tests.integration.sandbox_stack import POLICY, SandboxStack, leftovers

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxStack]:
    made = SandboxStack(tmp_path_factory.mktemp("cloud"))
    try:
        made.up()
        yield made
        made.run("destroy", "--yes")
        assert leftovers(made.home) == {}
    finally:
        made.remove()


def container(stack: SandboxStack) -> str:
    (droplet,) = stack.account.state.read()["droplets"].values()
    return machine.container_name(stack.home, droplet)


def inside(stack: SandboxStack, *command: str) -> str:
    return docker("exec", container(stack), *command)


def answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def resolve(stack: SandboxStack, name: str, kind: str) -> list[str]:
    reply = dns.query.udp(dns.message.make_query(name, kind), service_address(stack.home, "dns"), timeout=2)
    return [item.to_text() for rrset in reply.answer for item in rrset]


def wait_until_booted(stack: SandboxStack) -> None:
    deadline = time.monotonic() + 30
    while (
        "running"
        not in subprocess.run(
            ["docker", "exec", container(stack), "systemctl", "is-system-running"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
    ):
        assert time.monotonic() < deadline, "the droplet does not boot again"
        time.sleep(0.2)


def test_second_up_changes_nothing(stack: SandboxStack) -> None:
    assert stack.steps() == {}
    assert stack.steps("--refresh") == {}
    assert "unchanged" in stack.up()


def test_droplet_has_what_was_declared(stack: SandboxStack) -> None:
    address = stack.outputs()["address"]
    assert answers(address, 22)
    assert inside(stack, "readlink", "-f", "/dev/disk/by-id/scsi-0DO_Volume_test-data").startswith("/dev/loop")
    assert "10.100.0.2/20" in inside(stack, "ip", "-oneline", "address", "show", "eth1")
    assert inside(stack, "hostname") == "test"
    assert inside(stack, "stat", "-c", "%a", "/var/lib/sandbox/seed/user-data") == "600"


def test_user_data_stays_secret(stack: SandboxStack) -> None:
    stack.set("marker", "one")
    exported = stack.run("stack", "export")
    assert "# one" not in exported
    assert "# one" not in stack.home.state_file.read_text()
    assert "# one" not in docker("inspect", container(stack))


def test_firewall_drops_what_no_rule_allows(stack: SandboxStack) -> None:
    address = stack.outputs()["address"]
    docker("exec", "--detach", container(stack), "python3", "-m", "http.server", "8080")
    deadline = time.monotonic() + 10
    while ":8080" not in inside(stack, "ss", "-tln"):
        assert time.monotonic() < deadline
    assert not answers(address, 8080)
    inside(stack, "nft", "delete", "table", "inet", "sandbox_cloud")
    assert answers(address, 8080), "nothing but the cloud firewall stood in the way"
    inside(stack, "/usr/local/lib/sandbox/apply")
    assert not answers(address, 8080)


def test_deleted_dns_record_shows_in_refresh_and_comes_back(stack: SandboxStack) -> None:
    assert resolve(stack, "api.example.test", "CNAME") == ["example.test."]
    records = stack.account.state.read()["dns_records"]
    (ident,) = [ident for ident, record in records.items() if record["type"] == "CNAME"]
    subprocess.run(
        [sys.executable, "-m", "sandbox", "delete", "dns_records", ident],
        cwd=REPOSITORY,
        env=stack.environment,
        check=True,
    )
    assert resolve(stack, "api.example.test", "CNAME") == []
    assert stack.steps("--refresh") == {"alias": "create"}
    stack.up("--refresh")
    assert resolve(stack, "api.example.test", "CNAME") == ["example.test."]


def test_volume_grows_online_and_never_shrinks(stack: SandboxStack) -> None:
    device = inside(stack, "readlink", "-f", "/dev/disk/by-id/scsi-0DO_Volume_test-data")
    stack.set("volume_size", "3")
    assert stack.steps() == {"volume": "update"}
    stack.up()
    assert inside(stack, "blockdev", "--getsize64", device) == str(3 * 1024**3)
    stack.set("volume_size", "1")
    assert "can only be expanded and not shrunk" in stack.run("preview", fails=True)
    stack.unset("volume_size")
    stack.set("volume_size", "3")


def test_resize_keeps_the_droplet(stack: SandboxStack) -> None:
    before = stack.outputs()
    inside(stack, "touch", "/root/kept")
    stack.set("size", "s-2vcpu-4gb")
    assert stack.steps() == {"droplet": "update"}
    stack.up()
    assert stack.outputs() == before
    inside(stack, "test", "-e", "/root/kept")
    assert answers(before["address"], 22)


def test_another_image_replaces_the_droplet(stack: SandboxStack) -> None:
    stack.set("image", "debian-12-x64")
    assert "replace" in stack.steps()["droplet"]
    stack.unset("image")
    assert stack.steps() == {}


def test_crashed_droplet_comes_back_by_itself(stack: SandboxStack) -> None:
    address = stack.outputs()["address"]
    pid = int(docker("inspect", "--format", "{{.State.Pid}}", container(stack)))
    os.kill(pid, signal.SIGKILL)
    time.sleep(1)
    wait_until_booted(stack)
    assert answers(address, 22)
    assert inside(stack, "readlink", "-f", "/dev/disk/by-id/scsi-0DO_Volume_test-data").startswith("/dev/loop")
    assert "drop" in inside(stack, "nft", "list", "table", "inet", "sandbox_cloud")


def test_killed_droplet_comes_back_with_the_next_run(stack: SandboxStack) -> None:
    docker("kill", container(stack))
    assert "unchanged" in stack.up("--refresh")
    assert answers(stack.outputs()["address"], 22)


def test_lost_loop_device_comes_back_with_the_next_run(stack: SandboxStack) -> None:
    docker("kill", container(stack))
    (volume,) = stack.account.state.read()["volumes"].values()
    loop.detach(stack.home, volume)
    stack.up()
    assert inside(stack, "readlink", "-f", "/dev/disk/by-id/scsi-0DO_Volume_test-data").startswith("/dev/loop")


def test_powered_off_droplet_stays_off_until_powered_on(stack: SandboxStack) -> None:
    power(stack.account, "test", on=False)
    stack.run("refresh", "--yes")
    droplets = [
        resource["outputs"]["status"]
        for resource in json.loads(stack.run("stack", "export"))["deployment"]["resources"]
        if resource["type"] == "digitalocean:index/droplet:Droplet"
    ]
    assert droplets == ["off"]
    power(stack.account, "test", on=True)
    stack.run("refresh", "--yes")
    assert answers(stack.outputs()["address"], 22)


def test_import_by_id_fills_the_inputs(stack: SandboxStack) -> None:
    volume_id = stack.outputs()["volume_id"]
    text = stack.run(
        "import",
        "digitalocean:index/volume:Volume",
        "again",
        volume_id,
        "--yes",
        "--protect=false",
        "--generate-code=false",
    )
    assert "imported" in text
    exported = json.loads(stack.run("stack", "export"))["deployment"]["resources"]
    (imported,) = [resource for resource in exported if resource["urn"].endswith("::again")]
    assert imported["inputs"]["name"] == "test-data"
    assert imported["inputs"]["size"] == 3
    stack.run("state", "delete", imported["urn"], "--yes")


def test_policy_pack_runs(stack: SandboxStack) -> None:
    assert "sandbox-test" in stack.up("--policy-pack", str(POLICY))
    stack.set("volume_size", "4")
    assert "a test volume has at most 3 GB, not 4" in stack.up("--policy-pack", str(POLICY), fails=True)
    stack.set("volume_size", "3")


def test_invalid_input_is_refused_before_anything_is_touched(stack: SandboxStack) -> None:
    stack.set("size", "s-3vcpu-5gb")
    assert "expected size to be one of" in stack.run("preview", fails=True)
    stack.set("size", "s-2vcpu-4gb")
