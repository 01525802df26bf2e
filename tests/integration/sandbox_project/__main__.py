"""One of each resource type; the stack's configuration varies what the tests vary."""

import pulumi
import pulumi_digitalocean as do

ANYWHERE = ["0.0.0.0/0", "::/0"]
MAIL = "ops@example.test"

config = pulumi.Config()
key = do.SshKey("key", name="test", public_key=config.require("public_key"))
vpc = do.Vpc("vpc", name="test", region="fra1")
droplet = do.Droplet(
    "droplet",
    name="test",
    region="fra1",
    image=config.get("image") or "debian-13-x64",
    size=config.get("size") or "s-1vcpu-1gb",
    vpc_uuid=vpc.id,
    ssh_keys=[key.id],
    user_data=pulumi.Output.secret(f"#cloud-config\n# {config.require('marker')}\n{{}}\n"),
    monitoring=True,
    resize_disk=False,
    tags=["test"],
)
droplet_id = droplet.id.apply(int)
volume = do.Volume("volume", name="test-data", region="fra1", size=config.get_int("volume_size") or 2)
do.VolumeAttachment("attachment", droplet_id=droplet_id, volume_id=volume.id)
address = do.ReservedIp("address", region="fra1")
do.ReservedIpAssignment("assignment", droplet_id=droplet_id, ip_address=address.ip_address)
do.Firewall(
    "firewall",
    name="test",
    droplet_ids=[droplet_id],
    inbound_rules=[
        do.FirewallInboundRuleArgs(protocol="tcp", port_range="22", source_addresses=ANYWHERE),
        do.FirewallInboundRuleArgs(protocol="icmp", source_addresses=ANYWHERE),
    ],
    outbound_rules=[
        do.FirewallOutboundRuleArgs(protocol=protocol, port_range="1-65535", destination_addresses=ANYWHERE)
        for protocol in ("tcp", "udp")
    ],
)
domain = do.Domain("domain", name="example.test")
do.DnsRecord("apex", domain=domain.name, type="A", name="@", value=address.ip_address, ttl=300)
do.DnsRecord("alias", domain=domain.name, type="CNAME", name="api", value="example.test.", ttl=300)
bucket = do.SpacesBucket(
    "bucket",
    name="test-backups",
    region="fra1",
    versioning=do.SpacesBucketVersioningArgs(enabled=True),
    force_destroy=True,
    lifecycle_rules=[
        do.SpacesBucketLifecycleRuleArgs(
            enabled=True,
            noncurrent_version_expiration=do.SpacesBucketLifecycleRuleNoncurrentVersionExpirationArgs(days=30),
        )
    ],
)
other = do.SpacesBucket("other", name="test-other", region="fra1", force_destroy=True)
generation = config.get_int("key_generation") or 1
spaces_key = do.SpacesKey(
    "spaces-key",
    name=f"test-{generation}",
    grants=[do.SpacesKeyGrantArgs(bucket=bucket.name, permission=config.get("permission") or "readwrite")],
    opts=pulumi.ResourceOptions(replace_on_changes=["name"]),
)
do.Project(
    "project",
    name="test",
    environment="Staging",
    resources=[
        droplet.droplet_urn,
        volume.volume_urn,
        domain.domain_urn,
        address.reserved_ip_urn,
        bucket.bucket_urn,
    ],
)
check = do.UptimeCheck("check", name="test", target="https://example.test", type="https", regions=["eu_west"])
do.UptimeAlert(
    "check-alert",
    name="test",
    check_id=check.id,
    type="down",
    period="2m",
    notifications=[do.UptimeAlertNotificationArgs(emails=[MAIL])],
)
do.MonitorAlert(
    "cpu-alert",
    description="processor",
    type="v1/insights/droplet/cpu",
    compare="GreaterThan",
    value=90,
    window="5m",
    entities=[droplet.id],
    alerts=do.MonitorAlertAlertsArgs(emails=[MAIL]),
)
pulumi.export("bucket", bucket.name)
pulumi.export("endpoint", bucket.endpoint)
pulumi.export("other_bucket", other.name)
pulumi.export("spaces_key", [spaces_key.access_key, spaces_key.secret_key])
pulumi.export("address", address.ip_address)
pulumi.export("droplet_id", droplet.id)
pulumi.export("volume_id", volume.id)
