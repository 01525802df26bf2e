"""The Ansible inventory of a platform: a pure function from what Pulumi knows to what the roles read."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from infra.components import GROUPS
from infra.config import StackConfig


def build_inventory(
    config: StackConfig,
    *,
    private_ip: str,
    volume_name: str,
    volume_id: str,
    bucket_name: str,
    bucket_endpoint: str,
    secrets: Mapping[str, str],
    secret_facts: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """One host named as the platform, in every group; roles find each other by group, never by localhost.

    How to reach the host and who runs the play are added by the runner: they change without any change of the server.
    """
    host = config.platform
    return {
        "all": {
            "hosts": {host: {}},
            "vars": {
                "platform_name": config.platform,
                "platform_domain": config.domain,
                "platform_environment": config.environment,
                "platform_phase": config.phase.number,
                "platform_vcpus": config.phase.vcpus,
                "platform_memory_mb": config.phase.memory_mb,
                "platform_volume_name": volume_name,
                "platform_volume_id": volume_id,
                "platform_volume_size_gb": config.volume_size,
                "platform_ssh_allowed_cidrs": list(config.ssh_allowed_cidrs),
                "platform_studio_allowed_cidrs": list(config.studio_allowed_cidrs),
                "platform_private_ip": private_ip,
                "platform_source_extensions": list(config.source_extensions),
                # The endpoint is host[:port], for all buckets of the region.
                "platform_backup_bucket": {
                    "name": bucket_name,
                    "endpoint": bucket_endpoint,
                    "region": config.region,
                },
                "platform_backup_retention_weeks": config.backup_retention_weeks,
                "platform_images_archive": config.images_archive,
                "platform_acme_directory": config.acme_directory,
                "platform_acme_email": config.alert_email,
                "platform_mail": asdict(config.mail),
                "platform_accounts": {
                    "signups": config.accounts.signups,
                    "site_url": config.accounts.site_url,
                    "redirect_urls": list(config.accounts.redirect_urls),
                    # Of each the client, and under which name its secret is among the platform's.
                    "identity_providers": {
                        provider: {"client_id": client, "secret": f"auth_{provider}_client_secret"}
                        for provider, client in config.accounts.client_ids.items()
                    },
                },
                "platform_odoo": {
                    "url": config.odoo.url,
                    "database": config.odoo.database,
                    "user": config.odoo.user,
                    "engine": config.odoo.engine,
                    "companies": dict(config.odoo.companies),
                },
                "platform_secrets": dict(secrets),
                "platform_secret_facts": {name: dict(facts) for name, facts in secret_facts.items()},
            },
            "children": {group: {"hosts": {host: {}}} for group in GROUPS},
        }
    }


def complete(inventory: Mapping[str, Any], host_vars: Mapping[str, Any]) -> dict[str, Any]:
    """The inventory with what holds for one run: the way to the host, the commit, the actor."""
    everything = inventory["all"]
    return {**inventory, "all": {**everything, "vars": {**everything["vars"], **host_vars}}}
