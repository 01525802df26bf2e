"""The private network of the platform. DigitalOcean picks a free address range."""

import pulumi_digitalocean as do


def make_vpc(platform: str, region: str) -> do.Vpc:
    """One VPC per platform, so that no other droplet of the account shares its private network."""
    return do.Vpc("vpc", name=platform, region=region, description=f"Private network of {platform}")
