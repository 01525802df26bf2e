"""The platform: every resource of a stack, wired. Nothing is decided here."""

from typing import Any

import pulumi

from infra import components as table
from infra.address import Address
from infra.alerts import make_alerts
from infra.audit import build_audit
from infra.bucket import make_backup_key, make_bucket
from infra.config import StackConfig
from infra.configure import Configure
from infra.dns import DigitalOceanDns, as_output
from infra.droplet import make_droplet, numeric_id
from infra.firewall import make_firewall
from infra.inventory import build_inventory
from infra.network import make_vpc
from infra.project import make_project
from infra.secrets import BACKUP_KEY, SshKeyPair, make_platform_secrets
from infra.ssh import ADMIN_USER, Connection
from infra.ssh_keys import register_key
from infra.uptime import Uptime
from infra.volume import DataVolume


def build(config: StackConfig) -> dict[str, Any]:
    """Declare everything and return the stack's outputs."""
    rows = table.load()
    name, phase, region = config.platform, config.phase, config.region
    labels = rows.vhosts(phase.number)

    bucket = make_bucket(name, config.domain, region, protect=config.protect)
    backup_key = make_backup_key(name, bucket, config.rotations.get(BACKUP_KEY, 1))
    secrets = make_platform_secrets(
        config.rotations,
        config.finished_rotations,
        backup_key,
        config.accounts.signing_algorithm,
        protect=config.protect,
    )
    client, host = SshKeyPair("ssh-client"), SshKeyPair("ssh-host")
    vpc = make_vpc(name, region)
    droplet = make_droplet(name, region, phase, vpc, ssh_key=register_key(name, client), client=client, host=host)
    droplet_id = numeric_id(droplet)
    data = DataVolume(name, region, config.volume_size, droplet_id, protect=config.protect)
    address = Address(region, droplet_id, protect=config.protect)
    firewall = make_firewall(name, rows, phase.number, config.ssh_allowed_cidrs, droplet_id)
    grouped = [droplet.droplet_urn, data.volume.volume_urn, address.reserved.reserved_ip_urn, bucket.bucket_urn]
    prepared: list[pulumi.Resource] = [data, address, firewall, bucket]
    if config.dns_provider == "digitalocean":
        dns = DigitalOceanDns(config.domain, config.dns_zone, labels, address.ip)
        grouped += dns.urns
        prepared.append(dns)
    make_project(name, config.domain, config.environment, grouped)
    https = rows.serves_https(phase.number)
    Uptime(name, config.domain, address.ip, config.alert_email, https=https)
    make_alerts(name, droplet.id, config.alert_email)

    inventory: pulumi.Output[dict[str, Any]] = pulumi.Output.all(
        private_ip=droplet.ipv4_address_private,
        volume_name=data.volume.name,
        volume_id=data.volume.id,
        bucket_name=bucket.name,
        bucket_endpoint=bucket.endpoint,
        secrets=pulumi.Output.all(secrets.values, pulumi.Output.secret(dict(config.given_secrets))).apply(
            lambda both: {**both[0], **both[1]}
        ),
        secret_facts=secrets.facts,
    ).apply(lambda known: build_inventory(config, **known))
    connection = pulumi.Output.all(
        host=address.reachable_ip, private_key=client.value, host_public_key=host.public
    ).apply(lambda known: Connection(user=ADMIN_USER, **known).as_dict())
    server = Configure(
        inventory,
        connection,
        declared={"environment": config.environment, "phase": phase.number},
        images_archive=config.images_archive,
        converge=config.converge,
        opts=pulumi.ResourceOptions(depends_on=prepared),
    )
    audit = pulumi.Output.all(
        server=server.server_audit,
        history=server.server_history,
        secret_facts=secrets.facts,
        drift=server.drift,
        converged=server.converged,
    ).apply(lambda known: build_audit(config, rows, **known))
    return {
        "platform": name,
        "phase": phase.number,
        "environment": config.environment,
        "domain": config.domain,
        "address": address.ip,
        "urls": {label: f"https://{label}.{config.domain}" for label in labels},
        "droplet_id": droplet.id,
        "volume_id": data.volume.id,
        "backup_bucket": bucket.name,
        "dns_records": as_output(config.domain, labels, address.ip),
        "public_keys": {**secrets.public_keys, "ssh": client.public},
        "ssh_host_public_key": host.public,
        "ssh_private_key": client.value,
        "secrets": secrets.values,
        "inventory": inventory,
        "audit": audit,
    }
