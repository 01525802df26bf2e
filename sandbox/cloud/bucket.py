"""Spaces buckets."""

import re
from collections.abc import Iterator
from typing import Any, override

from minio import Minio, S3Error
from minio.commonconfig import DISABLED, ENABLED, Filter
from minio.deleteobjects import DeleteObject
from minio.lifecycleconfig import Expiration, LifecycleConfig, NoncurrentVersionExpiration, Rule
from minio.versioningconfig import SUSPENDED, VersioningConfig

from sandbox.cloud import catalog
from sandbox.cloud.account import Account, ApiError
from sandbox.cloud.kind import UNKNOWN, Failure, Kind, Property, Values, record
from sandbox.services import spaces
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
        with spaces.connect(account.home, *account.spaces_keys()) as server:
            server.buckets.make_bucket(name)
            _configure(server.buckets, name, inputs)
        return str(name)

    @override
    def is_there(self, account: Account, ident: str) -> bool:
        """Ask the server."""
        with spaces.connect(account.home, *account.spaces_keys()) as server:
            return server.buckets.bucket_exists(ident)

    @override
    def outputs(self, account: Account, record: Record) -> Values:
        """What the API tells about a bucket."""
        host = spaces.endpoint(account.home)
        with spaces.connect(account.home, *account.spaces_keys()) as server:
            versioned = _is_versioned(server.buckets, record["name"])
        return {
            "name": record["name"],
            "region": record["region"],
            "acl": record["acl"],
            "lifecycleRules": record["lifecycle_rules"],
            "versioning": {"enabled": versioned},
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
        with spaces.connect(account.home, *account.spaces_keys()) as server:
            _configure(server.buckets, ident, inputs)

    @override
    def delete(self, account: Account, ident: str) -> None:
        """Delete the bucket, and what it holds if the program said so."""
        bucket = account.find(self.collection, ident)
        if bucket is None:
            return
        with spaces.connect(account.home, *account.spaces_keys()) as server:
            if server.buckets.bucket_exists(ident):
                _remove(server.buckets, ident, with_objects=bucket["force_destroy"])
        with account.state.change() as state:
            del state[self.collection][ident]


def _remove(buckets: Minio, name: str, *, with_objects: bool) -> None:
    if with_objects:
        versions = buckets.list_objects(name, recursive=True, include_version=True)
        doomed = (DeleteObject(str(version.object_name), version.version_id) for version in versions)
        for error in buckets.remove_objects(name, doomed):
            raise ApiError(500, f"{error.code}: {error.name} in {name}: {error.message}")
    try:
        buckets.remove_bucket(name)
    except S3Error as error:
        if error.code != "BucketNotEmpty":
            raise
        raise ApiError(409, f"BucketNotEmpty: {name} holds objects; set forceDestroy to delete them too") from None


def _is_versioned(buckets: Minio, name: str) -> bool:
    return buckets.get_bucket_versioning(name).status == ENABLED


def _configure(buckets: Minio, name: str, inputs: Values) -> None:
    enabled = bool((inputs.get("versioning") or {}).get("enabled"))
    if enabled != _is_versioned(buckets, name):
        buckets.set_bucket_versioning(name, VersioningConfig(ENABLED if enabled else SUSPENDED))
    rules = [made for rule in inputs.get("lifecycleRules") or [] if (made := _rule(rule)) is not None]
    if rules:
        buckets.set_bucket_lifecycle(name, LifecycleConfig(rules))
    else:
        buckets.delete_bucket_lifecycle(name)


def _rule(rule: dict[str, Any]) -> Rule | None:
    """What MinIO does about a rule. Unfinished uploads are left out: it removes them by itself after a day."""
    expiration, noncurrent = rule.get("expiration") or {}, rule.get("noncurrentVersionExpiration") or {}
    days, marker = expiration.get("days"), expiration.get("expiredObjectDeleteMarker")
    if not (days or marker or noncurrent.get("days")):
        return None
    return Rule(
        ENABLED if rule.get("enabled") else DISABLED,
        rule_filter=Filter(prefix=rule.get("prefix") or ""),
        rule_id=rule.get("id"),
        expiration=Expiration(days=days) if days else Expiration(expired_object_delete_marker=True) if marker else None,
        noncurrent_version_expiration=(
            NoncurrentVersionExpiration(noncurrent_days=noncurrent["days"]) if noncurrent.get("days") else None
        ),
    )
