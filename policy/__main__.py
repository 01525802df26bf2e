"""The policy pack: `pulumi preview --policy-pack policy` holds a stack to the rules."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    ReportViolation,
    StackValidationArgs,
    StackValidationPolicy,
)

# Pulumi starts a pack in its own folder; the rules read the component table and the phases of the program beside it.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from policy.rules import ADVISORY, MANDATORY, Resource, Rule


def as_policy(rule: Rule, level: EnforcementLevel) -> StackValidationPolicy:
    """A rule as Pulumi takes it; its name and description are the function's."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        resources = [
            Resource(row.resource_type.rsplit(":", 1)[-1], row.name, row.props, row.opts.protect)
            for row in args.resources
        ]
        for violation in rule(resources, datetime.now(UTC)):
            report(violation, None)

    return StackValidationPolicy(
        name=rule.__name__.replace("_", "-"),
        description=str(rule.__doc__),
        validate=validate,
        enforcement_level=level,
    )


POLICIES: list[Policy] = [
    *(as_policy(rule, EnforcementLevel.MANDATORY) for rule in MANDATORY),
    *(as_policy(rule, EnforcementLevel.ADVISORY) for rule in ADVISORY),
]
PolicyPack(name="supabase-platform", policies=POLICIES)
