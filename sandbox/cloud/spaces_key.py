"""Keys to the object storage that open only some buckets."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator
from typing import Any, override

from sandbox.cloud.account import Account, ApiError
from sandbox.cloud.kind import UNKNOWN, Failure, Kind, Property, Values, record
from sandbox.services import spaces
from sandbox.state import Record

_FULL_ACCESS = "fullaccess"
# As text 40 characters, the most that MinIO takes.
_SECRET_BYTES = 30
_READ_BUCKET = (
    "s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads",
)  # fmt: skip
_READ_OBJECTS = ("s3:GetObject", "s3:GetObjectVersion", "s3:ListMultipartUploadParts")
_WRITE_OBJECTS = ("s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
_OBJECT_ACTIONS = {"read": _READ_OBJECTS, "readwrite": _READ_OBJECTS + _WRITE_OBJECTS}
_PERMISSIONS = (*_OBJECT_ACTIONS, _FULL_ACCESS)


class SpacesKey(Kind):
    """An access key; the server itself holds it to its grants."""

    resource_type = "digitalocean:index/spacesKey:SpacesKey"
    collection = "spaces_keys"
    properties = (Property("name", str, autoname=True), Property("grants", list))
    computed = ("accessKey", "secretKey", "createdAt")
    secret = ("secretKey",)

    @override
    def check(self, inputs: Values) -> Iterator[Failure]:
        """Validate as the API does."""
        for grant in _known(inputs.get("grants")):
            bucket, permission = grant.get("bucket", ""), grant.get("permission")
            if permission not in _PERMISSIONS:
                yield "grants", f"expected permission to be one of {', '.join(_PERMISSIONS)}, got {permission!r}"
            elif (permission == _FULL_ACCESS) is not (bucket == ""):
                yield "grants", f"{_FULL_ACCESS} is for all buckets, named '', and any other permission for one bucket"

    @override
    def check_change(self, old: Values, new: Values) -> None:
        """A key to everything stays one."""
        before, after = (_opens_everything(inputs.get("grants")) for inputs in (old, new))
        if before is not after:
            raise ApiError(400, f"a {_FULL_ACCESS} key cannot become a limited one, nor the reverse; make a new key")

    @override
    def create(self, account: Account, inputs: Values, urn: str) -> str:
        """Make the key."""
        grants = inputs.get("grants") or []
        _require_buckets(account, grants)
        access_key = f"DO00{secrets.token_hex(8).upper()}"
        with account.state.change() as state:
            state.setdefault(self.collection, {})[access_key] = record(
                access_key, urn, name=inputs["name"], grants=grants
            )
        with spaces.connect(account.home, *account.spaces_keys()) as server:
            server.keys.add_service_account(
                access_key=access_key, secret_key=_secret_key(account, access_key), policy=_policy(grants)
            )
        return access_key

    @override
    def is_there(self, account: Account, ident: str) -> bool:
        """Ask the server."""
        with spaces.connect(account.home, *account.spaces_keys()) as server:
            return ident in _served(server, account)

    @override
    def outputs(self, account: Account, record: Record) -> Values:
        """What the API tells about a key."""
        return {
            "name": record["name"],
            "grants": record["grants"],
            "accessKey": record["id"],
            "secretKey": _secret_key(account, record["id"]),
            "createdAt": record["created_at"],
        }

    @override
    def update(self, account: Account, ident: str, inputs: Values) -> None:
        """Rename the key, or open other buckets with it."""
        account.get(self.collection, ident)
        grants = inputs.get("grants") or []
        _require_buckets(account, grants)
        policy = _policy(grants)
        if policy is not None:
            with spaces.connect(account.home, *account.spaces_keys()) as server:
                server.keys.update_service_account(access_key=ident, policy=policy)
        with account.state.change() as state:
            state[self.collection][ident].update(name=inputs["name"], grants=grants)

    @override
    def delete(self, account: Account, ident: str) -> None:
        """Revoke the key at once."""
        if account.find(self.collection, ident) is None:
            return
        with spaces.connect(account.home, *account.spaces_keys()) as server:
            if ident in _served(server, account):
                server.keys.delete_service_account(ident)
        with account.state.change() as state:
            state[self.collection].pop(ident, None)


def _known(grants: Any) -> list[dict[str, str]]:
    """The grants without those that a preview does not know."""
    listed = grants if isinstance(grants, list) else []
    return [grant for grant in listed if grant is not UNKNOWN and UNKNOWN not in grant.values()]


def _opens_everything(grants: Any) -> bool:
    return any(grant["permission"] == _FULL_ACCESS for grant in _known(grants))


def _require_buckets(account: Account, grants: list[dict[str, str]]) -> None:
    buckets = account.state.read().get("buckets", {})
    for grant in grants:
        if grant["bucket"] and grant["bucket"] not in buckets:
            raise ApiError(400, f"bucket {grant['bucket']} of the key's grants does not exist")


def _secret_key(account: Account, access_key: str) -> str:
    """Derived from the account's own key, so that it lies on no disk."""
    _, account_key = account.spaces_keys()
    digest = hmac.digest(account_key.encode(), access_key.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest[:_SECRET_BYTES]).decode()


def _policy(grants: list[dict[str, str]]) -> dict[str, Any] | None:
    """The grants as the server's access policy; none for a key to everything, which may do what the account may."""
    if _opens_everything(grants):
        return None
    statements = []
    for grant in grants:
        bucket = f"arn:aws:s3:::{grant['bucket']}"
        statements += [
            {"Effect": "Allow", "Action": list(_READ_BUCKET), "Resource": [bucket]},
            {"Effect": "Allow", "Action": list(_OBJECT_ACTIONS[grant["permission"]]), "Resource": [f"{bucket}/*"]},
        ]
    nothing = {"Effect": "Deny", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}
    return {"Version": "2012-10-17", "Statement": statements or [nothing]}


def _served(server: spaces.Server, account: Account) -> set[str]:
    """The keys that the server accepts beside the account's own."""
    owner, _ = account.spaces_keys()
    return {key["accessKey"] for key in json.loads(server.keys.list_service_account(owner)).get("accounts") or []}
