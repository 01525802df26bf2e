"""Refuses volumes of more than three gigabytes."""

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)


def small(args: ResourceValidationArgs, report: ReportViolation) -> None:
    if args.resource_type == "digitalocean:index/volume:Volume" and args.props["size"] > 3:
        report(f"a test volume has at most 3 GB, not {args.props['size']}", None)


PolicyPack(
    "sandbox-test",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[ResourceValidationPolicy(name="small-volumes", description="Volumes are small.", validate=small)],
)
