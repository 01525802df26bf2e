"""The Spaces bucket that holds the backups, off the machine they protect."""

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
