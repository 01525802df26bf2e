"""The Spaces bucket that holds the backups, off the machine they protect, and the key that opens it."""

import hashlib

import pulumi
import pulumi_digitalocean as do

# Deleted or overwritten backups stay this long, so an intruder on the server cannot destroy them at once.
KEEP_DELETED_DAYS = 30
ABORT_UPLOADS_DAYS = 7


def bucket_name(platform: str, domain: str) -> str:
    """Bucket names are shared by all accounts of a region, hence the fingerprint of the domain."""
    return f"{platform}-backups-{hashlib.sha256(domain.encode()).hexdigest()[:8]}"


def make_bucket(platform: str, domain: str, region: str, *, protect: bool) -> do.SpacesBucket:
    """A private, versioned bucket."""
    return do.SpacesBucket(
        "backups",
        name=bucket_name(platform, domain),
        region=region,
        acl="private",
        force_destroy=not protect,
        versioning=do.SpacesBucketVersioningArgs(enabled=True),
        lifecycle_rules=[
            do.SpacesBucketLifecycleRuleArgs(
                id="expire-deleted",
                enabled=True,
                abort_incomplete_multipart_upload_days=ABORT_UPLOADS_DAYS,
                noncurrent_version_expiration=do.SpacesBucketLifecycleRuleNoncurrentVersionExpirationArgs(
                    days=KEEP_DELETED_DAYS
                ),
            )
        ],
        # The name was chosen at birth; a later change of domain must not move the backups.
        opts=pulumi.ResourceOptions(protect=protect, retain_on_delete=protect, ignore_changes=["name"]),
    )


def make_backup_key(platform: str, bucket: do.SpacesBucket, generation: int) -> do.SpacesKey:
    """The key with which the server reads and writes backups, and nothing else.

    The generation is in the name, so that raising it makes a second key; Pulumi deletes the first one after
    everything else, when the server works with the second.
    """
    return do.SpacesKey(
        "backup-key",
        name=f"{platform}-backup-{generation}",
        grants=[do.SpacesKeyGrantArgs(bucket=bucket.name, permission="readwrite")],
        opts=pulumi.ResourceOptions(replace_on_changes=["name"]),
    )
