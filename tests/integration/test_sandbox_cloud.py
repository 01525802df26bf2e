"""The sandbox's cloud under the real Pulumi engine: one of each resource type, changed, broken and repaired."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import dns.message
import dns.query
import pytest
import urllib3
from minio import Minio, S3Error

from sandbox import loop, machine
from sandbox.cloud.account import ApiError
from sandbox.cloud.kinds import COLLECTIONS
from sandbox.docker import docker
from sandbox.droplet import power
from sandbox.home import REPOSITORY
from sandbox.network import service_address
from sandbox.services import ca
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


def sandbox(stack: SandboxStack, *command: str) -> str:
    """Run one of the sandbox's own commands and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", *command],
        cwd=REPOSITORY,
        env=stack.environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def resolve(stack: SandboxStack, name: str, kind: str) -> list[str]:
    reply = dns.query.udp(dns.message.make_query(name, kind), service_address(stack.home, "dns"), timeout=2)
    return [item.to_text() for rrset in reply.answer for item in rrset]


def storage(stack: SandboxStack, keys: list[str]) -> Minio:
    """The object storage as the holder of a key sees it."""
    pool = urllib3.PoolManager(ca_certs=str(ca.ca_file(stack.home)), retries=False)
    access_key, secret_key = keys
    return Minio(stack.outputs()["endpoint"], access_key, secret_key, region="fra1", http_client=pool)


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
    sandbox(stack, "delete", "dns_records", ident)
    assert resolve(stack, "api.example.test", "CNAME") == []
    assert stack.steps("--refresh") == {"alias": "create"}
    stack.up("--refresh")
    assert resolve(stack, "api.example.test", "CNAME") == ["example.test."]


def trusts_the_object_storage(stack: SandboxStack) -> bool:
    """Whether curl in the droplet accepts the server's certificate; the server then refuses whoever has no key."""
    ask = ("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}")
    return inside(stack, *ask, f"https://{stack.outputs()['endpoint']}/") == "403"


def test_droplet_trusts_the_object_storage(stack: SandboxStack) -> None:
    assert trusts_the_object_storage(stack)


def test_spaces_key_opens_its_bucket_and_nothing_else(stack: SandboxStack) -> None:
    outputs = stack.outputs()
    mine, other = outputs["bucket"], outputs["other_bucket"]
    client = storage(stack, outputs["spaces_key"])
    version = client.put_object(mine, "backup", io.BytesIO(b"x"), 1).version_id
    assert client.get_object(mine, "backup").data == b"x"
    assert [item.object_name for item in client.list_objects(mine)] == ["backup"]
    client.remove_object(mine, "backup")
    refused: list[Callable[[], object]] = [
        lambda: client.get_object(other, "backup"),
        lambda: client.put_object(other, "backup", io.BytesIO(b"x"), 1),
        lambda: list(client.list_objects(other)),
        lambda: client.remove_object(mine, "backup", version_id=version),
        lambda: client.delete_bucket_lifecycle(mine),
        lambda: client.remove_bucket(mine),
        lambda: client.make_bucket("test-third"),
    ]
    for attempt in refused:
        with pytest.raises(S3Error, match="AccessDenied"):
            attempt()


def test_spaces_key_of_an_absent_bucket_is_refused(stack: SandboxStack) -> None:
    kind = COLLECTIONS["spaces_keys"]
    with pytest.raises(ApiError, match="test-absent of the key's grants does not exist"):
        kind.create(stack.account, {"name": "k", "grants": [{"bucket": "test-absent", "permission": "read"}]}, "urn")


def test_spaces_key_is_narrowed_in_place(stack: SandboxStack) -> None:
    before = stack.outputs()
    client = storage(stack, before["spaces_key"])
    stack.set("permission", "read")
    assert stack.steps() == {"spaces-key": "update"}
    stack.up()
    with pytest.raises(S3Error, match="AccessDenied"):
        client.put_object(before["bucket"], "backup", io.BytesIO(b"x"), 1)
    assert list(client.list_objects(before["bucket"])) == []
    stack.unset("permission")
    stack.up()
    assert stack.outputs() == before


def test_a_new_generation_of_a_spaces_key_comes_before_the_old_one_goes(stack: SandboxStack) -> None:
    before = stack.outputs()
    stack.set("key_generation", "2")
    text = stack.up()
    assert text.index("created replacement") < text.index("deleting original")
    after = stack.outputs()
    storage(stack, after["spaces_key"]).put_object(after["bucket"], "backup", io.BytesIO(b"x"), 1)
    with pytest.raises(S3Error, match="InvalidAccessKeyId"):
        storage(stack, before["spaces_key"]).get_object(before["bucket"], "backup")
    assert stack.steps("--refresh") == {}


def test_deleted_spaces_key_shows_in_refresh_and_comes_back(stack: SandboxStack) -> None:
    (ident,) = stack.account.state.read()["spaces_keys"]
    sandbox(stack, "delete", "spaces_keys", ident)
    assert stack.steps("--refresh") == {"spaces-key": "create"}
    stack.up("--refresh")
    outputs = stack.outputs()
    assert storage(stack, outputs["spaces_key"]).get_object(outputs["bucket"], "backup").data == b"x"


def test_no_listing_shows_the_secret_of_a_spaces_key(stack: SandboxStack) -> None:
    access_key, secret_key = stack.outputs()["spaces_key"]
    assert access_key in sandbox(stack, "list")
    assert secret_key not in sandbox(stack, "list")
    assert secret_key not in stack.run("stack", "export")
    assert secret_key not in stack.home.state_file.read_text()


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
    assert trusts_the_object_storage(stack)


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
