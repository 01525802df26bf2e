"""The droplet, with user data that only makes Ansible possible. Everything else on it is Ansible's work."""

import json

import pulumi
import pulumi_digitalocean as do

from infra.components import versions
from infra.phases import Phase
from infra.secrets import SshKeyPair
from infra.ssh import ADMIN_USER


def user_data(client_public_key: str, host_private_key: str, host_public_key: str) -> str:
    """The cloud-config: one administrator with a key, root login off, the host key this program made."""
    document = {
        "disable_root": True,
        "ssh_pwauth": False,
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": host_private_key, "ed25519_public": host_public_key},
        "users": [
            {
                "name": ADMIN_USER,
                "gecos": "Platform administration",
                "lock_passwd": True,
                "shell": "/bin/bash",
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "ssh_authorized_keys": [client_public_key],
            }
        ],
    }
    # JSON is YAML: nothing in a key can break out of its quotes.
    return "#cloud-config\n" + json.dumps(document, indent=1) + "\n"


def make_droplet(
    platform: str,
    region: str,
    phase: Phase,
    vpc: do.Vpc,
    *,
    ssh_key: do.SshKey,
    client: SshKeyPair,
    host: SshKeyPair,
) -> do.Droplet:
    """The server. A phase change resizes it in place.

    Image, user data and keys count at birth only: a new Debian image or an edited cloud-config must never replace a
    server that holds data (docs/decisions/0101-droplet-identity.md).
    """
    data: pulumi.Output[str] = pulumi.Output.all(client.public, host.value, host.public).apply(
        lambda keys: user_data(*keys)
    )
    secret_data: pulumi.Output[str] = pulumi.Output.secret(data)
    return do.Droplet(
        "droplet",
        name=platform,
        region=region,
        size=phase.size,
        image=versions()["debian"]["image"],
        vpc_uuid=vpc.id,
        ssh_keys=[ssh_key.id],
        user_data=secret_data,
        monitoring=True,
        ipv6=False,
        # Processors and memory only: a grown root disk can never shrink, and the data lives on the volume.
        resize_disk=False,
        graceful_shutdown=True,
        tags=[platform],
        opts=pulumi.ResourceOptions(ignore_changes=["image", "user_data", "ssh_keys"]),
    )


def numeric_id(droplet: do.Droplet) -> pulumi.Output[int]:
    """The droplet's id as attachments and firewalls want it."""
    return droplet.id.apply(int)
