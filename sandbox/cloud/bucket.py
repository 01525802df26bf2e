"""Spaces buckets."""

import re
from collections.abc import Iterator
from typing import Any, override
from xml.sax.saxutils import escape

from sandbox.cloud import catalog
from sandbox.cloud.account import Account, ApiError
from sandbox.cloud.kind import UNKNOWN, Failure, Kind, Property, Values, record
from sandbox.services import spaces
from sandbox.services.s3 import S3, S3Error
from sandbox.state import Record

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_ACLS = ("private",)


class SpacesBucket(Kind):
    """A bucket of the sandbox's object storage."""

    resource_type = "digitalocean:index/spacesBucket:SpacesBucket"
    collection = "buckets"
    properties = (
        Property("name", str, autoname=True, replaces=True),
        Property("region", str, replaces=True, default="nyc3"),
        Property("acl", str, default="private"),
        Property("forceDestroy", bool, write_only=True),
        Property("versioning", dict),
        Property("lifecycleRules", list),
        Property("corsRules", list),
    )
    computed = ("bucketDomainName", "bucketUrn", "endpoint")

    @override
    def check(self, inputs: Values) -> Iterator[Failure]:
        """Validate as the API does."""
        yield from catalog.one_of("region", inputs.get("region"), catalog.SPACES_REGIONS)
        name, acl = inputs.get("name"), inputs.get("acl", "private")
        if isinstance(name, str) and not _NAME.fullmatch(name):
            yield "name", f"a bucket name has 3 to 63 lowercase letters, numbers and dashes, got {name!r}"
        if acl is not UNKNOWN and acl not in _ACLS:
            yield "acl", f"the sandbox only offers private buckets, got {acl!r}"
        if inputs.get("corsRules"):
            yield "corsRules", "the sandbox does not offer corsRules"

    @override
    def create(self, account: Account, inputs: Values, urn: str) -> str:
        """Create the bucket."""
        name = inputs["name"]
        with account.state.change() as state:
            buckets = state.setdefault(self.collection, {})
            if name in buckets:
                raise ApiError(409, f"BucketAlreadyExists: {name}")
            buckets[name] = record(
                name,
                urn,
                name=name,
                region=inputs.get("region") or "nyc3",
                acl=inputs.get("acl") or "private",
                force_destroy=bool(inputs.get("forceDestroy")),
                lifecycle_rules=inputs.get("lifecycleRules") or [],
            )
        client = _client(account)
        client.create(name)
        _configure(client, name, inputs)
        return str(name)

    @override
    def is_there(self, account: Account, ident: str) -> bool:
        """Ask the server."""
        return _client(account).exists(ident)

    @override
    def outputs(self, account: Account, record: Record) -> Values:
        """What the API tells about a bucket."""
        host = spaces.endpoint(account.home)
        return {
            "name": record["name"],
            "region": record["region"],
            "acl": record["acl"],
            "lifecycleRules": record["lifecycle_rules"],
            "versioning": {"enabled": _client(account).versioning(record["name"])},
            "endpoint": host,
            "bucketDomainName": f"{host}/{record['name']}",
            "bucketUrn": f"do:space:{record['name']}",
        }

    @override
    def update(self, account: Account, ident: str, inputs: Values) -> None:
        """Change versioning and life cycle."""
        account.get(self.collection, ident)
        with account.state.change() as state:
            state[self.collection][ident].update(
                force_destroy=bool(inputs.get("forceDestroy")), lifecycle_rules=inputs.get("lifecycleRules") or []
            )
        _configure(_client(account), ident, inputs)

    @override
    def delete(self, account: Account, ident: str) -> None:
        """Delete the bucket, and what it holds if the program said so."""
        bucket = account.find(self.collection, ident)
        if bucket is None:
            return
        client = _client(account)
        if client.exists(ident):
            if bucket["force_destroy"]:
                client.empty(ident)
            try:
                client.delete(ident)
            except S3Error as error:
                if error.code != "BucketNotEmpty":
                    raise
                raise ApiError(
                    409, f"BucketNotEmpty: {ident} holds objects; set forceDestroy to delete them too"
                ) from None
        with account.state.change() as state:
            del state[self.collection][ident]


def _client(account: Account) -> S3:
    access_key, secret_key = account.spaces_credentials
    if not access_key or not secret_key:
        raise ApiError(
            403,
            "Spaces keys are missing; set SPACES_ACCESS_KEY_ID and SPACES_SECRET_ACCESS_KEY (sandbox: make env)",
        )
    return spaces.connect(account.home, access_key, secret_key)


def _configure(client: S3, name: str, inputs: Values) -> None:
    enabled = bool((inputs.get("versioning") or {}).get("enabled"))
    if enabled != client.versioning(name):
        client.set_versioning(name, enabled=enabled)
    client.set_lifecycle(name, "".join(_rule(rule) for rule in inputs.get("lifecycleRules") or []))


def _rule(rule: dict[str, Any]) -> str:
    """A lifecycle rule as XML. Unfinished uploads are not mentioned: MinIO removes them by itself after a day."""
    expiration, noncurrent = rule.get("expiration") or {}, rule.get("noncurrentVersionExpiration") or {}
    actions = ""
    if expiration.get("days"):
        actions += f"<Expiration><Days>{expiration['days']}</Days></Expiration>"
    elif expiration.get("expiredObjectDeleteMarker"):
        actions += "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
    if noncurrent.get("days"):
        days = f"<NoncurrentDays>{noncurrent['days']}</NoncurrentDays>"
        actions += f"<NoncurrentVersionExpiration>{days}</NoncurrentVersionExpiration>"
    if not actions:
        return ""
    name = f"<ID>{escape(rule['id'])}</ID>" if rule.get("id") else ""
    status = "Enabled" if rule.get("enabled") else "Disabled"
    prefix = escape(rule.get("prefix") or "")
    return f"<Rule>{name}<Status>{status}</Status><Filter><Prefix>{prefix}</Prefix></Filter>{actions}</Rule>"
