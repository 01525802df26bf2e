"""The SSH key of the platform's operators, known to DigitalOcean so that it never mails a root password."""

import pulumi_digitalocean as do

from infra.secrets import SshKeyPair


def register_key(platform: str, pair: SshKeyPair) -> do.SshKey:
    """Register the public half; the private half never leaves the encrypted state."""
    return do.SshKey("client-key", name=platform, public_key=pair.public)
