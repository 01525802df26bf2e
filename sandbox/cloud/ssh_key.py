"""SSH keys of the account."""

import base64
import binascii
import hashlib
from collections.abc import Iterator
from typing import override

from sandbox.cloud.account import Account, new_number, refuse_duplicate
from sandbox.cloud.kind import Failure, Kind, Property, Values, record
from sandbox.state import Record

_TYPES = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")


class SshKey(Kind):
    """A public key that new droplets accept for root."""

    resource_type = "digitalocean:index/sshKey:SshKey"
    collection = "ssh_keys"
    properties = (Property("name", str, autoname=True), Property("publicKey", str, required=True, replaces=True))
    computed = ("fingerprint",)

    @override
    def check(self, inputs: Values) -> Iterator[Failure]:
        """Validate as the API does."""
        public_key = inputs.get("publicKey")
        if isinstance(public_key, str) and _fingerprint(public_key) is None:
            yield "publicKey", "Key invalid, key should be of the format `<type> <base64> [comment]`"

    @override
    def create(self, account: Account, inputs: Values, urn: str) -> str:
        """Add the key."""
        public_key = inputs["publicKey"].strip()
        with account.state.change() as state:
            fingerprint = _fingerprint(public_key)
            refuse_duplicate(
                state, self.collection, "fingerprint", fingerprint, "SSH Key is already in use on your account"
            )
            number = new_number(state)
            state.setdefault(self.collection, {})[str(number)] = record(
                number, urn, name=inputs["name"], public_key=public_key, fingerprint=fingerprint
            )
        return str(number)

    @override
    def outputs(self, account: Account, record: Record) -> Values:
        """What the API tells about a key."""
        return {"name": record["name"], "publicKey": record["public_key"], "fingerprint": record["fingerprint"]}

    @override
    def update(self, account: Account, ident: str, inputs: Values) -> None:
        """Rename the key."""
        account.get(self.collection, ident)
        with account.state.change() as state:
            state[self.collection][ident]["name"] = inputs["name"]

    @override
    def delete(self, account: Account, ident: str) -> None:
        """Remove the key from the account; droplets keep it."""
        with account.state.change() as state:
            state.get(self.collection, {}).pop(ident, None)


def _fingerprint(public_key: str) -> str | None:
    """The MD5 fingerprint by which the API knows a key; None if it is not a key."""
    words = public_key.split()
    if len(words) < 2 or words[0] not in _TYPES:
        return None
    try:
        blob = base64.b64decode(words[1], validate=True)
    except binascii.Error:
        return None
    if words[0].encode() not in blob[:64]:
        return None
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))
