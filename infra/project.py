"""The DigitalOcean project that groups the platform's resources in the console and on the bill."""

from collections.abc import Sequence

import pulumi
import pulumi_digitalocean as do


def make_project(platform: str, domain: str, environment: str, resources: Sequence[pulumi.Input[str]]) -> do.Project:
    """The project with everything that can belong to one."""
    return do.Project(
        "project",
        name=platform,
        description=f"Supabase platform at {domain}",
        purpose="Service or API",
        environment=environment.capitalize(),
        resources=list(resources),
    )
